"""A request on its way through a stateless proxy (RFC 3261 16.3 to 16.6, 16.11).

What leaves is what came, byte for byte, but for our Via, `received` and `rport` in the one below it (18.2.1, RFC 3581),
Max-Forwards, the Routes that name us, what was asked for (Record-Route, Path, edits), and a Content-Length where the
next hop is a stream and there was none. What lies behind the length that Content-Length says does not leave.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker.errors import Drop, Reject
from slbroker.listen import STREAMS
from slbroker.proxy.branch import branch_of, has_looped, read_top
from slbroker.proxy.flow import Flow, framed, listener_id
from slbroker.proxy.head import Head, value_of, with_value
from slbroker.proxy.record import path, record_routes, via_of
from slbroker.proxy.returns import is_same_host, return_flow, sent_by_port
from slbroker.proxy.route import follow
from slbroker.sip.grammar import MAX_DATAGRAM
from slbroker.sip.validate import MAX_HOPS, read_number, refuse_unknown_tags
from slbroker.sip.via import stamp

if TYPE_CHECKING:
    from collections.abc import Container

    from slbroker.proxy.edits import Edits
    from slbroker.proxy.flow import Seals
    from slbroker.proxy.names import Ours
    from slbroker.proxy.returns import Arrival
    from slbroker.sip.message import Message

FRESH_HOPS: Final = b"Max-Forwards: 70"  # RFC 3261 16.6 step 3, where there was none
# RFC 3261 18.1.1: a request longer than this goes over a stream, where the next hop takes it there.
MAX_UDP_REQUEST: Final = 1_300


class LastHop(Reject):
    """483 for an OPTIONS or a REGISTER whose hops are spent: these may be answered here instead (16.3 step 3)."""


class Hop(NamedTuple):
    """Where a request is sent: by which of our listen addresses, to whom; on a connection, if `connection` is set."""

    listen: str
    host: str
    port: int
    connection: bytes = b""

    @property
    def transport(self) -> str:
        """The transport, "udp", "tcp", "tls", "ws" or "wss"."""
        return self.listen.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Forwarder:
    """What an edge is, to those between whom it stands. `supported` are option tags of Proxy-Require, in lower case."""

    us: Ours
    seals: Seals
    supported: Container[bytes] = frozenset()

    def receive(self, data: bytes, message: Message, arrival: Arrival) -> Onward:
        """Judge a request that is to be forwarded (16.3), and do what its Route says (16.4).

        `data` are its bytes, `message` what `parse` made of them. Raises Reject for what is answered: 400, 420, 482,
        483, the last as LastHop where we may answer ourselves; Drop for an ACK, which nobody answers; both as
        `via.stamp` does.
        """
        try:
            return self._receive(data, message, arrival)
        except Reject as reject:
            if message.method == b"ACK":
                raise Drop(_CAUSES.get(reject.status, "bad-ack")) from None
            raise

    def _receive(self, data: bytes, message: Message, arrival: Arrival) -> Onward:
        if read_number(message, b"max-forwards", "Max-Forwards", MAX_HOPS) == 0:
            last = LastHop if message.method in (b"OPTIONS", b"REGISTER") else Reject
            raise last(483, "Too Many Hops")
        head = Head.of(data, message)
        at = head.find(b"via")
        came = value_of(head.lines[at])
        top = read_top(came)
        branch = branch_of(message, top)
        if has_looped(message, branch, self.us):
            raise Reject(482, "Loop Detected")
        if message.method not in (b"ACK", b"CANCEL") and b"proxy-require" in message.headers:  # 16.3 step 5, 20.29
            refuse_unknown_tags(message.all(b"proxy-require"), "Proxy-Require", self.supported)
        host, port, transport = arrival.source.host, arrival.source.port, arrival.source.transport
        stamped, reply_port = stamp(came, host, port, connected=transport in STREAMS)
        if transport in STREAMS:
            reply_port = sent_by_port(top.sent_by, transport)
        if stamped != came and (b"received=" in stamped or b"rport=" in stamped):
            head.lines[at] = with_value(head.lines[at], stamped)
        _count_hop(head)
        uri, target, flow = follow(head, message, arrival.source, self.us, self.seals)
        if flow is not None and _is_flow_of(flow, arrival):
            flow = None  # RFC 5626 5.3.1: it comes from there
        return Onward(
            self, head, message, arrival, branch, uri=uri, target=target, flow=flow,
            back=return_flow(arrival, reply_port), size=len(data),
        )  # fmt: skip


_CAUSES: Final = {482: "loop", 483: "max-forwards", 513: "too-large"}  # what became of an ACK, by what others are told


@dataclass(slots=True)  # not frozen: making one would cost as much as signing
class Onward:
    """A request that may go on. `to` says where it goes, and may be called again, for another hop.

    `target` is the URI that it is to be sent to by what it says itself, a Route or its Request-URI: a stranger's word.
    `flow` is a connection or an address that goes before it. `back` is where replies go.
    """

    forwarder: Forwarder
    head: Head
    message: Message
    arrival: Arrival
    branch: bytes
    uri: bytes
    target: bytes
    flow: Flow | None
    back: Flow
    size: int

    def to(self, hop: Hop, edits: Edits | None = None, *, record_route: bool = False, add_path: bool = False) -> bytes:
        """Return the bytes that go to `hop` (16.6).

        `add_path` is for REGISTER, `record_route` for what may set up a dialog; others are left alone. Raises
        Reject(482) where `hop` is who sent it, and Reject(513) for what no datagram holds; for an ACK Drop.
        """
        if self._is_source(hop):
            raise self._refusal(482, "Loop Detected")
        message, head = self.message, self.head.copy()
        uri = self.uri
        if edits is not None:
            edits.apply(head)
            uri = uri if edits.uri is None else edits.uri
        head.lines[0] = b"%b %b SIP/2.0" % (message.method, uri)
        if hop.transport in STREAMS:
            head.tell_length(message.body)
        if add_path and message.method == b"REGISTER":
            line = path(self.forwarder.seals, self.arrival.source.listen, self.back)
            at = head.find(b"path")
            head.insert(at if at >= 0 else len(head.lines), b"path", line)
        head.insert(head.find(b"via"), b"via", self._via(hop))
        if record_route:
            self._record(head, hop, edits.rr_params if edits is not None else b"")
        data = head.join(message.body)
        if len(data) > MAX_DATAGRAM:
            raise self._refusal(513, "Message Too Large")
        return data

    def _via(self, hop: Hop) -> bytes:
        message = self.message
        bound = framed(self.branch, message.call_id, message.from_tag, b"%d %b" % (message.cseq, message.method))
        token = self.forwarder.seals.via.token(self.back.write(), bound)
        return b"Via: %b;branch=%b;flow=%b" % (via_of(hop.listen), self.branch, token)

    def _record(self, head: Head, hop: Hop, params: bytes) -> None:
        leaves = Flow(hop.transport, listener_id(hop.listen), hop.host, hop.port, hop.connection)
        came = (self.arrival.source.listen, self.back)
        lines = record_routes(self.message, self.forwarder.seals, came, (hop.listen, leaves), params)
        at = 1 if self.message.first(b"max-forwards") is not None else 2  # behind the one that we have put there
        for line in reversed(lines):
            head.insert(at, b"record-route", line)

    def _is_source(self, hop: Hop) -> bool:
        """Return whether `hop` is where the request came from, or where its replies go."""
        source, connection = self.arrival.source, self.arrival.connection
        if connection and hop.connection == connection:
            return True
        return hop.port in (source.port, self.back.port) and is_same_host(hop.host, source.host)

    def _refusal(self, status: int, reason: str) -> Reject | Drop:
        return Drop(_CAUSES[status]) if self.message.method == b"ACK" else Reject(status, reason)


def _is_flow_of(flow: Flow, arrival: Arrival) -> bool:
    if flow.connection or arrival.connection:
        return flow.connection == arrival.connection
    source = arrival.source
    return (flow.host, flow.port) == (source.host, source.port)


def _count_hop(head: Head) -> None:
    """Take one off Max-Forwards, which has been judged, or put one in (16.6 step 3)."""
    found = head.find_all(b"max-forwards")
    if not found:
        head.insert(1, b"max-forwards", FRESH_HOPS)  # where Kamailio puts it
    for at in found:
        head.lines[at] = _one_less(head.lines[at])


@lru_cache(maxsize=512)
def _one_less(line: bytes) -> bytes:
    digits = value_of(line)
    return with_value(line, b"%d" % (int(digits) - 1) if digits else b"70")
