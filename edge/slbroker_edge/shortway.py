"""The short way of plain messages (`proxy.plain`): what they leave by is known, and nobody here is to look at them.

What is known is kept for a while: for a method and a host the lane to the next hop of their route, for a flow in our
Via the way back, for one in our Record-Route its lane.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from slbroker.proxy.flow import VERSION, read_flow
from slbroker.proxy.forward import MAX_UDP_REQUEST
from slbroker.proxy.locate import locate
from slbroker.proxy.nexthop import NextHop, Said
from slbroker.proxy.plain import Flows, Lane, Plain
from slbroker.stats import Departures, Replies
from slbroker_edge.destinations import Candidate
from slbroker_edge.reader import is_answerable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slbroker.bus.routes import Routes
    from slbroker.proxy.flow import Flow
    from slbroker.settings.forwarding import ForwardSettings
    from slbroker.sip.message import Source
    from slbroker.sip.reading import Address
    from slbroker_edge.listener import Listener, Tap
    from slbroker_edge.ways import Order, Way, Ways

MOST_KEPT: Final = 4_096  # lanes and ways back that are kept, for as long as
KEPT: Final = 10.0  # seconds: then the kernel is asked again what leaves by what
_LONGEST_METHOD: Final = 32
_TOKEN: Final = b":" + VERSION  # in every request whose Routes lead anywhere
HANDLER: Final = "handler"  # counts what goes to a next hop that a handler has named, or a rule
DIALOG: Final = "dialog"  # ... and what goes where a token of ours in its Route leads


class ShortWay:
    """The plain messages of one edge process, and the outbox of all that go on."""

    def __init__(self, settings: ForwardSettings, plain: Plain, ways: Ways, named: Iterable[NextHop]) -> None:
        self.replies = Replies()
        self.departures = Departures(named)
        self.tap: Tap | None = None  # who sees what goes out
        self._settings = settings
        self._plain = plain
        self._ways = ways
        self._early: dict[tuple[str, bytes, str], Lane | None] = {}  # by how requests come
        # By what they come to, their next hop, and whether Record-Route is put in.
        self._lanes: dict[tuple[str, NextHop, bool], Lane | None] = {}
        self._flows: dict[str, Flows] = {}  # by what they come to
        self._hop_of: dict[Lane, NextHop] = {}
        self._back: dict[bytes, Way] = {}  # by flow, as our Via has it
        self._kept_until = 0.0
        self._outbox: dict[Listener, list[tuple[bytes, Address]]] = {}

    def _way_of_flow(self, flow: Flow, near: Listener | None, now: float) -> Way | None:
        """Return how to reach the peer that a flow names."""
        raise NotImplementedError

    def is_ours(self, name: str) -> None:
        """Note that we listen on an address, in Kamailio's form."""
        raise NotImplementedError

    def take_plain(
        self,
        datagrams: Sequence[tuple[bytes, Address]],
        listener: Listener,
        routes: Routes | None,
        now: float,
        *,
        replies_too: bool,
    ) -> tuple[list[tuple[bytes, Address]], int]:
        """Send on the plain ones of a turn (`proxy.plain`): replies, and requests that `routes` show to no handler.

        Return the other datagrams, in their order, and how many requests went on. Without `routes` that is none. What
        an address sends behind one that takes the long way takes it, too: no BYE overtakes its ACK.
        """
        self._forget_old(now)
        rest: list[tuple[bytes, Address]] = []
        held: set[Address] = set()
        plain, outbox, early, name = self._plain, self._outbox, self._early, listener.name
        gone = requests = replies = 0
        last: Lane | None = None  # by which the latest of these have gone: most of a turn go the same way
        has_hops = routes is not None and routes.has_hops
        flows = self._flows_to(listener, now)
        for pair in datagrams:
            data, address = pair
            if held and address in held:
                rest.append(pair)
                continue
            if data[:4] == b"SIP/":
                back = plain.reply(data) if replies_too else None
                way = back and (self._back.get(back[1]) or self._way_back(back[1], listener, now))
                if not back or not way:
                    rest.append(pair)
                    held.add(address)
                    continue
                replies += 1
                outbox.setdefault(way.listener, []).append((back[0], way.address))
                continue
            lane = None
            if routes is not None and has_hops and (end := data.find(b" ", 0, _LONGEST_METHOD)) > 0 and address[1]:
                key = name, data[:end], address[0]
                lane = early[key] if key in early else self._lane_for(key, listener, routes, now)
            went = lane and plain.request(data, address, lane, flows)
            if not went or (len(went[0]) > MAX_UDP_REQUEST and went[1].may_be_tcp):
                rest.append(pair)
                held.add(address)
                continue
            sent, by = went
            if by is not last:
                gone += self._leave(last, requests)
                last, requests = by, 0
            requests += 1
            outbox.setdefault(by.listener, []).append((sent, by.address))
        gone += self._leave(last, requests)
        self.replies.received += replies
        self.replies.forwarded += replies
        return rest, gone

    def _leave(self, lane: Lane | None, count: int) -> int:
        """Count so many requests for the next hop of a lane; return how many there are."""
        if lane is not None:
            hop = self._hop_of.get(lane)
            self.departures.note(hop, "", HANDLER if hop is not None else DIALOG, count)
        return count

    def _lane_for(self, key: tuple[str, bytes, str], listener: Listener, routes: Routes, now: float) -> Lane | None:
        """Find the lane of all requests of a method that a host sends to a listener; None where there is no one."""
        _, method, host = key
        lane = None
        choice = routes.choose_early(method, listener.name, host) if method != b"ACK" else None
        if choice is not None and isinstance(choice.hop, NextHop) and is_answerable(host, 1):
            settings = self._settings
            if method != b"REGISTER" or not settings.path:
                lane = self._lane_to(choice.hop, listener, now, records=settings.record_route)
        self._early[key] = lane
        return lane

    def _lane_to(self, hop: NextHop, listener: Listener, now: float, *, records: bool) -> Lane | None:
        """Return the lane to a next hop, None where it takes more than an address to know it, or is no UDP."""
        key = listener.name, hop, records
        if key not in self._lanes:
            self._lanes[key] = lane = self._find_lane(hop, listener, now, records=records)
            if lane is not None:
                self._hop_of[lane] = hop
        return self._lanes[key]

    def _find_lane(self, hop: NextHop, listener: Listener, now: float, *, records: bool) -> Lane | None:
        search = locate(hop, ("udp",), b"")
        try:
            next(search)
        except StopIteration as found:
            way = self._ways.way_to(Candidate(found.value[0]), listener, now) if found.value else None
            return _lane(listener, way, may_be_tcp=not hop.transport, records=records)
        return None

    def _flows_to(self, listener: Listener, now: float) -> Flows:
        """Return the lanes from a listener to where flows lead."""
        flows = self._flows.get(listener.name)
        if flows is None:
            self.is_ours(listener.name)
            flows = self._flows[listener.name] = Flows(listener.name, partial(self._lane_of_flow, listener, now))
        return flows

    def _lane_of_flow(self, listener: Listener, now: float, written: bytes) -> Lane | None:
        flow = read_flow(written)
        return None if flow is None else _lane(listener, self._way_of_flow(flow, listener, now))

    def _is_plain(self, data: bytes, source: Source, listener: Listener, order: Order, now: float) -> bool:
        """Send on a request that is plain, where its order is; return whether it was."""
        settings = self._settings
        where = order.decided if order.decided is not Said.USUAL else order.routed or settings.hop
        record_route = settings.record_route if order.record_route is None else order.record_route
        path = settings.path if order.path is None else order.path
        if order.edits is not None or (path and data.startswith(b"REGISTER ")):
            return False
        self._forget_old(now)
        lane = self._lane_to(where, listener, now, records=record_route) if isinstance(where, NextHop) else None
        if lane is None and _TOKEN not in data:
            return False
        went = self._plain.request(data, (source.host, source.port), lane, self._flows_to(listener, now))
        if went is None or (len(went[0]) > MAX_UDP_REQUEST and went[1].may_be_tcp):
            return False
        sent, by = went
        self._outbox.setdefault(by.listener, []).append((sent, by.address))
        self._leave(by, 1)
        return True

    def _way_back(self, written: bytes, listener: Listener, now: float) -> Way | None:
        """Return the way of a flow that our Via says; one of UDP is kept."""
        flow = read_flow(written)
        way = None if flow is None else self._way_of_flow(flow, listener, now)
        if way is not None and flow is not None and flow.transport == "udp":
            self._back[written] = way
        return way

    def _forget_old(self, now: float) -> None:
        """Forget what was kept, after a while, or when there is much."""
        most = max(len(self._early), len(self._lanes), len(self._back), len(self._flows))
        if now >= self._kept_until or most > MOST_KEPT:
            self._kept_until = now + KEPT
            self._early.clear()
            self._lanes.clear()
            self._flows.clear()
            self._hop_of.clear()
            self._back.clear()


def _lane(listener: Listener, way: Way | None, *, may_be_tcp: bool = False, records: bool = False) -> Lane | None:
    """Return the lane from a listener to where a way leads; None where one of both is no UDP."""
    if way is None or way.hop.transport != "udp" or not listener.name.startswith("udp:"):
        return None
    return Lane(listener.name, way.hop, way.listener, way.address, may_be_tcp=may_be_tcp, records=records)
