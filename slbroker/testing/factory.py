"""Requests for tests, each another call: only what matters to a test has to be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final, TypeAlias

from slbroker.sip.grammar import canonical_name
from slbroker.sip.message import Source

SOURCE: Final = Source("192.0.2.1", 5060, "udp:192.0.2.2:5060")  # addresses for documentation, RFC 5737
URI: Final = "sip:alice@example.com"
SDP: Final = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 8\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
)

# None takes a header away; several values are several lines.
RequestHeaders: TypeAlias = Mapping[str, str | Sequence[str] | None]


class RequestFactory:
    """Writes requests as their bytes."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def request(
        self, method: str, uri: str = URI, headers: RequestHeaders | None = None, body: bytes | str = b""
    ) -> bytes:
        """Return a request with what RFC 3261 8.1.1 wants in it.

        `headers` are added to those, or replace them, in any spelling of their names; None takes one away.
        """
        content = body.encode() if isinstance(body, str) else body
        number = next(self._numbers)
        lines: dict[str, str | Sequence[str] | None] = {
            "Via": f"SIP/2.0/UDP {SOURCE.host}:{SOURCE.port};rport;branch=z9hG4bK{number}",
            "Max-Forwards": "70",
            "From": f"<sip:caller@{SOURCE.host}>;tag=from{number}",
            "To": f"<{uri}>",
            "Call-ID": f"call{number}@{SOURCE.host}",
            "CSeq": f"{number} {method}",
            "Contact": f"<sip:caller@{SOURCE.host}>",
            "Content-Length": str(len(content)),
        }
        ours = {canonical_name(name.encode()): name for name in lines}
        for name, value in (headers or {}).items():
            lines[ours.get(canonical_name(name.encode()), name)] = value
        head = [f"{method} {uri} SIP/2.0"]
        for name, value in lines.items():
            values = [value] if isinstance(value, str) else value or ()
            head += [f"{name}: {single}" for single in values]
        return "\r\n".join((*head, "", "")).encode(errors="surrogateescape") + content

    def invite(self, uri: str = URI, headers: RequestHeaders | None = None, sdp: str = SDP) -> bytes:
        """Return an INVITE with an offer."""
        return self.request("INVITE", uri, {"Content-Type": "application/sdp", **(headers or {})}, sdp)

    def register(
        self,
        aor: str = URI,
        contact: str = "<sip:alice@192.0.2.1>",
        expires: int = 3600,
        headers: RequestHeaders | None = None,
    ) -> bytes:
        """Return a REGISTER of `contact` for `aor` at the registrar of its domain (RFC 3261 10.2)."""
        registrar = f"sip:{aor.rpartition('@')[2]}"
        named = {"From": f"<{aor}>;tag=reg", "To": f"<{aor}>", "Contact": contact, "Expires": str(expires)}
        return self.request("REGISTER", registrar, {**named, **(headers or {})})
