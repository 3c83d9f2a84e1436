"""What stands around a handler: its time and its number of calls at once, and the hooks before it."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from slbroker.logline import event, shown
from slbroker.plugin.arguments import check_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from slbroker.plugin.kinds import Decision, Handler
    from slbroker.plugin.request import Request
    from slbroker.plugin.settings import Settings

logger = logging.getLogger(__name__)


def is_async(function: object) -> bool:
    """Return whether calling `function` gives a coroutine, as far as can be seen before."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 - what is called, not whether


def name_of(function: object) -> str:
    """Return what a function is called, for people."""
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


def title_of(function: object) -> str:
    """Return what a function is called and where it stands, for people: "look_up at plugin.py:7"."""
    code = getattr(function, "__code__", None)
    return name_of(function) + (f" at {code.co_filename}:{code.co_firstlineno}" if code is not None else "")


class Guarded:
    """An `async def` handler with a time to answer in, and a number of calls that may run at once.

    A call beyond the limit waits for its turn, first come, first served, and its time runs while it waits. So nothing
    is refused early; the credit of the worker bounds how many can wait, and what waits counts as open there, so that
    edges give the next requests to workers that are less busy.
    """

    def __init__(self, handler: Callable[[Request], Awaitable[Decision]], timeout: float | None, limit: int | None):
        """`timeout` is in seconds. Raises ValueError when it is not above 0, or `limit` below 1."""
        if timeout is not None:
            check_seconds("timeout", timeout)
        if limit is not None and not (type(limit) is int and limit >= 1):
            raise ValueError(f"limit={limit!r} is no number of calls from 1 on")
        self.handler = handler
        self._timeout = timeout
        self._limit = limit
        self._room: tuple[asyncio.AbstractEventLoop, asyncio.Semaphore] | None = None
        self.__name__ = name_of(handler)

    async def __call__(self, request: Request) -> Decision:
        """Call the handler; raise TimeoutError when it has not answered in time."""
        settings = request.context.settings
        seconds = self._timeout or settings.timeout
        try:
            async with asyncio.timeout(seconds) as clock, self._turn():
                return await self.handler(request)
        except TimeoutError:
            if not clock.expired():
                raise
            return self._late(request, settings, seconds)

    def _turn(self) -> AbstractAsyncContextManager[Any]:
        """Return what is entered when it is this call's turn. A semaphore belongs to the loop it was made in."""
        if self._limit is None:
            return nullcontext()
        loop = asyncio.get_running_loop()
        if self._room is None or self._room[0] is not loop:
            self._room = loop, asyncio.Semaphore(self._limit)
        return self._room[1]

    def _late(self, request: Request, settings: Settings, seconds: float | None) -> Decision:
        request.unfit("its handler was too slow")
        said = f"{self.__name__} has not answered within {seconds:g} s"
        if settings.on_timeout is None:
            raise TimeoutError(said) from None
        method, uri, call_id = request.message.method, request.message.uri, request.message.call_id
        logger.warning(
            "%s %s, Call-ID %s: %s", shown(method), shown(uri), shown(call_id), said,
            extra=event("handler-late", method=method, call_id=call_id, handler=self.__name__, duration=seconds),
        )  # fmt: skip
        return settings.on_timeout


def guard(handler: Handler, timeout: float | None, limit: int | None) -> Handler:
    """Return `handler` so that its settings hold; raise ValueError for a plain function with any of its own.

    A `def` holds its worker for as long as it runs, and cannot be interrupted: the edge's handler timeout is for it.
    """
    if is_async(handler):
        return Guarded(handler, timeout, limit)  # type: ignore[arg-type]
    if timeout is not None or limit is not None:
        raise ValueError(f"timeout= and limit= are for async def handlers, and {name_of(handler)} is none")
    return handler


def behind(hooks: Sequence[Handler], handler: Handler) -> Handler:
    """Return a handler that asks `hooks` first, in order: the first that returns a decision has decided."""

    def ask(request: Request) -> Decision | Awaitable[Decision]:
        for number, hook in enumerate(hooks, 1):
            decision = hook(request)
            if isinstance(decision, Awaitable):
                return ask_later(request, decision, number)
            if decision is not None:
                return decision
        return handler(request)

    async def ask_later(request: Request, pending: Awaitable[Any], number: int) -> Decision:
        decision = await pending
        for hook in hooks[number:]:
            if decision is not None:
                break
            decision = await _settled(hook(request))
        answer: Decision = await _settled(handler(request)) if decision is None else decision
        return answer

    return ask


async def _settled(decision: Any) -> Any:
    return await decision if isinstance(decision, Awaitable) else decision
