"""Requests as SIP programs write them, and a reader of replies that shares no code with slbroker."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import sipmessage

# One value, several lines of the same header, or None: no such header.
Value: TypeAlias = str | bytes | Sequence[str | bytes] | None

_SPELLINGS = {"from_": "From", "call_id": "Call-ID", "cseq": "CSeq", "rack": "RAck"}


def request(
    method: str | bytes = "OPTIONS",
    uri: str | bytes = "sip:bob@example.com",
    *,
    version: str | bytes = "SIP/2.0",
    lines: Sequence[bytes] = (),
    body: bytes = b"",
    **headers: Value,
) -> bytes:
    """Build a request. A header is named by a keyword: `call_id=...`, `from_=...`, `max_forwards=None` for none.

    A list gives several lines. `lines` are put behind the headers as they are, without their CRLF.
    """
    method = _raw(method)
    values: dict[str, Value] = {
        "via": "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds",
        "from_": "<sip:alice@example.org>;tag=1928301774",
        "to": "<sip:bob@example.com>",
        "call_id": "a84b4c76e66710@192.0.2.1",
        "cseq": b"1 %b" % method,
        "max_forwards": "70",
        "content_length": str(len(body)),
    }
    head = [b"%b %b %b" % (method, _raw(uri), _raw(version))]
    for name, value in (values | headers).items():
        title = _SPELLINGS.get(name) or "-".join(part.capitalize() for part in name.split("_"))
        head += [b"%b: %b" % (title.encode(), line) for line in _lines(value)]
    return b"\r\n".join((*head, *lines, b"", body))


def _lines(value: Value) -> list[bytes]:
    if value is None:
        return []
    if isinstance(value, str | bytes):
        return [_raw(value)]
    return [_raw(line) for line in value]


def _raw(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def wire(*lines: str, body: str = "") -> bytes:
    """Join lines as they go over the wire, with the empty line and the body behind them."""
    return "\r\n".join((*lines, "", body)).encode()


_SDP = (
    "v=0\r\no=user1 53655765 2353687637 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0\r\n"
)

# What real programs send, taken from the wire (addresses changed), but for the phone's and the ping's.
SIPP_INVITE = wire(
    "INVITE sip:service@192.0.2.7:5060 SIP/2.0",
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-9937-1-0",
    "From: sipp <sip:sipp@192.0.2.1:5060>;tag=9937SIPpTag001",
    "To: service <sip:service@192.0.2.7:5060>",
    "Call-ID: 1-9937@192.0.2.1",
    "CSeq: 1 INVITE",
    "Contact: sip:sipp@192.0.2.1:5060",
    "Max-Forwards: 70",
    "Subject: Performance Test",
    "Content-Type: application/sdp",
    f"Content-Length:   {len(_SDP)}",
    body=_SDP,
)
SIPP_ACK = wire(
    "ACK sip:service@192.0.2.7:5060 SIP/2.0",
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-9937-1-0",
    "From: sipp <sip:sipp@192.0.2.1:5060>;tag=9937SIPpTag001",
    "To: service <sip:service@192.0.2.7:5060>;tag=s1a-00",
    "Call-ID: 1-9937@192.0.2.1",
    "CSeq: 1 ACK",
    "Contact: <sip:sipp@192.0.2.1:5060;transport=UDP>",
    "Max-Forwards: 70",
    "Subject: Performance Test",
    "Content-Length: 0",
)
# Forwarded without a transaction, for a client that came over TCP: hence the branch and ";i=".
KAMAILIO_OPTIONS = wire(
    "OPTIONS sip:bob@example.com SIP/2.0",
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK43fc.7614a7258101cbd8fecca60273a533b3.0;i=1",
    "Via: SIP/2.0/TCP 192.0.2.9:38454;received=192.0.2.9;rport=38454;branch=z9hG4bKabc",
    "From: <sip:alice@example.com>;tag=1",
    "To: <sip:bob@example.com>",
    "Call-ID: c1@192.0.2.9",
    "CSeq: 1 OPTIONS",
    "Max-Forwards: 69",
    "Content-Length: 0",
)
KAMAILIO_PING = wire(
    "OPTIONS sip:bob@192.0.2.7:5060 SIP/2.0",
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=0",
    "From: sip:pinger@192.0.2.1;tag=uloc-1-5f3a-c1d2",
    "To: sip:bob@192.0.2.7:5060",
    "Call-ID: 56b53a8b-2c1c@192.0.2.1",
    "CSeq: 1 OPTIONS",
    "Content-Length: 0",
)
SIPSAK_OPTIONS = wire(
    "OPTIONS sip:bob@192.0.2.7:5060 SIP/2.0",
    "Via: SIP/2.0/UDP 192.0.2.1:37384;branch=z9hG4bK.5de08725;rport;alias",
    "From: sip:sipsak@192.0.2.1:37384;tag=59142131",
    "To: sip:bob@192.0.2.7:5060",
    "Call-ID: 1494491441@192.0.2.1",
    "CSeq: 1 OPTIONS",
    "Contact: sip:sipsak@192.0.2.1:37384",
    "Content-Length: 0",
    "Max-Forwards: 70",
    "User-Agent: sipsak 0.9.8.1",
    "Accept: text/plain",
)
PHONE_INVITE = wire(
    "INVITE sip:+4930123456@example.com;user=phone SIP/2.0",
    "v: SIP/2.0/UDP 10.0.0.23:5062;rport;branch=z9hG4bK-d8754z-1f",
    'f: "Zoë" <sip:zoe@example.com>;tag=3f2a',
    "t: <sip:+4930123456@example.com;user=phone>",
    "i: 9c7f0a1e",
    "CSeq: 4711 INVITE",
    'm: <sip:zoe@10.0.0.23:5062;transport=udp>;+sip.instance="<urn:uuid:0>"',
    "Max-Forwards: 70",
    "k: replaces, 100rel,",
    " timer",
    "x: 1800;refresher=uac",
    "c: application/sdp",
    f"l: {len(_SDP)}",
    body=_SDP,
)
TYPICAL = {
    "sipp_invite": SIPP_INVITE,
    "kamailio_options": KAMAILIO_OPTIONS,
    "kamailio_ping": KAMAILIO_PING,
    "sipsak_options": SIPSAK_OPTIONS,
    "phone_invite": PHONE_INVITE,
}


# Reading replies ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReadReply:
    """A reply as a strict peer reads it; names as written, one pair a line."""

    status: int
    reason: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def all(self, name: bytes) -> list[bytes]:
        """The values of every line called `name`, in exactly this spelling."""
        return [value for candidate, value in self.headers if candidate == name]

    def one(self, name: bytes) -> bytes:
        """The value of the only line called `name`."""
        (value,) = self.all(name)
        return value

    @property
    def vias(self) -> list[bytes]:
        """Every Via in order, those joined by commas apart."""
        return [via for line in self.all(b"Via") for via in split_list(line)]


def read_reply(data: bytes) -> ReadReply:
    """Read a reply; fails on anything a strict peer would not take, and where `sipmessage` reads it differently."""
    head, empty_line, body = data.partition(b"\r\n\r\n")
    assert empty_line
    start, *lines = head.split(b"\r\n")
    assert not any(re.search(rb"[\r\n]", line) for line in (start, *lines))
    status_line = re.fullmatch(rb"SIP/2\.0 ([1-6][0-9][0-9]) (.*)", start, re.DOTALL)
    assert status_line is not None
    headers = []
    for line in lines:
        header = re.fullmatch(rb"([A-Z][0-9A-Za-z-]*): (.*)", line, re.DOTALL)
        assert header is not None, line
        headers.append((header[1], header[2]))
    reply = ReadReply(int(status_line[1]), status_line[2].decode(), headers, body)
    assert reply.one(b"Content-Length") == b"%d" % len(body)
    _compare(reply, data)
    return reply


def _compare(reply: ReadReply, data: bytes) -> None:
    """Read the reply by `sipmessage` too, which takes UTF-8 only, and strips as Python's text does."""
    try:
        data.partition(b"\r\n\r\n")[0].decode()
    except UnicodeDecodeError:
        return
    response = sipmessage.Message.parse(data)
    assert isinstance(response, sipmessage.Response)
    assert (response.code, response.phrase, response.body) == (reply.status, reply.reason, reply.body)
    for name in {name for name, _ in reply.headers}:
        assert response.headers.getlist(name.decode()) == [v.decode().strip() for v in reply.all(name)]


def typed(data: bytes) -> sipmessage.Response:
    """The reply as `sipmessage` has it, for tests that want typed values; raises ValueError where it cannot read it."""
    response = sipmessage.Message.parse(data)
    assert isinstance(response, sipmessage.Response)
    return response


def split_list(value: bytes) -> list[bytes]:
    """Split a header's value at the commas outside quoted strings, character by character."""
    items, quoted, escaped = [bytearray()], False, False
    for char in value:
        if char == ord(",") and not quoted:
            items.append(bytearray())
            continue
        items[-1].append(char)
        if char == ord('"') and not escaped:
            quoted = not quoted
        escaped = quoted and char == ord("\\") and not escaped
    return [bytes(item).strip(b" \t") for item in items]
