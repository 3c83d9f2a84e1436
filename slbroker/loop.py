"""The loop of edges, workers and brokers: asyncio's, with a short way for the descriptors that requests come by.

A request that comes alone wakes a process two or three times, and each time asyncio makes a handle, queues it, and runs
it in a context of its own: more than what is then done for the request. What is watched here is called from the
selector instead, as soon as the system tells of it; and as long as asyncio has nothing to do, the selector waits on.
"""

from __future__ import annotations

import asyncio
import select
import selectors
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

Ts = TypeVarTuple("Ts")

# Seconds. epoll counts in milliseconds, of which a shorter wait would be rounded up to one.
FINE: Final = 0.005
FD_SETSIZE: Final = 1_024  # select(2) takes no descriptor from that on


class Selector(selectors.EpollSelector):
    """Has what asyncio watches, as one descriptor, beside those that are called from here."""

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        """`on_error` is told what a call has raised."""
        super().__init__()
        self._on_error = on_error
        self._calls: dict[int, Callable[[], object]] = {}
        self.is_due = False  # asyncio has been given something to do, or to wait for, by one of the calls
        self._all = select.epoll()
        self._is_fine = self._all.fileno() < FD_SETSIZE
        self._others = super().fileno()
        self._all.register(self._others, select.EPOLLIN)

    def watch(self, fd: int, call: Callable[[], object]) -> None:
        """Call `call` whenever `fd` can be read. Raises OSError for a descriptor that cannot be watched."""
        self._all.register(fd, select.EPOLLIN)
        self._calls[fd] = call

    def unwatch(self, fd: int) -> None:
        """Watch `fd` no more; nothing happens when it is not watched."""
        if self._calls.pop(fd, None) is not None:
            with suppress(OSError):  # it is closed
                self._all.unregister(fd)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for so many seconds, without end for None; make the calls that are due, return the rest as ever."""
        wait = timeout = None if timeout is None else max(timeout, 0)
        end = time.monotonic() + timeout if timeout else 0.0
        self.is_due = timeout == 0
        while True:
            if wait is not None and 0 < wait < FINE and self._is_fine:
                select.select((self._all,), (), (), wait)
                wait = 0
            found = self._all.poll(wait)
            if self._call(found):
                return super().select(0)
            if self.is_due or not found:
                return []
            if timeout is not None:
                wait = end - time.monotonic()
                if wait <= 0:
                    return []

    def _call(self, found: list[tuple[int, int]]) -> bool:
        """Make the calls that are due; return whether there is something for asyncio, too."""
        others = False
        for fd, _events in found:
            call = self._calls.get(fd)  # a call before may have ended its being watched
            if call is not None:
                try:
                    call()
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:
                    self._on_error(error)
            elif fd == self._others:
                others = True
        return others

    def close(self) -> None:
        """Close the descriptors of the selector's own."""
        self._all.close()
        super().close()


class Loop(asyncio.SelectorEventLoop):
    """asyncio's loop, which can `watch` descriptors."""

    def __init__(self) -> None:
        self._watching = Selector(self._on_error)
        super().__init__(self._watching)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Do as asyncio's loop does, at once where this is said in a call of what is watched."""
        self._watching.is_due = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Do as asyncio's loop does; this may be due before all else that it waits for."""
        self._watching.is_due = True
        return super().call_at(when, callback, *args, context=context)

    def stop(self) -> None:
        """Do as asyncio's loop does."""
        self._watching.is_due = True
        super().stop()

    def watch(self, fd: int, call: Callable[[], object]) -> None:
        """Do as `add_reader`, for less: `call` runs in no context of its own, and nothing cancels it."""
        self._watching.watch(fd, call)

    def unwatch(self, fd: int) -> None:
        """Do as `remove_reader` for what is watched."""
        self._watching.unwatch(fd)

    def _on_error(self, error: BaseException) -> None:
        self.call_exception_handler({"message": "Exception in what a descriptor is watched for", "exception": error})


def watch(loop: asyncio.AbstractEventLoop, fd: int, call: Callable[[], Any]) -> None:
    """Call `call` whenever `fd` can be read: the short way, where `loop` has it."""
    (loop.watch if isinstance(loop, Loop) else loop.add_reader)(fd, call)


def unwatch(loop: asyncio.AbstractEventLoop, fd: int) -> None:
    """Watch `fd` no more."""
    (loop.unwatch if isinstance(loop, Loop) else loop.remove_reader)(fd)
