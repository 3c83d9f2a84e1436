"""Async handlers in the turns of the worker's loop: what they take of one, and when their answers leave.

The loop serves nobody else while one of them runs, and several may run in a turn. Their answers leave together at its
end, unless that is long in coming.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from slbroker.bus.membership import UNFIT
from slbroker.plugin.faults import is_given_up
from slbroker_handlers.busy import Busy
from slbroker_handlers.calls import SAY_AGAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from slbroker.bus.envelope import Answer
    from slbroker.bus.items import Item
    from slbroker.bus.memo import Kept
    from slbroker.plugin.responder import Responder
    from slbroker_handlers.calls import Calls
    from slbroker_handlers.link import Link
    from slbroker_handlers.spent import Spent

logger = logging.getLogger(__name__)

HOLD_REPLIES: Final = 0.002  # seconds that a finished answer waits for the rest of its batch
LONG_TURN: Final = 0.1  # seconds that an async handler may keep the loop before a log line says so


class Turns:
    """The turns of one worker's loop."""

    def __init__(
        self,
        calls: Calls,
        responder: Responder,
        on_long: Callable[[float, float], None],
        on_done: Callable[[float, float], None],
        spent: Spent,
    ) -> None:
        """`responder` knows the handler of a request, for a log line.

        `on_long` is told the time (monotonic) and for how many seconds nobody else was served, `on_done` how many
        seconds how many requests have taken. `spent` takes in how long each was open, what it awaited included.
        """
        self._spent = spent
        self._calls = calls
        self._responder = responder
        self._on_long = on_long
        self._on_done = on_done
        self._busy: Busy | None = None
        self._blocking: Item | None = None  # of an async handler that ran in this turn
        self._half_done = 0  # times that an async handler has begun or ended since they were accounted for
        self._seconds = 0.0
        self._silent_until = 0.0
        self._to_flush: set[Link] = set()

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Measure the turns of a loop from now on."""
        self._busy = Busy(loop, self._end)

    def leave_out(self, now: float) -> None:
        """Let what there was of this turn be none: it was not async handlers that took it."""
        if self._busy is not None:
            self._busy.since = now

    def _end(self, now: float) -> None:
        """Note what async handlers have taken of a turn of the loop: nobody else was served meanwhile."""
        if self._busy is None or (self._blocking is None and not self._calls.tasks):
            return
        seconds, item = now - self._busy.since, self._blocking
        if item is None and seconds < HOLD_REPLIES:
            return
        self._busy.since, self._blocking = now, None
        self._seconds += seconds
        if self._half_done:
            count, taken = self._half_done / 2, self._seconds
            self._half_done, self._seconds = 0, 0.0
            self._on_done(taken, count)
        if seconds > LONG_TURN:
            self._on_long(now, seconds)
        if seconds > LONG_TURN and now >= self._silent_until:
            self._silent_until = now + SAY_AGAIN
            logger.warning(
                "async handler %s kept all others waiting for %.0f ms: let it await what takes time, or be a def",
                self._responder.name_of(item) if item is not None else self._calls.names(), seconds * 1e3,
            )  # fmt: skip

    def finish_later(self, link: Link, item: Item, pending: Coroutine[Any, Any, Answer | Kept], now: float) -> None:
        """Run an async handler, which came by `link` at `now`; its answer leaves with those of others."""
        number = item.number
        self._blocking = item

        async def finish() -> None:
            self._breathe()
            self._half_done += 1
            try:
                answer = await pending
            except BaseException as error:
                if is_given_up(error):
                    raise
                logger.exception("a bug in slbroker; please report it")
                answer = UNFIT
            words = (answer,) if type(answer) is bytes else link.words_of(item, answer, self._responder)
            link.membership.answer(number, *words)
            self._spent.note(time.monotonic() - now)
            self._half_done += 1
            self._blocking = item
            self.flush_soon(link)

        task = asyncio.get_running_loop().create_task(finish())
        self._calls.add(task, (item, now, link))

    def flush_soon(self, link: Link) -> None:
        """Send the answers of all handlers that finish in this turn of the loop as one envelope."""
        if not self._to_flush:
            asyncio.get_running_loop().call_soon(self._flush_now)
        self._to_flush.add(link)
        self._breathe()

    def _breathe(self) -> None:
        """Send what there is when async handlers block, and others are to run in this turn of the loop."""
        now = time.monotonic()
        if self._busy is not None and now - self._busy.since > HOLD_REPLIES:
            self._end(now)
            self._flush_now()

    def _flush_now(self) -> None:
        now = time.monotonic()
        links, self._to_flush = self._to_flush, set()
        for link in links:
            link.flush(now)

    def close(self) -> None:
        """Measure no more."""
        if self._busy is not None:
            self._busy.close()
