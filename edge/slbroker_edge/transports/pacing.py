"""When a socket is read: at once while little comes, every so often while more does, as NAPI does for network cards.

A request that comes alone wakes four threads, which costs ten times what it costs as one of many. So where a look that
is put off by `interval` will find several, it is, and all that has come meanwhile travels together.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from slbroker.loop import unwatch, watch

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

COMPANY: Final = (
    3  # how many a look must be likely to find for it to be put off; two would cost more time than they save
)
MEMORY: Final = 0.02  # seconds by which the rate that has been seen is forgotten (to 1/e)
MANY: Final = 16  # in one look; fewer can wait for company


class PacedReader:
    """Calls `take` for a descriptor that can be read."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        fd: int,
        take: Callable[[], int],
        *,
        most: int,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`take` reads what has come, `most` at a time, and returns how many that were.

        `interval` is in seconds, 0 for no pacing.
        """
        self._loop = loop
        self._fd = fd
        self._take = take
        self._most = most
        self._interval = interval
        self._clock = clock
        # What has come lately, a second: 1/MEMORY for each one, less and less. A look is put off from that rate on.
        self._rate = 0.0
        self._busy = COMPANY / interval if interval else math.inf
        self._seen = 0.0  # when that was reckoned
        self._last = 0  # what the last look has found
        self._next: asyncio.Handle | None = None  # the next look, while the loop does not watch the descriptor
        watch(loop, fd, self._on_readable if interval else take)

    def _on_readable(self) -> None:
        count = self._take()
        if self._expects_more(count):
            unwatch(self._loop, self._fd)
            self._next = self._loop.call_later(self._interval, self._look)

    def _expects_more(self, count: int) -> bool:
        """Note what a look has found; return whether one that is put off will find company."""
        now = self._clock()
        self._rate = self._rate * math.exp((self._seen - now) / MEMORY) + count / MEMORY
        self._seen = now
        self._last = count
        return count > 0 and self._rate >= self._busy

    def _look(self) -> None:
        again = False
        count = 0
        try:
            count = self._take()
            again = self._expects_more(count)
        finally:  # or a bug in one request would be the end of all reading
            if count >= self._most:  # there may be more
                self._next = self._loop.call_soon(self._look)
            elif again:
                self._next = self._loop.call_later(self._interval, self._look)
            else:
                self._next = None
                watch(self._loop, self._fd, self._on_readable)

    def nudge(self) -> None:
        """Look now if many came the last time: replies have left, and who waited for them sends the next requests."""
        if self._next is not None and self._last >= MANY:
            self._next.cancel()
            self._look()

    def stop(self) -> None:
        """Read no more."""
        if self._next is None:
            unwatch(self._loop, self._fd)
        else:
            self._next.cancel()
            self._next = None
