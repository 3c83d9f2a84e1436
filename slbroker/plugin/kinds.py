"""The functions that plugins are made of, by what they take and return."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from slbroker.plugin.reply import Drop, Reply
from slbroker.proxy.decision import Forward

if TYPE_CHECKING:
    from slbroker.plugin.onreply import ForwardedReply
    from slbroker.plugin.request import Request
    from slbroker.proxy.decision import Amended

Decision: TypeAlias = Reply | Drop | Forward | Sequence[Reply]
Handler: TypeAlias = "Callable[[Request], Decision | Awaitable[Decision]]"
AnyHandler = TypeVar("AnyHandler", bound="Callable[[Request], Decision | Awaitable[Decision]]")
# Asked before a handler; returns a decision, or None to let the request pass.
AnyBefore = TypeVar("AnyBefore", bound="Callable[[Request], Decision | None | Awaitable[Decision | None]]")
# Shown each reply before it is built; returns another one, or None to let it be.
After: TypeAlias = "Callable[[Request, Reply], Reply | None]"
AnyAfter = TypeVar("AnyAfter", bound="Callable[[Request, Reply], Reply | None]")
# Told of each reply that has left the worker.
Event: TypeAlias = "Callable[[Request, Reply], object]"
AnyEvent = TypeVar("AnyEvent", bound="Callable[[Request, Reply], object]")
# Asked of each reply on its way back; returns what becomes of it, or None to let it be.
AnyOnReply = TypeVar(
    "AnyOnReply", bound="Callable[[ForwardedReply], Amended | Drop | None | Awaitable[Amended | Drop | None]]"
)
Hook: TypeAlias = Callable[[], object]
AnyHook = TypeVar("AnyHook", bound=Callable[[], object])
