"""SDP answers for calls without media: what the offer has, at a port where nobody listens."""

from __future__ import annotations

from typing import Final

PORT: Final = 9  # discard
FINGERPRINT: Final = "sha-256 " + ":".join(["AB"] * 32)


def answer(offer: bytes) -> bytes:
    """Return an answer that takes the audio of an offer with its first codec: with two, pjsip asks again for one."""
    sections: list[list[str]] = [[]]
    for line in offer.decode(errors="replace").replace("\r\n", "\n").split("\n"):
        if line.startswith("m="):
            sections.append([])
        if line:
            sections[-1].append(line)
    session, *media = sections
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
    lines += [line for line in session if line.startswith("a=group:")]
    for section in media:
        lines += _stream(section)
    return "".join(f"{line}\r\n" for line in lines).encode()


def _stream(section: list[str]) -> list[str]:
    kind, _port, protocol, codec, *_others = section[0][2:].split()
    names = [line for line in section if line.startswith((f"a=rtpmap:{codec} ", f"a=fmtp:{codec} "))]
    if "SAVPF" not in protocol:
        return [f"m={kind} {PORT if kind == 'audio' else 0} {protocol} {codec}", *names]
    # What a browser wants to hear before it believes that there could be media.
    mid = [line for line in section if line.startswith("a=mid:")]
    ice = ["a=ice-ufrag:abcd", "a=ice-pwd:abcdefghijklmnopqrstuvwx", f"a=fingerprint:{FINGERPRINT}", "a=setup:active"]
    return [f"m={kind} {PORT} {protocol} {codec}", *mid, *ice, "a=rtcp-mux", "a=sendrecv", *names]
