"""What a script keeps from one request to the next. It lives in one worker: nothing is shared with the others."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.htables import Table, Walk
from slbroker_handlers.kemi.params import Params
from slbroker_handlers.kemi.scriptlog import script_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.values import Xval

logger = script_logger(__name__)

FIRST_PROBABILITY: Final = 10

# Times that a call which cannot work has been made, when it is logged again: the count shows how much it matters.
_LOGGED: Final = frozenset((1, 100, 10_000, 1_000_000))


class State:
    """A worker's memory. `now` is a monotonic clock, `date` tells unix seconds; both are for tests to replace."""

    def __init__(
        self,
        params: Params | None = None,
        now: Callable[[], float] = time.monotonic,
        date: Callable[[], float] = time.time,
        *,
        allow_missing: bool = False,
        relays: bool = False,
    ) -> None:
        self.params = params or Params()
        self.allow_missing = allow_missing  # whether what no Kamailio has answers as if it had failed
        self.relays = relays  # whether KSR.tm.t_relay forwards
        self.release = self.params.release
        self.now = now
        self.date = date
        self.tables = {table.name: table for table in map(Table.define, self.params.tables)}
        self.walks: dict[str, Walk] = {}  # through tables, by the names of their iterators
        self.variables: dict[str, Xval] = {}  # $var, and $vz, which is the same
        self.nullable: dict[str, Xval] = {}  # $vn
        self.shared: dict[str, Xval] = {}  # $shv
        self.pike: dict[str, tuple[float, int, float]] = {}
        self.statistics: Counter[str] = Counter()
        self.probability = FIRST_PROBABILITY  # of cfgutils' rand_event, in percent
        self.requests = 0
        self.unsupported: Counter[str] = Counter()  # calls that cannot work here
        self.on_send: Callable[..., object] | None = None  # is told of a call whose request goes on
        self.branch_route: Callable[[str], Callable[..., object] | None] = lambda _name: None  # a script's, by its name
        self._said: set[str] = set()

    def table(self, name: str) -> Table:
        """Return a table; one that no parameter defines is made when it is first used."""
        self.say_once("htable and $shv are local to each worker: other workers do not see what this one writes")
        return self.tables.get(name) or self.tables.setdefault(name, Table(name))

    def say_once(self, sentence: str) -> None:
        """Log a sentence the first time that it has to be said."""
        if sentence not in self._said:
            self._said.add(sentence)
            logger.warning("%s", sentence)

    def count_unsupported(self, title: str) -> None:
        """Count a call that cannot work here; log the first one, and some later ones with their number."""
        self.unsupported[title] += 1
        count = self.unsupported[title]
        if count in _LOGGED:
            logger.warning("%s cannot work here and answers as if it had failed; times so far: %d", title, count)
