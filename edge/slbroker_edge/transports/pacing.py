"""When a socket is read: at once while little comes, every so often while more does, as NAPI does for network cards.

A request that comes alone wakes four threads, which costs ten times what it costs as one of many. So where requests
come one after the other, a look is taken every `interval`, and all that has come meanwhile travels together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

MANY: Final = 16  # datagrams in one look; fewer can wait for company


class PacedReader:
    """Calls `take` for a descriptor that can be read."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, fd: int, take: Callable[[], int], *, most: int, interval: float
    ) -> None:
        """`take` reads what has come, `most` datagrams at a time, and returns how many that were.

        `interval` is in seconds, 0 for no pacing.
        """
        self._loop = loop
        self._fd = fd
        self._take = take
        self._most = most
        self._interval = interval
        self._last = 0  # what the last look has found; half of that, and half again, while looks find less
        self._next: asyncio.Handle | None = None  # the next look, while the loop does not watch the descriptor
        self._loop.add_reader(fd, self._on_readable)

    def _on_readable(self) -> None:
        self._last = self._take()
        if self._last and self._interval:
            self._loop.remove_reader(self._fd)
            self._next = self._loop.call_later(self._interval, self._look)

    def _look(self) -> None:
        count = 0
        try:
            count = self._take()
        finally:  # or a bug in one request would be the end of all reading
            self._last = max(count, self._last // 2)
            if count >= self._most:  # there may be more
                self._next = self._loop.call_soon(self._look)
            elif self._last:
                self._next = self._loop.call_later(self._interval, self._look)
            else:
                self._next = None
                self._loop.add_reader(self._fd, self._on_readable)

    def nudge(self) -> None:
        """Look now if many came the last time: replies have left, and who waited for them sends the next requests."""
        if self._next is not None and self._last >= MANY:
            self._next.cancel()
            self._look()

    def stop(self) -> None:
        """Read no more."""
        if self._next is None:
            self._loop.remove_reader(self._fd)
        else:
            self._next.cancel()
            self._next = None
