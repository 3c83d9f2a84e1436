"""What a plugin declares of its decisions: which are good for others too, for how long, and what stands against it."""

from __future__ import annotations

import functools
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from slbroker.plugin.guard import title_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from slbroker.plugin.kinds import Handler
    from slbroker.plugin.request import Request
    from slbroker.plugin.routing import Route


class Remembering:
    """The declarations of one plugin."""

    def __init__(self) -> None:
        self.by_otherwise: float | None = None  # seconds that the `otherwise` handler's decisions are good for
        self.by_hooks = False  # hooks before the handlers have their decisions remembered
        self.by_wish = False  # a handler has had one remembered without being declared so
        self.tells_acks = False  # a handler of absorbed ACKs wants to have made the replies that they are for
        self._effects: list[tuple[str, object]] = []  # hooks that want to see every reply, and how they were declared
        self._seconds: dict[int, float] = {}  # by the id of a handler as it is found

    def note_effect(self, declared: str, hook: object, *, remembered: bool) -> None:
        """Take note of a hook that sees replies; with `remembered` it is content not to see all."""
        if not remembered:
            self._effects.append((declared, hook))

    def forget(self) -> None:
        """Forget which handlers are found: they will be made anew."""
        self._seconds = {}

    def name(self, handler: Handler, seconds: float | None) -> Handler:
        """Return `handler` as one of its own, of which it is known for how long its decisions are good."""
        if not seconds:
            return handler
        named = functools.partial(handler)
        self._seconds[id(named)] = seconds  # who keeps it keeps this
        return named

    def seconds_of(self, handler: Handler) -> float | None:
        """Return for how many seconds the decisions of a handler that was found are good.

        None where they are not remembered; 0 where only those are for which it is said when they are made.
        """
        return self._seconds.get(id(handler)) or (0.0 if self.by_wish or self.by_hooks else None)

    def wanted(self, routes: Mapping[bytes, Iterable[Route]]) -> list[bytes]:
        """Return the methods of which decisions are to be remembered, b"" for all of them."""
        if self.by_wish or self.by_hooks or self.by_otherwise:
            return [b""]
        return [method for method, some in routes.items() if any(route.remember for route in some)]

    def methods(self, routes: Mapping[bytes, Iterable[Route]]) -> list[bytes]:
        """Return those of which they can be."""
        return [method for method in self.wanted(routes) if not self.why_unfit(method)]

    def slips(self, routes: Mapping[bytes, Iterable[Route]]) -> list[str]:
        """Return what keeps decisions from being remembered that are to be, in words."""
        methods = {method if method else b"INVITE" for method in self.wanted(routes)}
        why = dict.fromkeys(reason for method in sorted(methods) if (reason := self.why_unfit(method)))
        return [f"decisions are not remembered: {reason}" for reason in why]

    def why_unfit(self, method: bytes) -> str:
        """Return why no decision about this method is remembered, in words; "" where there is no such reason."""
        if method == b"INVITE" and self.tells_acks:
            return "@app.filtered_ack is told of its ACK: say @app.filtered_ack(remembered=True), if it need not be"
        return self.spoiled_by

    @property
    def spoiled_by(self) -> str:
        """Return which hook wants to see every reply, so that none is remembered; "" where there is none."""
        if not self._effects:
            return ""
        declared, hook = self._effects[0]
        return f"{declared} {title_of(hook)} is to see every reply: say {declared}(remembered=True), if it need not"


def deciding(hook: Callable[[Request], Any], seconds: float) -> Callable[[Request], Any]:
    """Return a hook whose decisions are good for so many seconds."""

    @functools.wraps(hook)
    def ask(request: Request) -> Any:
        decision = hook(request)
        if isinstance(decision, Awaitable):
            return ask_later(request, decision)
        if decision is not None:
            request.declared_for(seconds)
        return decision

    async def ask_later(request: Request, pending: Awaitable[Any]) -> Any:
        decision = await pending
        if decision is not None:
            request.declared_for(seconds)
        return decision

    return ask
