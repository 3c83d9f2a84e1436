"""The groups of next hops that an edge has, and the state of each of their destinations; no sockets, no clock."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from slbroker.proxy.groups import choose, usable_tiers
from slbroker.proxy.health import Event, Health, Rules, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slbroker.proxy.groups import Algorithm, Destination
    from slbroker.proxy.nexthop import NextHop

logger = logging.getLogger(__name__)

# Seconds after which a destination that is out is tried again where nobody pings: nothing else would bring it back.
REST: Final = 30.0

_WORDS: Final = {State.ACTIVE: "active", State.TRYING: "trying", State.INACTIVE: "inactive", State.DISABLED: "disabled"}


class Target(NamedTuple):
    """What is pinged: a next hop, by a listen address where the list says which; for all lines that have the two."""

    hop: NextHop
    socket: str


class Members:
    """The destinations of all groups. Lines that say the same in several groups have one state."""

    def __init__(self, rules: Rules, *, pings: bool) -> None:
        """`pings` says whether anybody pings: who is out has only himself to come back else."""
        self.rules = rules
        self.groups: Mapping[int, Sequence[Destination]] = {}
        self.ids: frozenset[int] = frozenset()  # of all destinations
        self.targets: dict[Target, list[Destination]] = {}
        self._health: dict[Destination, Health] = {}
        self._pings = pings
        self._resting: dict[Destination, float] = {}
        self._tiers: dict[int, list[list[Destination]]] = {}  # of each group, who gets requests now

    def use(self, groups: Mapping[int, Sequence[Destination]]) -> None:
        """Have these groups from now on. Where next hop, listen address and flags are as they were, the state stays."""
        known = {_identity(one): (health, self._resting.get(one)) for one, health in self._health.items()}
        self.groups = groups
        self.ids = frozenset(id(one) for members in groups.values() for one in members)
        self.targets, self._health, self._resting, self._tiers = {}, {}, {}, {}
        for one in (one for members in groups.values() for one in members):
            if one in self._health:
                continue
            health, rests = known.get(_identity(one), (Health.of_flags(one.flags), None))
            self._health[one] = health
            if rests is not None:
                self._resting[one] = rests
            self.targets.setdefault(Target(one.hop, one.socket), []).append(one)

    def order(self, number: int, algorithm: Algorithm, key: bytes) -> list[Destination]:
        """Return the destinations of a group that get requests, the one for this `key` first; [] for no such group."""
        tiers = self._tiers.get(number)
        if tiers is None:
            tiers = usable_tiers(self.groups.get(number, ()), self._health.__getitem__)
            if number in self.groups:
                self._tiers[number] = tiers
        return choose(tiers, algorithm, key)

    def is_pinged(self, target: Target) -> bool:
        """Return whether pings go to a target."""
        return any(self._health[one].is_pinged(self.rules.mode) for one in self.targets.get(target, ()))

    def hear(self, target: Target, event: Event, now: float, why: str = "") -> None:
        """Take in what is heard of a target; `why` is for the log."""
        for one in self.targets.get(target, ()):
            before = self._health[one]
            if event is not Event.FAILED and not before.is_pinged(self.rules.mode):
                continue  # the ping is another line's, or its list has changed
            self._change(one, before, before.after(event, self.rules), now, why)

    def _change(self, one: Destination, before: Health, after: Health, now: float, why: str) -> None:
        self._health[one] = after
        if after.state is State.INACTIVE and not self._pings:
            self._resting[one] = now + REST
        if before.usable is not after.usable:
            self._tiers.clear()
        if before.usable and not after.usable:
            logger.warning("%s gets no requests any more: %s", self._shown(one), why)
        elif after.usable and not before.usable:
            logger.info("%s gets requests again: %s", self._shown(one), why)

    def look(self, now: float) -> None:
        """Try those again that nobody pings, when they have rested."""
        for one in [each for each, until in self._resting.items() if until <= now]:
            del self._resting[one]
            before = self._health[one]
            if before.state is State.INACTIVE:
                # One more failure, and it is out again.
                after = before._replace(state=State.TRYING, on_end=self.rules.probing_threshold - 1)
                self._change(one, before, after, now, f"{REST:g} s are over, and nobody is pinged")

    def _shown(self, one: Destination) -> str:
        numbers = [str(number) for number, members in self.groups.items() if one in members]
        return f"{one.hop.uri.decode(errors='replace')} of group {', '.join(numbers)}"

    def figures(self) -> dict[str, list[dict[str, Any]]]:
        """Return the destinations of each group, their states as words and as `kamcmd dispatcher.list` has them."""
        return {str(number): [self._row(one) for one in members] for number, members in self.groups.items()}

    def _row(self, one: Destination) -> dict[str, Any]:
        health = self._health[one]
        return {
            "name": one.hop.uri.decode(errors="replace"),
            "flags": health.letters,
            "state": _WORDS[health.state],
            "priority": one.priority,
            "weight": one.weight,
            **({"duid": one.attrs["duid"]} if "duid" in one.attrs else {}),
            **({"socket": one.socket} if one.socket else {}),
        }


def _identity(one: Destination) -> tuple[NextHop, str, int]:
    return one.hop, one.socket, one.flags
