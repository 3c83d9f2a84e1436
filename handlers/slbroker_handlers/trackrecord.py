"""What a worker tells its edges of how quick it has been: they wake fewer of several quick ones (`bus/packing`).

Pure: what was served comes in.
"""

from __future__ import annotations

import math
import resource
from typing import Final

from slbroker.bus.packing import MOST, SLOW, Record

FEW: Final = 4  # requests that say nothing yet: the first ones import and connect
WINDOW: Final = 256  # requests
LEAST: Final = 64  # requests that are worth telling of
TOO_MANY: Final = 2  # slow ones in a window: the worker is not what it was, and what was before says nothing any more
MEMORY: Final = 32_768  # requests after which what was before counts half
ENOUGH: Final = 0.02  # seconds of the processor that are slow, however long it took to get them
STEP: Final = 1.5  # a record is told anew when there is so much more of it, or the time of a request so different


class Spell:
    """Requests that have been served since this was last taken in: how many were slow, and what others were long."""

    __slots__ = ("long", "other", "slow", "squares", "times")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.slow = 0
        self.long = 0.0  # seconds of those that are longer than LONG ...
        self.squares = 0.0  # ... squared one by one
        self.other = 0.0  # seconds of those that say nothing of how quick the others are
        self.times: list[float] = []  # seconds of each of those that are longer than LONG

    def note(self, seconds: float, *, interrupted: bool = False) -> None:
        """Take in a request that took longer than LONG."""
        self.times.append(seconds)
        if interrupted:
            self.other += seconds
        elif seconds > SLOW:
            self.slow += 1
            self.other += seconds
        else:
            self.long += seconds
            self.squares += seconds * seconds


class TrackRecord:
    """How many requests were served lately, how many of them were slow, and how long the others took."""

    def __init__(self) -> None:
        self.told = Record()
        self._served = -FEW
        self._slow = 0
        self._short = 0.0  # seconds
        self._long = 0.0  # seconds
        self._squares = 0.0
        self._recent = 0  # served in this window
        self._recent_slow = 0

    def note(self, served: int, seconds: float, spell: Spell) -> None:
        """Take in that `served` requests kept the worker for so long, and a `spell` what some of them were like."""
        if self._served < 0:
            self._served += served
            return
        if self._recent >= WINDOW:
            self._recent = self._recent_slow = 0
        if self._served >= MEMORY:
            self._slow //= 2
            self._keep(0.5)
        self._recent += served
        self._recent_slow += spell.slow
        self._served += served
        self._slow += spell.slow
        self._short += max(0.0, seconds - spell.long - spell.other)
        self._long += spell.long
        self._squares += spell.squares
        if self._recent_slow >= TOO_MANY:
            self._slow = self._recent_slow
            self._keep(self._recent / self._served)

    def _keep(self, share: float) -> None:
        """Let what has been weigh less."""
        self._served = round(self._served * share)
        self._short *= share
        self._long *= share
        self._squares *= share

    @property
    def time(self) -> float:
        """How many seconds one takes that others wait for: of several that come together they meet the long ones."""
        short = self._short * self._short / self._served
        return (short + self._squares) / ((self._short + self._long) or 1.0)

    def news(self, edges: int) -> Record | None:
        """Return what is to be told now, if it differs from what was by enough to matter; the worker serves `edges`."""
        if self._served <= 0:
            return None
        micros = min(MOST, max(1, math.ceil(self.time * edges * 1e6)))
        record, told = Record(self._served, self._slow, micros), self.told
        if (
            record.served >= max(STEP * told.served, LEAST)
            or record.fill(record) != told.fill(told)
            or (record.slow > 0) != (told.slow > 0)
            or (told.served and not 1 / STEP <= record.micros / told.micros <= STEP)
        ):
            self.told = record
            return record
        return None


class Stopwatch(Spell):
    """Tells handlers that are slow from those that were kept from running: somebody else had the processor."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        super().__init__()
        self._before = resource.getrusage(resource.RUSAGE_THREAD)

    def see(self, seconds: float) -> None:
        """Take in a request that took longer than LONG, since this was made.

        It was so long itself when this thread has slept meanwhile, or has used the processor for half of it, with
        nobody between. Linux counts that in ticks, so one of a few milliseconds may look as if it had not run, and one
        that was interrupted as if it had: who is slow is seen to be some of the time, who is not almost never.
        """
        now, then = resource.getrusage(resource.RUSAGE_THREAD), self._before
        used = now.ru_utime + now.ru_stime - then.ru_utime - then.ru_stime
        least = ENOUGH if now.ru_nivcsw != then.ru_nivcsw else min(seconds / 2, ENOUGH)
        self.note(seconds, interrupted=now.ru_nvcsw == then.ru_nvcsw and used <= least)
