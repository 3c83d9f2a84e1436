"""What each process told within the last seconds, so that there are rates: by its own clock, however late it is heard.

Pure. Of what an edge or a broker tells its workers are left out: each of them has a trend of its own.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from slbroker.metrics.model import number
from slbroker.metrics.overview import Moment

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

WINDOW: Final = 5.0  # seconds that a rate is over
APART: Final = 0.5  # seconds between two that are kept


class Trend:
    """The figures of processes, by whatever they are called."""

    def __init__(self) -> None:
        self._told: dict[str, deque[tuple[float, Mapping[str, Any]]]] = {}

    def hear(self, key: str, figures: Mapping[str, Any]) -> None:
        """Take in what one has told. What it told before it was started again is no part of its trend."""
        told = self._told.setdefault(key, deque())
        uptime = number(figures.get("uptime")) or 0.0
        if told and (told[-1][1].get("name") != figures.get("name") or uptime < told[-1][0]):
            told.clear()
        if told and (uptime == told[-1][0] or (len(told) > 1 and uptime - told[-2][0] < APART)):
            told.pop()  # or it is heard again, and has not said more
        told.append((uptime, {key: value for key, value in figures.items() if key != "workers"}))
        while len(told) > 2 and told[1][0] <= uptime - WINDOW:
            told.popleft()

    def keep(self, keys: Collection[str]) -> None:
        """Forget all but these."""
        for key in self._told.keys() - set(keys):
            del self._told[key]

    def moment(self, key: str) -> Moment:
        """Return what one tells now, and what it told some seconds before, if it did."""
        told = self._told.get(key)
        if not told:
            return Moment({}, {}, 0.0)
        (since, before), (until, now) = told[0], told[-1]
        return Moment(now, before if len(told) > 1 else {}, until - since)
