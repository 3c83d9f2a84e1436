"""Where requests go on to in tests: what would leave there, written by the edge's own forwarder, and replies to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker.listen import default_port, parse_listen_address
from slbroker.plugin.reply import Reply
from slbroker.proxy.flow import Seals
from slbroker.proxy.forward import Forwarder, Hop
from slbroker.proxy.names import OurNames, Ours
from slbroker.proxy.nexthop import NextHop, read_where
from slbroker.proxy.returns import Arrival
from slbroker.recording import NOTHING
from slbroker.sip.message import Source
from slbroker.sip.parser import parse
from slbroker.sip.reply import build_reply
from slbroker.sip.textheaders import TextHeaders
from slbroker.sip.uri import text

if TYPE_CHECKING:
    from slbroker.keys import KeyRing
    from slbroker.plugin.reply import Headers
    from slbroker.proxy.decision import Forward

# Where what names no address goes to in tests: a group, a name, the edge's --pass (RFC 5737).
SOMEWHERE: Final = "192.0.2.3"
_TAG: Final = b"downstream"


class Forwarded(NamedTuple):
    """A request as it leaves for its next hop.

    `to` is what the handler named, "" for the edge's `--pass`; `data` is the whole request, our Via on top; `sender`
    is the address that it goes to, as it is when a reply comes from there.
    """

    to: str
    data: bytes
    sender: Source

    @property
    def uri(self) -> str:
        """Return the Request-URI that it leaves with."""
        return text(self.data.split(b" ", 2)[1])

    @property
    def headers(self) -> TextHeaders:
        """Return all headers."""
        return TextHeaders(parse(self.data, NOTHING).headers)

    @property
    def body(self) -> bytes:
        """Return the body."""
        return parse(self.data, NOTHING).body

    def reply(self, status: int, reason: str | None = None, headers: Headers | None = None, body: bytes = b"") -> bytes:
        """Return what the server behind the next hop would reply; raise ValueError as `Reply` does."""
        said = Reply(status, reason, headers, body)
        return build_reply(parse(self.data, NOTHING), said.status, said.reason, _TAG, said.extra, said.body)


class Downstream:
    """An edge's way out, without sockets."""

    def __init__(self, ring: KeyRing) -> None:
        self.seals = Seals(ring.current, ring.accepted(0.0), ring.all_keys())

    def send(self, data: bytes, source: Source, forward: Forward) -> Forwarded:
        """Return what leaves of a request, `data` as it came; raise Reject and Drop as an edge's forwarder does."""
        forwarder = Forwarder(Ours(OurNames([parse_listen_address(source.asked)])), self.seals)
        onward = forwarder.receive(data, parse(data, NOTHING), Arrival(source))
        hop = _hop(forward.to, source)
        sent = onward.to(hop, forward.edits, record_route=bool(forward.record_route), add_path=bool(forward.path))
        return Forwarded(forward.to, sent, Source(hop.host, hop.port, hop.listen))


def _hop(to: str, source: Source) -> Hop:
    """Return a hop, by an address of ours with its transport."""
    transport, host, port, named = source.transport, SOMEWHERE, None, read_where(to)
    if isinstance(named, NextHop):
        transport = named.transport or ("tls" if named.secure else "udp")
        port = named.port
        host = named.host if _is_numeric(named.host) else SOMEWHERE
    own = parse_listen_address(source.asked)
    return Hop(str(own._replace(transport=transport)), host, port or default_port(transport))


def _is_numeric(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()
