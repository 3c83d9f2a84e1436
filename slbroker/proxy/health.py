"""The state of a destination, as Kamailio's dispatcher has it: pings and failures go in, what is true now comes out.

    active     it gets requests
    trying     it has failed, fewer times on end than `ds_probing_threshold`: it still gets requests
    inactive   it has failed so many times; it gets requests again after `ds_inactive_threshold` answers on end
    disabled   somebody has said so, and has to say that it is over

"probing" stands beside these: whether it is pinged where only some are (`ds_probing_mode`). A disabled one never is.
Pings take that mark off and put it on as those of Kamailio 5.6.3 do; a request that fails puts it on, as the usual
`ds_mark_dst("p")` of a failure_route does, so that pings may bring back whom requests have lost.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

# The bits of a list's third column, and of `dispatcher.list`.
FLAG_INACTIVE: Final = 1
FLAG_TRYING: Final = 2
FLAG_DISABLED: Final = 4
FLAG_PROBING: Final = 8
# 16 is for names that are not to be looked up at start, which we never do
FLAG_NO_PING: Final = 32
ALL_FLAGS: Final = 63


class State(Enum):
    """What a destination is; the values are the letters that `kamcmd dispatcher.list` shows."""

    ACTIVE = "A"
    TRYING = "T"
    INACTIVE = "I"
    DISABLED = "D"


class Event(Enum):
    """What is heard of a destination."""

    ANSWERED = "answered"  # a ping, by a status that counts (`counted_statuses`)
    MISSED = "missed"  # a ping: no answer, another status
    FAILED = "failed"  # a request, or a ping, that cannot have arrived: an ICMP error, no connection
    DISABLE = "disable"
    ENABLE = "enable"


class ProbingMode(Enum):
    """Which destinations are pinged: `ds_probing_mode`. P is their mark for probing."""

    ONCE = 0  # those with P, which a ping takes off, whatever it finds
    ALL = 1
    INACTIVE = 2  # those with P that are inactive; P goes when one is active again
    MARKED = 3  # those with P, which stays


class Rules(NamedTuple):
    """How many misses, and answers, on end make a difference, and who is pinged.

    `ds_probing_threshold`, `ds_inactive_threshold`, `ds_probing_mode`.
    """

    probing_threshold: int = 1
    inactive_threshold: int = 1
    mode: ProbingMode = ProbingMode.ALL


class Health(NamedTuple):
    """The state of one destination; `on_end` are failures while trying, answers while inactive."""

    state: State = State.ACTIVE
    probing: bool = False
    no_ping: bool = False
    on_end: int = 0

    @classmethod
    def of_flags(cls, flags: int) -> Health:
        """Return what a destination begins with."""
        state = State.ACTIVE
        if flags & FLAG_DISABLED:
            state = State.DISABLED
        elif flags & FLAG_INACTIVE:
            state = State.INACTIVE
        elif flags & FLAG_TRYING:
            state = State.TRYING
        return cls(state, bool(flags & FLAG_PROBING), bool(flags & FLAG_NO_PING))

    @property
    def usable(self) -> bool:
        """Whether requests go there."""
        return self.state in (State.ACTIVE, State.TRYING)

    @property
    def letters(self) -> str:
        """As `kamcmd dispatcher.list` shows it: AP, AX, TP, IX, DX..."""
        return self.state.value + ("P" if self.probing else "X")

    def after(self, event: Event, rules: Rules = Rules()) -> Health:  # noqa: B008 - it never changes
        """Return the state after an event."""
        if event is Event.DISABLE:
            return self._replace(state=State.DISABLED, on_end=0)
        if event is Event.ENABLE:
            return self._replace(state=State.ACTIVE, on_end=0)
        if self.state is State.DISABLED:
            return self
        if event is Event.ANSWERED:
            return self._after_answer(rules)
        probing = event is Event.FAILED or rules.mode is not ProbingMode.ONCE
        return self._after_failure(rules)._replace(probing=probing)

    def _after_answer(self, rules: Rules) -> Health:
        if self.state is State.INACTIVE and self.on_end + 1 < rules.inactive_threshold:
            return self._replace(on_end=self.on_end + 1)
        probing = rules.mode is ProbingMode.ALL or (rules.mode is ProbingMode.MARKED and self.probing)
        return self._replace(state=State.ACTIVE, probing=probing, on_end=0)

    def _after_failure(self, rules: Rules) -> Health:
        if self.state is State.INACTIVE:
            return self._replace(on_end=0)  # its answers are no longer on end
        if self.on_end + 1 >= rules.probing_threshold:
            return self._replace(state=State.INACTIVE, on_end=0)
        return self._replace(state=State.TRYING, on_end=self.on_end + 1)

    def is_pinged(self, mode: ProbingMode) -> bool:
        """Return whether pings go there."""
        if self.no_ping or self.state is State.DISABLED:
            return False
        if mode is ProbingMode.ALL:
            return True
        return self.probing and (mode is not ProbingMode.INACTIVE or self.state is State.INACTIVE)


_match_code = re.compile(r"\s*(?:code\s*=\s*([1-6][0-9]{2})|class\s*=\s*([1-6]))\s*", re.ASCII).fullmatch


def counted_statuses(text: str) -> Callable[[int], bool]:
    """Return whether a status counts as an answer to a ping, by `ds_ping_reply_codes`: "class=2;code=403".

    200 always does. Raises ConfigError.
    """
    codes, classes = {200}, set()
    for piece in filter(None, map(str.strip, text.split(";"))):
        found = _match_code(piece)
        if found is None:
            raise ConfigError(f"ping reply codes {text!r}: write class=2;code=403, not {piece!r}")
        if found[1]:
            codes.add(int(found[1]))
        else:
            classes.add(int(found[2]))
    return lambda status: status in codes or status // 100 in classes
