"""What answering may cost, however many ask: a share of a processor; and what was made once is given to all who ask.

Without it those who ask as fast as they are answered would have as much of the machine as there is.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

T = TypeVar("T")

SHARE: Final = 0.05  # of a processor
IN_HAND: Final = 0.25  # seconds of work that may come at once, when nobody has asked for a while
LONGEST: Final = 1.0  # seconds that one answer, however dear, holds up the next
PAUSE: Final = 0.02  # seconds waited beyond what is wanted: else all would go into looking whether it is time
FRESH: Final = 0.25  # seconds for which what was made is given to others, too
DEAR: Final = 20.0  # ... or so many times what it took to make it
OLDEST: Final = 5.0  # ... but no more than so many
MOST_KINDS: Final = 8  # that are kept of one thing


class Allowance:
    """How much of its time the thread may work for those who ask: `SHARE`, and `IN_HAND` after some rest."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, worked: Callable[[], float] = time.thread_time
    ) -> None:
        """`worked` says for how many seconds this thread has, all in all."""
        self._clock, self._worked = clock, worked
        self._seen, self._spent = clock(), worked()
        self._left = IN_HAND  # seconds of work
        self._free = 0.0  # seconds of work that is no answering, not yet taken off

    @contextmanager
    def free(self) -> Iterator[None]:
        """Count nothing of what is done inside, which does not wait: it is not for those who ask."""
        begun = self._worked()
        try:
            yield
        finally:
            self._free += self._worked() - begun

    def wait(self) -> float:
        """Return for how many seconds nobody is to be answered; 0.0: there is time now."""
        now, worked = self._clock(), self._worked()
        spent, self._free = worked - self._spent - self._free, 0.0
        self._left = min(IN_HAND, max(-SHARE * LONGEST, self._left - spent) + SHARE * (now - self._seen))
        self._seen, self._spent = now, worked
        return max(0.0, -self._left / SHARE)


class Gate:
    """Lets who asks pass while there is time; the others wait, and pass one of each kind in turn.

    So those who ask for one thing without end hold up who asks for another by one answer at most.
    """

    def __init__(self, allowance: Allowance | None = None) -> None:
        self.allowance = allowance or Allowance()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # by kind; the first of them is next
        self._opening: asyncio.Task[None] | None = None

    async def enter(self, kind: str) -> None:
        """Return when there is time for a question of that kind."""
        if not self._waiting and not self.allowance.wait():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(kind, deque()).append(turn)
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        await turn

    async def _open(self) -> None:
        try:
            while self._waiting:
                if seconds := self.allowance.wait():
                    await asyncio.sleep(seconds + PAUSE)
                    continue
                kind, turns = next(iter(self._waiting.items()))
                del self._waiting[kind]
                turn = turns.popleft()
                if turns:
                    self._waiting[kind] = turns
                if not turn.done():  # it may have been given up
                    turn.set_result(None)
                    await asyncio.sleep(0)  # it is answered, and that counts
                    await asyncio.sleep(0)
        finally:
            self._opening = None


class Kept(Generic[T]):
    """What was made for one who asks, and counts for others for a while: `FRESH`, longer where it is dear."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, worked: Callable[[], float] = time.thread_time
    ) -> None:
        self._clock, self._worked = clock, worked
        self._made: dict[Hashable, tuple[float, T]] = {}  # until when it counts

    def get(self, kind: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` makes, or has made lately for the same kind."""
        now = self._clock()
        if kind in self._made and now < self._made[kind][0]:
            return self._made[kind][1]
        begun = self._worked()
        new = make()
        if len(self._made) >= MOST_KINDS:
            self._made.clear()
        self._made[kind] = now + min(max(FRESH, DEAR * (self._worked() - begun)), OLDEST), new
        return new
