"""A forwarding edge without sockets, and what takes apart what it sends: written without its code."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slbroker.keys import Key, KeyRing
from slbroker.listen import parse_listen_address
from slbroker.proxy.backward import Backward, backward
from slbroker.proxy.flow import Seals
from slbroker.proxy.forward import Forwarder, Hop, Onward
from slbroker.proxy.names import OurNames, Ours
from slbroker.proxy.returns import Arrival
from slbroker.sip.message import Source
from slbroker.sip.parser import parse
from slbroker.sip.validate import Checks
from tests.lab.fuzz.reading import split_outside_quotes, without_stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.proxy.edits import Edits

UDP = "udp:192.0.2.7:5060"
TCP = "tcp:192.0.2.7:5060"
CLIENT = ("192.0.2.1", 5060)
HOP = Hop(UDP, "10.0.0.5", 5060)
RING = KeyRing(Key(b"0a1b", bytes(range(32))), Key(b"0a1c", bytes(range(1, 33))))
# A proxy leaves Require to the server behind it (RFC 3261 16.3 looks at Proxy-Require alone).
CHECKS = Checks(frozenset(("ruri", "via")))


def seals_of(ring: KeyRing = RING, now: float = 0.0) -> Seals:
    """What a ring signs with at `now`."""
    return Seals(ring.current, ring.accepted(now), ring.all_keys())


@dataclass
class Site:
    """One edge; `listens` are its addresses, `aliases` its other names."""

    listens: Sequence[str] = (UDP, TCP, "tls:192.0.2.7:5061", "ws:192.0.2.7:80", "udp:[2001:db8::7]:5060")
    aliases: Sequence[str] = ()
    ring: KeyRing = RING
    now: float = 0.0
    supported: frozenset[bytes] = frozenset()
    forwarder: Forwarder = field(init=False)

    def __post_init__(self) -> None:
        names = OurNames(map(parse_listen_address, self.listens), self.aliases)
        self.forwarder = Forwarder(Ours(names), seals_of(self.ring, self.now), self.supported)

    def receive(
        self, data: bytes, client: tuple[str, int] = CLIENT, listen: str = UDP, connection: bytes = b""
    ) -> Onward:
        """Take a request in from `client`."""
        arrival = Arrival(Source(*client, listen), connection)
        return self.forwarder.receive(data, parse(data, CHECKS), arrival)

    def forward(self, data: bytes, hop: Hop = HOP, edits: Edits | None = None, **how: bool) -> bytes:
        """Forward a request that came over UDP."""
        return self.receive(data).to(hop, edits, **how)

    def backward(self, data: bytes) -> Backward:
        """Take a reply in."""
        return backward(data, self.forwarder.seals)


# Reading and answering, with no code of slbroker's --------------------------------------------------------------------


def lines_of(data: bytes) -> list[bytes]:
    """The start line and the headers; one that goes on over lines is one."""
    return re.split(rb"\r\n(?![ \t])", data.partition(b"\r\n\r\n")[0])


def body_of(data: bytes) -> bytes:
    """What stands behind the empty line."""
    return data.partition(b"\r\n\r\n")[2]


def is_header(line: bytes, *names: bytes) -> bool:
    """Whether a line is a header of one of these names, in lower case, compact ones too."""
    return line.partition(b":")[0].strip(b" \t\r\n").lower() in names and b":" in line


def headers(data: bytes, *names: bytes) -> list[bytes]:
    """The lines of these headers."""
    return [line for line in lines_of(data)[1:] if is_header(line, *names)]


def vias(data: bytes) -> list[bytes]:
    """The lines of Via."""
    return headers(data, b"via", b"v")


def param(line: bytes, name: bytes) -> bytes:
    """The value of a parameter of ours."""
    found = re.search(rb";%b=([^;,>]*)" % name, line)
    assert found, (line, name)
    return found[1]


def branch(data: bytes) -> bytes:
    """The branch of the first Via."""
    return param(vias(data)[0], b"branch")


def reply_to(request: bytes, status: int = 200, reason: bytes = b"OK", tag: bytes = b"", body: bytes = b"") -> bytes:
    """A reply as a server makes it: Vias, From, To, Call-ID, CSeq, Record-Route as they came (RFC 3261 8.2.6)."""
    names = (b"via", b"v", b"from", b"f", b"to", b"t", b"call-id", b"i", b"cseq", b"record-route")
    lines = [b"SIP/2.0 %d %b" % (status, reason)]
    lines += [
        line + b";tag=" + tag if tag and is_header(line, b"to", b"t") else line for line in headers(request, *names)
    ]
    return b"\r\n".join((*lines, b"Content-Length: %d" % len(body), b"", body))


def unwrap(sent: bytes, came: bytes) -> bytes:
    """What a forwarded request was before, made of what was sent; of `came` only the first Via is looked at.

    Fails where our Via does not stand right above it, or where that was changed by more than `received` and `rport`.
    """
    lines = lines_of(sent)
    at = next(i for i, line in enumerate(lines) if is_header(line, b"via", b"v"))
    assert re.fullmatch(
        rb"Via: SIP/2\.0/(?:UDP|TCP|TLS|WS|WSS) [^ ;]+;branch=z9hG4bKs1[0-9a-f]{24}\.[0-9a-f]{16}"
        rb";flow=[0-9A-Za-z._~-]+",
        lines[at],
    ), lines[at]
    del lines[at]
    assert is_header(lines[at], b"via", b"v")
    was = vias(came)[0]
    assert unstamped(lines[at]) == unstamped(was), (lines[at], was)
    lines[at] = was
    hops = [i for i, line in enumerate(lines) if i and is_header(line, b"max-forwards")]
    if not headers(came, b"max-forwards"):
        (at,) = hops
        assert (at, lines[at]) == (1, b"Max-Forwards: 70")
        del lines[at]
    else:
        for at in hops:
            name, number = re.fullmatch(rb"([^:]+:\s*)([0-9]*)", lines[at], re.DOTALL).groups()  # type: ignore[union-attr]
            original = next(line for line in headers(came, b"max-forwards"))
            digits = re.search(rb":\s*0*([0-9]*)\s*\Z", original)
            assert digits is not None
            assert (int(digits[1] or 71)) == int(number) + 1, name
        originals = iter(headers(came, b"max-forwards"))
        for at in hops:
            lines[at] = next(originals)
    if not headers(came, b"content-length", b"l") and headers(sent, b"content-length", b"l"):
        assert lines.pop() == b"Content-Length: %d" % len(body_of(sent))
    empty = [line for line in headers(came, b"content-length", b"l") if not line.partition(b":")[2].strip()]
    lengths = [at for at, line in enumerate(lines) if at and is_header(line, b"content-length", b"l")]
    for at, line in zip(lengths, empty, strict=False):
        assert lines[at].partition(b":")[2].strip() in (b"", b"%d" % len(body_of(sent)))
        lines[at] = line
    return b"\r\n".join((*lines, b"", body_of(sent)))


def unstamped(line: bytes) -> list[object]:
    """A Via's header, its name too, without what a server writes into the first one, unfolded."""
    name, _, value = re.sub(rb"\r\n[ \t]+", b" ", line).partition(b":")
    first, *rest = split_outside_quotes(value, ord(","))
    return [name, *without_stamp(first), rest]
