"""Routing: which handler gets a request."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from slbroker.plugin.reply import Drop, Reply
from slbroker.sip.grammar import is_token

if TYPE_CHECKING:
    from slbroker.plugin.request import Request

Decision: TypeAlias = Reply | Drop | Sequence[Reply]
Handler: TypeAlias = "Callable[[Request], Decision | Awaitable[Decision]]"
AnyHandler = TypeVar("AnyHandler", bound="Callable[[Request], Decision | Awaitable[Decision]]")
Matcher: TypeAlias = Callable[[str], object]

# Never answered without being asked for: the edge hands these out only to workers whose plugin has a handler for them.
ASKED_FOR: Final = (b"ACK", b"CANCEL")


class Route(NamedTuple):
    """A handler, and what the Request-URI must look like for it; None matches anything."""

    handler: Handler
    user: Matcher | None
    domain: Matcher | None

    def matches(self, request: Request) -> bool:
        """Return whether `request` is for this handler."""
        uri = request.uri
        return (self.user is None or bool(self.user(uri.user or ""))) and (
            self.domain is None or bool(self.domain(uri.host or ""))
        )


class Handlers:
    """A plugin: handlers, each for some methods and Request-URIs. Of those that match, the first declared is called."""

    def __init__(self) -> None:
        self._by_method: dict[bytes, list[Route]] = {}
        self._otherwise: Handler | None = None

    def on(
        self, *methods: str, user: str | None = None, domain: str | None = None
    ) -> Callable[[AnyHandler], AnyHandler]:
        """Declare a handler, `def` or `async def`, for requests with one of `methods`.

        `user` and `domain` are shell patterns ("900*", "*.example.com") for the Request-URI's user (case-sensitive)
        and host (not). Raises ValueError for no method, or one that is no token.
        """
        if not methods or not all(isinstance(method, str) and is_token(method.encode()) for method in methods):
            raise ValueError(f"on() wants SIP methods, such as on('OPTIONS'), not {methods!r}")

        def declare(handler: AnyHandler) -> AnyHandler:
            route = Route(handler, _matcher(user), _matcher(domain and domain.lower()))
            for method in methods:
                self._by_method.setdefault(method.encode(), []).append(route)
            return handler

        return declare

    def otherwise(self, handler: AnyHandler) -> AnyHandler:
        """Declare the handler for every request that no other one matches. Raises ValueError for a second one."""
        if self._otherwise is not None:
            raise ValueError("there is an @app.otherwise handler already")
        self._otherwise = handler
        return handler

    def find(self, request: Request) -> Handler | None:
        """Return the handler for `request`, or None. ACK and CANCEL never fall to the `otherwise` handler."""
        method = request.message.method
        for route in self._by_method.get(method, ()):
            if (route.user is None and route.domain is None) or route.matches(request):
                return route.handler
        return None if method in ASKED_FOR else self._otherwise

    @property
    def methods(self) -> list[bytes]:
        """Return the methods that have handlers of their own, in order of declaration."""
        return list(self._by_method)

    @property
    def takes(self) -> list[bytes]:
        """Return which of ACK and CANCEL the edge should hand out."""
        return [method for method in ASKED_FOR if method in self._by_method]


def _matcher(pattern: str | None) -> Matcher | None:
    """Return a test for a shell pattern: equality where nothing in it is special, for that is the usual case."""
    if pattern is None:
        return None
    if not set("*?[") & set(pattern):
        return pattern.__eq__
    return re.compile(fnmatch.translate(pattern)).match
