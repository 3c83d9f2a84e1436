"""An edge without sockets that forwards: a rig whose fake listeners requests also leave by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slbroker.proxy.flow import Seals, listener_id
from slbroker.proxy.forward import Hop
from slbroker.proxy.groups import Algorithm
from slbroker.proxy.health import Rules
from slbroker.proxy.nexthop import NextHop
from slbroker.settings.dispatch import Policies, read_route
from slbroker.settings.forwarding import ForwardSettings
from slbroker.sip.validate import USUAL
from slbroker_edge.destinations import Destinations
from slbroker_edge.lookups import Lookups
from slbroker_edge.members import Members
from slbroker_edge.onward import Forwarding
from slbroker_edge.ways import Way
from tests.support.edge import RING, FakeListener, Rig

if TYPE_CHECKING:
    from slbroker.sip.reading import Address
    from slbroker_edge.destinations import Candidate
    from slbroker_edge.listener import Listener

NEXT: Address = ("10.0.0.5", 5060)


class FakeWays:
    """Ways out by fake listeners: each in `streams` is a connection to the address that it was made for."""

    def __init__(self, *listeners: FakeListener) -> None:
        self.listeners = list(listeners)
        self.dialled: dict[tuple[str, str, int], FakeListener] = {}
        self.standing_now: dict[bytes, FakeListener] = {}
        self.blocked: set[str] = set()  # hosts to which there is no way

    def way_to(self, candidate: Candidate, near: Listener | None, now: float, prefer: bytes = b"") -> Way | None:
        transport, host, port = candidate.place[:3]
        if host in self.blocked:
            return None
        if transport != "udp":
            found = self.dialled.get((transport, host, port))
            return None if found is None else Way(found, Hop(found.name, host, port, found.connection), (host, port))
        own: list[Listener] = [each for each in self.listeners if each.name.startswith("udp:")]
        by_id = [each for each in own if listener_id(each.name) == prefer]
        listener = (by_id or ([near] if near is not None and near.name.startswith("udp:") else own))[0]
        return Way(listener, Hop(listener.name, host, port), (host, port))

    def standing(self, connection: bytes) -> Way | None:
        found = self.standing_now.get(connection)
        peer = ("192.0.2.1", 40_000)
        return None if found is None else Way(found, Hop(found.name, *peer, connection), peer)


def destinations() -> Destinations:
    """Next hops without groups, and without a DNS."""
    lookups: Lookups = Lookups(lambda query, now: lookups.unanswered(query, now))
    return Destinations(lookups, Members(Rules(), pings=False), Algorithm.CALL_ID, ("udp", "tcp", "tls"))


class PassingRig(Rig):
    """A rig that forwards; `routes` as people write them, `options` those of ForwardSettings."""

    def __init__(self, *routes: str, policies: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(policies=Policies(routes=tuple(map(read_route, routes)), **policies or {}))
        self.ways = FakeWays(self.listener)
        seals = Seals(RING.current, RING.accepted(0.0), RING.all_keys())
        self.forwarding = self.edge.forwarding = Forwarding(
            ForwardSettings(**options), seals, USUAL, destinations(), self.ways, named=self._named(options.get("hop"))
        )
        self.forwarding.is_used |= self.edge.routes.has_hops

    def _named(self, hop: object) -> list[NextHop]:
        named = (hop, *(route.choice.hop for route in self.edge.policies.routes))
        return [each for each in named if isinstance(each, NextHop)]

    def to(self, address: Address = NEXT) -> list[bytes]:
        """What has been sent to an address."""
        return [data for data, whereto in self.listener.sent if whereto == address]
