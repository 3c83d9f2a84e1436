"""Calls as ladders: one text says what caller and callee send, and becomes a scenario of SIPp's for each of them.

    INVITE ->            the caller sends a request; "+sdp", "+reliable", "+contact" say what goes along
    <- 180               the callee answers the last request that the caller has sent
    <- 200 INVITE        ... or the last one with this method
    <- BYE               the callee sends a request
    200 ->
    <- wait 500          the callee does nothing for so many milliseconds

Every message is checked by who gets it, since SIPp calls a call failed where another one comes. Requests inside the
dialog go by its route set and to the remote target, as RFC 3261 12.2.1.1 has it; SIPp sends them where it has sent the
first one, as a client behind an outbound proxy does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from pathlib import Path

CALLER: Final = "caller"
CALLEE: Final = "callee"
REASONS: Final = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted", 302: "Moved Temporarily",
    403: "Forbidden", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here",
}  # fmt: skip
EXTRA: Final = {
    "sdp": "Content-Type: application/sdp",
    "web": "Content-Type: application/sdp",
    "webhold": "Content-Type: application/sdp",
    "reliable": "Require: 100rel\nRSeq: 1",
    "supported": "Supported: 100rel, timer",
    "contact": "Contact: <sip:carol@192.0.2.1:5070;transport=udp>, <sip:dave@192.0.2.2>;q=0.5",
    "event": "Event: presence\nExpires: 60",
    "state": "Event: presence\nSubscription-State: active;expires=60",
    "refer": "Refer-To: <sip:carol@example.com>",
    "text": "Content-Type: text/plain",
}
SDP: Final = "v=0\no=sipp 1 1 IN IP[local_ip_type] [local_ip]\ns=-\nc=IN IP[local_ip_type] [local_ip]\nt=0 0\n" \
    "m=audio 49170 RTP/AVP 0 8"  # fmt: skip
# What a browser takes for an answer to its offer of audio, at a port where nobody listens.
WEB: Final = "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\na=group:BUNDLE 0\n" \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\na=mid:0\na=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuvwx\n" \
    "a=setup:active\na=rtcp-mux\na=rtpmap:111 opus/48000/2\na=fingerprint:sha-256 " + ":".join(["AB"] * 32)  # fmt: skip
BODIES: Final = {"sdp": SDP, "web": f"{WEB}\na=sendrecv", "webhold": f"{WEB}\na=recvonly", "text": "Hello, or not?"}
FIRST: Final = ("INVITE", "SUBSCRIBE", "OPTIONS", "MESSAGE", "REGISTER")  # that the far side keeps Via and From of

_match_step = re.compile(
    r"(?P<back><- )?(?:(?P<status>\d{3})(?: (?P<of>[A-Z]+))?|(?P<method>[A-Z]+))(?P<words>(?: \+\w+)*)(?P<on> ->)?"
).fullmatch
_match_pause = re.compile(r"(<- )?wait (\d+)(?: ->)?").fullmatch


@dataclass(frozen=True)
class Request:
    """A request of the ladder: who sends it, its CSeq, and what its Via's branch ends in."""

    method: str
    sender: str
    cseq: int
    branch: str
    first: bool  # outside of any dialog

    @property
    def is_kept(self) -> bool:
        """Whether the callee keeps what it needs to answer it more than once."""
        return self.sender == CALLER and (self.method == "INVITE" or (self.first and self.method in FIRST))

    @property
    def is_ack_of_refusal(self) -> bool:
        """Whether it is an ACK that belongs to the transaction of its INVITE (RFC 3261 17.1.1.3)."""
        return self.method == "ACK" and not self.branch.endswith("ACK")


@dataclass
class Side:
    """One of the two scenarios, as far as it is written."""

    name: str
    parts: list[str] = field(default_factory=list)

    def send(self, text: str, *, again: bool) -> None:
        """Write a message."""
        lines = "\n".join(f"      {line}".rstrip() for line in text.split("\n"))
        retrans = ' retrans="2000"' if again else ""
        self.parts.append(f"  <send{retrans}><![CDATA[\n{lines}\n  ]]></send>")

    def receive(self, what: str, actions: str = "") -> None:
        """Write that something must come."""
        inner = f">\n    <action>{actions}</action>\n  </recv>" if actions else "/>"
        self.parts.append(f"  <recv {what}{inner}")


class Ladder:
    """Both scenarios of a text; `user` is whom the caller calls."""

    def __init__(self, text: str, user: str) -> None:
        self.user = user
        self.sides = {name: Side(name) for name in (CALLER, CALLEE)}
        self._last: dict[tuple[str, str], Request] = {}
        self._cseq = {CALLER: 0, CALLEE: 100}
        self._refused = False
        self._latest: Request | None = None
        for line in filter(None, map(str.strip, text.strip().splitlines())):
            self._step(line)

    def write(self, folder: Path) -> dict[str, Path]:
        """Write the scenarios into `folder`; return their files by side."""
        return {name: _write(folder / f"{self.user}-{name}.xml", side.parts) for name, side in self.sides.items()}

    def _step(self, line: str) -> None:
        if (pause := _match_pause(line)) is not None:
            self.sides[CALLEE if pause[1] else CALLER].parts.append(f'  <pause milliseconds="{pause[2]}"/>')
            return
        step = _match_step(line)
        assert step, f"no step of a ladder: {line!r}"
        assert bool(step["back"]) != bool(step["on"]), f"which way does this go: {line!r}"
        sender, other = (CALLEE, CALLER) if step["back"] else (CALLER, CALLEE)
        words = [word.strip() for word in step["words"].split("+") if word.strip()]
        if step["method"]:
            self._request(step["method"], sender, other, words)
        else:
            self._reply(int(step["status"]), step["of"], sender, other, words)

    # Requests ------------------------------------------------------------------------------------------------------

    def _request(self, method: str, sender: str, other: str, words: list[str]) -> None:
        request = self._number(method, sender)
        if (invite := self._last.get((sender, "INVITE"))) is not None and method == "PRACK":
            words = [*words, f"RAck: 1 {invite.cseq} INVITE"]
        start = f"{method} {f'sip:{self.user}@example.com' if request.first else '[next_url]'} SIP/2.0"
        via = "Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=z9hG4bK-[pid]-[call_number]-"
        lines = [start, via + request.branch]
        lines += [] if request.first else ["[routes]"]
        lines += ["Max-Forwards: 70", *self._ends(request), "Call-ID: [call_id]", f"CSeq: {request.cseq} {method}"]
        self.sides[sender].send(self._finish(lines, sender, words), again=method != "ACK")
        target = ' rrs="true"' if method in FIRST else ""
        self.sides[other].receive(f'request="{method}"{target}', KEEP if request.is_kept else "")
        self._latest = request

    def _number(self, method: str, sender: str) -> Request:
        invite = self._last.get((sender, "INVITE"))
        if invite is not None and (method == "CANCEL" or (method == "ACK" and self._refused)):
            request = Request(method, sender, invite.cseq, invite.branch, invite.first)
        elif method == "ACK" and invite is not None:
            request = Request(method, sender, invite.cseq, f"{invite.cseq}-ACK", first=False)
        else:
            self._cseq[sender] += 1
            number = self._cseq[sender]
            request = Request(method, sender, number, f"{number}-{method}", first=not self._last)
        self._last[sender, method] = request
        return request

    def _ends(self, request: Request) -> list[str]:
        """From and To."""
        if request.sender == CALLEE:
            return [f"From: <sip:{self.user}@example.com>;tag=[pid]b[call_number]", "To: [$from]"]
        caller = "From: <sip:alice@example.org>;tag=[pid]a[call_number]"
        if request.is_ack_of_refusal:
            return [caller, "[last_To:]"]
        tag = "" if request.first else "[peer_tag_param]"
        return [caller, f"To: <sip:{self.user}@example.com>{tag}"]

    # Replies -------------------------------------------------------------------------------------------------------

    def _reply(self, status: int, of: str | None, sender: str, other: str, words: list[str]) -> None:
        request = self._latest if of is None else self._last[other, of]
        assert request is not None
        assert request.sender == other, f"{status} to {request}"
        lines = [f"SIP/2.0 {status} {REASONS[status]}"]
        if request.is_kept:
            to = f"To: <sip:{self.user}@example.com>;tag=[pid]b[call_number]"
            lines += [
                "[$vias][$routed]From: [$from]",
                to,
                "Call-ID: [call_id]",
                "CSeq: [$cseq]",
            ]
        else:
            to = "[last_To:];tag=[pid]b[call_number]" if request.method == "CANCEL" else "[last_To:]"
            lines += ["[last_Via:]", "[last_Record-Route:]", "[last_From:]", to, "[last_Call-ID:]", "[last_CSeq:]"]
        if request.method == "INVITE" and status >= 200:
            self._refused = status >= 300
        self.sides[sender].send(self._finish(lines, sender, words), again=request.method == "INVITE" and status >= 200)
        if request.method == "INVITE" and "<send" in self.sides[other].parts[-1]:
            self.sides[other].receive('response="100" optional="true"')  # a proxy with state says it
        self.sides[other].receive(f'response="{status}"' + (' rrs="true"' if status < 300 else ""))

    def _finish(self, lines: list[str], sender: str, words: list[str]) -> str:
        if "contact" not in words:
            user = "alice" if sender == CALLER else self.user
            lines = [*lines, f"Contact: <sip:{user}@[local_ip]:[local_port];transport=[transport]>"]
        lines = [*lines, *(EXTRA.get(word, word) for word in words)]
        body = next((BODIES[word] for word in words if word in BODIES), "")
        return "\n".join((*lines, "Content-Length: [len]", "", body))


# What the callee keeps of a request that it answers more than once: all Vias and Record-Routes with their line ends, so
# that they stand right before another header, From and CSeq. A dot is any byte here, line ends too: hence [:cntrl:].
KEEP: Final = """
      <ereg regexp="(Via: [^[:cntrl:]]*[[:cntrl:]]+)+" search_in="msg" check_it="true" assign_to="vias"/>
      <ereg regexp="(Record-Route: [^[:cntrl:]]*[[:cntrl:]]+)+" search_in="msg" assign_to="routed"/>
      <ereg regexp="[^ ].*" search_in="hdr" header="From:" check_it="true" assign_to="from"/>
      <ereg regexp="[0-9].*" search_in="hdr" header="CSeq:" check_it="true" assign_to="cseq"/>
    """


def _write(file: Path, parts: list[str]) -> Path:
    used = ' <Reference variables="vias,routed,from,cseq"/>\n' if any("assign_to" in part for part in parts) else ""
    file.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">\n'
        f'<scenario name="{escape(file.stem)}">\n' + "\n".join(parts) + f"\n{used}</scenario>\n",
        encoding="ascii",
    )
    return file
