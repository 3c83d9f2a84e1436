"""The fake clock: what happens next, and when."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Agenda:
    """Events in the order of their time; those of the same moment in the order in which they were put down."""

    def __init__(self) -> None:
        self.now = 0.0  # seconds
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Put an event down; `when` is not in the past."""
        self._sequence += 1
        heapq.heappush(self._events, (max(when, self.now), self._sequence, do))

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Put an event down, so many seconds from now."""
        self.at(self.now + seconds, do)

    def run(self, until: float) -> None:
        """Let time go by, event by event."""
        events = self._events
        while events and events[0][0] <= until:
            self.now, _sequence, do = heapq.heappop(events)
            do()
        self.now = until
