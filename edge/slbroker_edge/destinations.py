"""From a next hop or a group to where requests are sent: the places in the order in which they are to be tried.

A place that could not be reached stands behind all others for a while. A destination of a group whose places are all
such has failed, and its state says what follows (`members`). Who is asked for anything is decided by a hash of what a
request has in common with its repetition, its CANCEL and its ACK, so that they go where it went.
"""

from __future__ import annotations

from functools import lru_cache, partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from slbroker.proxy.groups import key_of
from slbroker.proxy.health import Event
from slbroker.proxy.locate import is_numeric, locate
from slbroker.proxy.nexthop import Group
from slbroker_edge.members import REST, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence

    from slbroker.proxy.groups import Algorithm, Destination
    from slbroker.proxy.locate import Place
    from slbroker.proxy.nexthop import NextHop
    from slbroker.sip.message import Message, Source
    from slbroker_edge.lookups import Lookups
    from slbroker_edge.members import Members

MAX_CANDIDATES: Final = 8  # for one request: each is a chance to have it leave at once, none is another try later
MAX_PLACES: Final = 4_096  # remembered

Key: TypeAlias = tuple[str, str, int]  # transport, host, port


class Candidate(NamedTuple):
    """A place, the listen address that requests leave by, "" where the edge may choose, and whose place it is."""

    place: Place
    socket: str = ""
    member: Destination | None = None  # of a group


class Destinations:
    """Where the requests of one process go."""

    def __init__(self, lookups: Lookups, members: Members, algorithm: Algorithm, supported: Container[str]) -> None:
        """`supported` are the transports that requests can leave by."""
        self.members = members
        self.lookups = lookups
        self.hurry: Callable[[Target, float], None] = lambda target, now: None  # asks a destination whether it is there
        self._algorithm = algorithm
        self._supported = supported
        # Candidates that are the same for every request: of hops, and of members (by their id), that are addresses.
        self._fixed: dict[NextHop, list[Candidate]] = {}
        self._fixed_members: dict[int, list[Candidate]] = {}
        self._resting: dict[Key, float] = {}
        self._given: dict[Key, None] = {}  # places that requests have been sent to, those of hops and members
        self._keys: dict[Target, list[Key]] = {}  # the places of each target, as far as they are known
        self._targets: dict[Key, dict[Target, None]] = {}

    def find(
        self,
        where: NextHop | Group,
        message: Message,
        source: Source,
        now: float,
        then: Callable[[list[Candidate]], None],
        *,
        strange: bool = False,
    ) -> None:
        """Call `then` with the candidates for a request: at once when they are known, [] when there are none.

        `strange` says that the request has chosen the next hop, and nobody whom we know.
        """
        if isinstance(where, Group):
            key = key_of(self._algorithm, message, source.host)
            order = self.members.order(where.number, self._algorithm, key)
            self._walk(iter(order[:MAX_CANDIDATES]), message.call_id, now, [], then)
            return
        fixed = self._fixed.get(where)
        if fixed is not None:  # one place, which is tried whatever was heard of it
            then(fixed)
        else:
            self._candidates(where, None, message.call_id, now, then, strange=strange)

    def _walk(
        self,
        members: Iterator[Destination],
        key: bytes,
        now: float,
        found: list[Candidate],
        then: Callable[[list[Candidate]], None],
    ) -> None:
        """Collect the candidates of members: no name is asked for while there is somebody before it."""
        for member in members:
            fixed = self._fixed_members.get(id(member))
            if fixed is not None:
                found += fixed
            elif not found or is_numeric(member.hop.host):
                go_on = partial(self._walk_on, members, key, now, found, then)
                self._candidates(member.hop, member, key, now, go_on)
                return
        then(found)

    def _walk_on(
        self,
        members: Iterator[Destination],
        key: bytes,
        now: float,
        found: list[Candidate],
        then: Callable[[list[Candidate]], None],
        more: list[Candidate],
    ) -> None:
        self._walk(members, key, now, found + more, then)

    def _candidates(
        self,
        hop: NextHop,
        member: Destination | None,
        key: bytes,
        now: float,
        then: Callable[[list[Candidate]], None],
        *,
        strange: bool = False,
    ) -> None:
        """Call `then` with the candidates of a next hop, those that could not be reached lately behind all others."""
        search = locate(hop, self._supported, key)
        self.lookups.run(search, now, partial(self._located, hop, member, now, then), strange=strange)

    def _located(
        self,
        hop: NextHop,
        member: Destination | None,
        now: float,
        then: Callable[[list[Candidate]], None],
        places: list[Place],
    ) -> None:
        socket = member.socket if member is not None else ""
        candidates = [Candidate(place, socket, member) for place in places[:MAX_CANDIDATES]]
        keys = [_key(place) for place in places[:MAX_CANDIDATES]]
        self._note(member, keys)
        if is_numeric(hop.host):
            self._fix(hop, member, candidates)
        elif self._resting and len(keys) > 1:
            candidates.sort(key=lambda one: self._resting.get(_key(one.place), 0.0) > now)
        then(candidates)

    def _fix(self, hop: NextHop, member: Destination | None, candidates: list[Candidate]) -> None:
        """Remember candidates that never change; those of a member only while it is one, or its id is another's."""
        if member is not None:
            if id(member) in self.members.ids:
                self._fixed_members[id(member)] = candidates
        else:
            if len(self._fixed) >= MAX_PLACES:
                self._fixed.clear()
            self._fixed[hop] = candidates

    def _note(self, member: Destination | None, keys: list[Key]) -> None:
        """Remember which places are a hop's or a member's, so that what is heard of them finds these."""
        if len(self._given) >= MAX_PLACES:
            self._given.clear()
        for key in keys:
            self._given[key] = None
        target = target_of(member) if member is not None else None
        if target is None or self._keys.get(target) == keys:
            return
        for key in self._keys.pop(target, ()):
            self._targets[key].pop(target, None)
        self._keys[target] = keys
        for key in keys:
            self._targets.setdefault(key, {})[target] = None

    # What is heard of places ------------------------------------------------------------------------------------

    def failed(self, candidate: Candidate, now: float, why: str = "no connection") -> None:
        """Note that a place cannot be reached: a connection was refused, or did not come about in time."""
        self._fail(_key(candidate.place), now, why)

    def unreachable(self, host: str, port: int, now: float) -> None:
        """Note that ICMP says of an address that datagrams do not reach it. Of who is no next hop it is no news."""
        self._fail(("udp", _plain(host), port), now, "ICMP says that nobody is there")

    def _fail(self, key: Key, now: float, why: str) -> None:
        if key not in self._given and key not in self._targets:
            return
        self._rest(key, now)
        for target in list(self._targets.get(key, ())):
            if self._has_none_left(target, now):
                self.members.hear(target, Event.FAILED, now, why)
                self.hurry(target, now)

    def missed(self, candidate: Candidate, now: float, why: str) -> None:
        """Note that a ping was not answered, or not as it should."""
        self._rest(_key(candidate.place), now)
        target = target_of(candidate.member) if candidate.member is not None else None
        if target is not None and self._has_none_left(target, now):
            self.members.hear(target, Event.MISSED, now, why)

    def answered(self, candidate: Candidate, now: float) -> None:
        """Note that a ping was answered."""
        self._resting.pop(_key(candidate.place), None)
        if candidate.member is not None:
            self.members.hear(target_of(candidate.member), Event.ANSWERED, now, "it answers pings")

    def lost(self, target: Target, now: float, why: str) -> None:
        """Note that a target has no place at all."""
        self.members.hear(target, Event.MISSED, now, why)

    def places_of(self, target: Target, now: float, then: Callable[[list[Candidate]], None]) -> None:
        """Call `then` with all places of a target, when they are known."""
        member = self.members.targets[target][0]
        self._candidates(member.hop, member, b"", now, then)

    def _rest(self, key: Key, now: float) -> None:
        if len(self._resting) >= MAX_PLACES:
            self._resting.clear()
        self._resting[key] = now + REST

    def _has_none_left(self, target: Target, now: float) -> bool:
        return all(self._resting.get(key, 0.0) > now for key in self._keys.get(target, ()))

    # Time, and what there is ------------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Do what time brings: give up searches, have those tried again that have rested."""
        self.lookups.expire(now)
        self.members.look(now)
        if self._resting:
            self._resting = {key: until for key, until in self._resting.items() if until > now}

    def use(self, groups: Mapping[int, Sequence[Destination]]) -> None:
        """Have these groups from now on; the states of those that stay are kept."""
        self.members.use(groups)
        self._fixed_members = {}
        self._keys, self._targets = {}, {}


def target_of(member: Destination) -> Target:
    """Return what is pinged for a line of the list."""
    return Target(member.hop, member.socket)


def _key(place: Place) -> Key:
    return place.transport, _plain(place.host), place.port


@lru_cache(maxsize=MAX_PLACES)
def _plain(host: str) -> str:
    """Return a numeric address as the kernel writes it."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host
