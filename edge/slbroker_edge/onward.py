"""What goes on: requests, ACKs and CANCELs to a next hop, replies back where their requests came from; no sockets.

    request -> proxy.forward: judged, its Route followed -> where to? -> Destinations -> Outgoing -> outbox
    reply   -> proxy.backward: our Via verified and popped -> the flow in it -> Outgoing -> outbox

Where a request goes, the first of these that there is: the connection or address that a token of ours in its Route
stands for; what its handler has decided; what the operator's route or --pass says; where the Route or Request-URI says,
if that is in --forward-domains. Else nowhere: nobody's Route or Request-URI makes us a relay. Nothing is kept of what
has gone.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from slbroker.errors import ConfigError, Drop, EnvelopeError, NoWhere, Reject, Unreachable
from slbroker.listen import WEBSOCKETS, parse_listen_address
from slbroker.patterns import matcher
from slbroker.proxy.backward import backward
from slbroker.proxy.decision import read_forward
from slbroker.proxy.flow import read_flow
from slbroker.proxy.forward import MAX_UDP_REQUEST, Forwarder
from slbroker.proxy.locate import Place
from slbroker.proxy.names import OurNames, Ours
from slbroker.proxy.nexthop import Group, NextHop, Said, next_hop_of, read_where
from slbroker.proxy.passage import amended
from slbroker.proxy.plain import Plain
from slbroker.proxy.returns import Arrival
from slbroker.sip.parser import parse
from slbroker.sip.slerrors import SlError, error_text
from slbroker.sip.uri import parse_uri, plain_host
from slbroker_edge.destinations import Candidate
from slbroker_edge.shortway import DIALOG, HANDLER, ShortWay
from slbroker_edge.ways import USUAL, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from slbroker.bus.envelope import Answer
    from slbroker.proxy.backward import Backward
    from slbroker.proxy.flow import Flow, Seals
    from slbroker.proxy.forward import Onward
    from slbroker.settings.forwarding import ForwardSettings
    from slbroker.sip.message import Message, Source
    from slbroker.sip.validate import Checks
    from slbroker_edge.listener import Listener
    from slbroker_edge.ways import Places, Way, Ways


# What became of a request: None where it went on, else why not.
Outcome: TypeAlias = Reject | Drop | None


def _not_ours(_data: bytes, _now: float) -> bool:
    """Stand in for who asks something of his own."""
    return False


class Forwarding(ShortWay):
    """The forwarding part of one edge process."""

    def __init__(
        self,
        settings: ForwardSettings,
        seals: Seals,
        checks: Checks,
        places: Places,
        ways: Ways,
        heard: Callable[[bytes, float], bool] = _not_ours,
        named: Iterable[NextHop] = (),
    ) -> None:
        """`checks` are what a request has passed that goes to handlers; Require is for who answers it (16.3).

        `heard` takes a reply to what we have asked ourselves, and returns whether it is one. `named` are the next hops
        that options name: what goes there is counted by itself.
        """
        self._names = OurNames((), settings.aliases)
        self._known: set[str] = set()  # listen addresses that are among the names
        self._ours = Ours(self._names)
        super().__init__(settings, Plain(seals, checks, self._ours), ways, named)
        self.pending = 0  # requests whose destination is being looked up, or whose connection is being made
        # Who is to be told of these, by what they leave by.
        self._waiting: dict[Listener, list[Callable[[Outcome], None]]] = {}
        self.send_failures = 0  # messages that the kernel refused
        self.elsewhere: Callable[[Flow], Way | None] = lambda flow: None  # connections of the edge's other processes
        # Whether replies are looked at: an edge that has sent nothing on, and is not set to, drops them like anything.
        self.is_used = settings.hop is not None or bool(settings.domains)
        self.checks = replace(checks, names=checks.names - {"require"})
        self._places = places
        self._heard = heard
        self._domains = [matcher(domain) for domain in settings.domains]
        self._forwarder = Forwarder(self._ours, seals)

    def use_keys(self, seals: Seals) -> None:
        """Sign and verify with these from now on."""
        self._forwarder = Forwarder(self._ours, seals)
        self._plain = Plain(seals, self.checks, self._ours)

    def cares_for(self, data: bytes, mark: bytes) -> bool:
        """Return whether a message may be of those that go on: this edge forwards, or one with its keys has written it.

        `mark` is in what such an edge writes.
        """
        return self.is_used or mark in data

    def order(self, routed: NextHop | Group | None) -> Order:
        """Return the order of a request that a route sends to a next hop, or that goes where --pass says."""
        return USUAL if routed is None else Order(routed=routed)

    def order_of(self, words: dict[Any, Any]) -> Order:
        """Return the order that a worker's decision says. Raises EnvelopeError for what cannot be."""
        try:
            return _order_of(tuple(words.items()))
        except TypeError:  # what has no hash is a key that we do not know, or no word at all
            return _read_order(words)

    def goes_on(self, routed: NextHop | Group | None) -> bool:
        """Return whether requests go on that match a route with this hop, or whose handlers say no more than that."""
        return routed is not None or self._settings.hop is not None

    def is_ours(self, name: str) -> None:
        """Note that we listen on an address, in Kamailio's form."""
        if name not in self._known:
            self._known.add(name)
            self._ours.clear()
            self._names.add(parse_listen_address(name))

    # Requests ---------------------------------------------------------------------------------------------------

    def forward(
        self,
        data: bytes,
        source: Source,
        listener: Listener,
        now: float,
        end: Callable[[Outcome], None],
        order: Order = USUAL,
        message: Message | None = None,
    ) -> None:
        """Send on a request that came by `listener`; `end` is called once, when it is known whether it can leave.

        `message` is what `data` reads as, where somebody has read it with at least our checks; its Via may be stamped.
        What it is called with: None; a Reject to be answered, if it is no ACK, Unreachable where no next hop could be
        reached, NoWhere where nothing says which; or Drop.
        """
        self.is_used = True
        self.is_ours(source.listen)
        if self._is_plain(data, source, listener, order, now):
            end(None)
            return
        try:
            if message is None:
                message = parse(data, self.checks)
            onward = self._forwarder.receive(data, message, Arrival(source, listener.connection))
            way = self._way_of_flow(onward.flow, listener, now) if onward.flow else None
            if way is None and onward.flow is not None and order.decided is Said.USUAL:
                raise Reject(430, "Flow Failed")  # RFC 5626 5.3.1: whoever else gets it is not who is meant
            where = None if way else self._where(onward, order)
        except (Reject, Drop) as error:
            end(error)
            return
        if where is None:
            assert way is not None
            self._put(self._write(onward, order, way), way, partial(self._has_left, end, None, "", DIALOG))
            return
        self.pending += 1
        go = partial(self._go, onward, order, where, listener, now, end)
        self._places.find(where, message, source, now, go, strange=self._chooses(order))

    def _chooses(self, order: Order) -> bool:
        """Return whether a request with this order says itself where it goes."""
        if order.decided is Said.USUAL:
            return order.routed is None and self._settings.hop is None
        return order.decided is Said.TARGET

    def _where(self, onward: Onward, order: Order) -> NextHop | Group:
        """Return where a request goes. Raises Reject."""
        if not isinstance(order.decided, Said):
            return order.decided
        target = parse_uri(onward.target)
        if order.decided is Said.TARGET:
            return next_hop_of(target)
        hop = order.routed or self._settings.hop
        if hop is not None:
            return hop
        if self._domains and target.scheme in ("sip", "sips"):
            leads = next_hop_of(target)  # by maddr, where there is one: that is who would get it
            if any(matches(plain_host(leads.host)) for matches in self._domains):
                return leads
        raise NoWhere(*error_text(SlError.E_UNSPEC))

    def _go(
        self,
        onward: Onward,
        order: Order,
        where: NextHop | Group,
        listener: Listener,
        now: float,
        end: Callable[[Outcome], None],
        candidates: list[Candidate],
    ) -> None:
        self.pending -= 1
        for candidate in candidates:
            way = self._ways.way_to(candidate, listener, now)
            if way is None:
                continue
            data = self._write(onward, order, way)
            # Who sends by a stream does not repeat what is lost where there turns out to be no TCP.
            may_be_tcp = not listener.connection and _may_be_tcp(where, candidate)
            if may_be_tcp and isinstance(data, bytes) and len(data) > MAX_UDP_REQUEST:
                by_tcp = candidate._replace(place=candidate.place._replace(transport="tcp"))
                stream = self._ways.way_to(by_tcp, listener, now)
                # Whether it takes TCP is known when a connection stands; until then none is lost by way of one.
                if stream is not None and stream.listener.stands:
                    way, data = stream, self._write(onward, order, stream)
            member = candidate.member
            hop = member.hop if member is not None else where if isinstance(where, NextHop) else None
            group = str(where.number) if isinstance(where, Group) else ""
            self._put(data, way, partial(self._has_left, end, hop, group, self._named_by(order)))
            return
        if candidates:
            end(Unreachable(*error_text(SlError.E_SEND)))
        elif isinstance(where, Group):
            end(Unreachable(503, "Service Unavailable"))
        else:
            end(Unreachable(*error_text(SlError.E_BAD_ADDRESS)))

    def _write(self, onward: Onward, order: Order, way: Way) -> bytes | Reject | Drop:
        """Return what goes by a way."""
        settings = self._settings
        record_route = settings.record_route if order.record_route is None else order.record_route
        path = settings.path if order.path is None else order.path
        try:
            return onward.to(way.hop, order.edits, record_route=record_route, add_path=path)
        except (Reject, Drop) as error:
            return error

    def _named_by(self, order: Order) -> str:
        """Return who has named a next hop that options do not."""
        if isinstance(order.decided, Said):
            return "target" if order.decided is Said.TARGET else "domain"
        return HANDLER

    def _put(self, data: bytes | Reject | Drop, way: Way, end: Callable[[Outcome], None]) -> None:
        """Put what goes into the outbox; `end` is called at once, or when the connection that it waits for stands."""
        if not isinstance(data, bytes):
            end(data)
            return
        self._outbox.setdefault(way.listener, []).append((data, way.address))
        if way.listener.stands:
            end(None)
        else:
            self.pending += 1
            self._waiting.setdefault(way.listener, []).append(end)

    def _has_left(
        self, end: Callable[[Outcome], None], hop: NextHop | None, group: str, by: str, outcome: Outcome
    ) -> None:
        if outcome is None:
            self.departures.note(hop, group, by)
        end(outcome)

    def _end_waiting(self) -> None:
        """End what waits for connections that stand now, or that could not be had (RFC 3261 16.9)."""
        for listener in [each for each in self._waiting if each.stands or not each.connection]:
            outcome = None if listener.stands else Unreachable(*error_text(SlError.E_SEND))
            for end in self._waiting.pop(listener):
                self.pending -= 1
                end(outcome)

    # Replies ----------------------------------------------------------------------------------------------------

    def take_reply(self, data: bytes, listener: Listener, now: float) -> None:
        """Send a reply back where the request came from that it answers; or count why it goes nowhere."""
        back = self.read_reply(data, now)
        if back is not None:
            self.send_back(back, listener, now)

    def read_reply(self, data: bytes, now: float) -> Backward | None:
        """Take a reply in, of which `send_back` or `replies.drop` says what becomes; None for one that goes nowhere."""
        self.is_used = True
        self.replies.received += 1
        try:
            return backward(data, self._forwarder.seals)
        except Drop as drop:
            self.replies.drop("ping" if drop.cause == "not-ours" and self._heard(data, now) else drop.cause)
            return None

    def amend(self, data: bytes, answer: Answer) -> Backward:
        """Return a reply as a worker's answer has it. Raises as `passage.amended`, EnvelopeError for what is no map."""
        if not isinstance(answer, dict):
            raise EnvelopeError("no map says what becomes of a reply")
        return amended(data, self._forwarder.seals, answer)

    def send_back(self, back: Backward, listener: Listener, now: float) -> None:
        """Send a reply, which came by `listener`, where the request came from that it answers."""
        way = self._way_of_flow(back.flow, listener, now)
        if way is None:
            self.replies.drop("gone")
            return
        self._outbox.setdefault(way.listener, []).append((back.data, way.address))
        self.replies.forwarded += 1

    def take_over(self, written: bytes, data: bytes, now: float) -> None:
        """Send a message that another process has written and counted; its flow leads to a connection of this one."""
        flow = read_flow(written)
        way = None if flow is None else self._way_of_flow(flow, None, now)
        if way is None:
            self.send_failures += 1
        else:
            self._outbox.setdefault(way.listener, []).append((data, way.address))

    def _way_of_flow(self, flow: Flow, near: Listener | None, now: float) -> Way | None:
        """Return how to reach the peer that a flow names: on its connection, else as 18.2.2 has it."""
        way = (self._ways.standing(flow.connection) or self.elsewhere(flow)) if flow.connection else None
        if way is not None or flow.transport in WEBSOCKETS:
            return way
        place = Place(flow.transport, flow.host, flow.port, flow.host)
        return self._ways.way_to(Candidate(place), near, now, flow.listener)

    # Out --------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Send what is in the outbox, a batch for each socket and connection."""
        if self._outbox:
            self._send_all()
        if self._waiting:
            self._end_waiting()

    def _send_all(self) -> None:
        outbox, self._outbox = self._outbox, {}
        for listener, messages in outbox.items():
            sent = listener.send(messages)
            self.send_failures += len(messages) - sent
            if sent and self.tap is not None:
                self.tap.went(messages, listener)

    def figures(self) -> dict[str, object]:
        """Return what became of replies, and what is on its way."""
        return self.replies.figures()


@lru_cache(maxsize=512)
def _order_of(words: tuple[tuple[Any, Any], ...]) -> Order:
    return _read_order(dict(words))


def _read_order(words: dict[Any, Any]) -> Order:
    decision = read_forward(words)
    try:
        decided = read_where(decision.to)
    except ConfigError as error:
        raise EnvelopeError(str(error)) from None
    return Order(decided, None, decision.edits, decision.record_route, decision.path)


def _may_be_tcp(where: NextHop | Group, candidate: Candidate) -> bool:
    """Return whether what is too long for a datagram may go there by TCP (18.1.1): no transport has been asked for."""
    hop = candidate.member.hop if candidate.member is not None else where
    return candidate.place.transport == "udp" and not isinstance(hop, Group) and not hop.transport
