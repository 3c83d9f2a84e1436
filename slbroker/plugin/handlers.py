"""What a plugin declares: handlers, hooks and settings."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final, overload

from slbroker.bus.envelope import FILTERED_ACK, FORWARDED_REPLY
from slbroker.plugin.arguments import check_remembered
from slbroker.plugin.declared import check_function, check_methods, note_declared, where
from slbroker.plugin.guard import Guarded, behind, guard, name_of, title_of
from slbroker.plugin.onreply import asking
from slbroker.plugin.remembering import Remembering, deciding
from slbroker.plugin.reply import Drop, Reply
from slbroker.plugin.routing import Route, Table, make_route
from slbroker.plugin.settings import Settings
from slbroker.plugin.unmatched import ASKED_FOR, drop, is_ping
from slbroker.sip.grammar import METHODS
from slbroker.sip.uri import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.plugin.arguments import Words
    from slbroker.plugin.kinds import (
        After,
        AnyAfter,
        AnyBefore,
        AnyEvent,
        AnyHandler,
        AnyHook,
        AnyOnReply,
        Event,
        Handler,
        Hook,
    )  # fmt: skip
    from slbroker.plugin.match import Patterns
    from slbroker.plugin.request import Request
    from slbroker.sip.slerrors import ErrorTable

NOBODY: Final = "none"  # in place of a handler's name
_TOLD: Final = (FILTERED_ACK, FORWARDED_REPLY)  # what is no request of anybody's: no before hook is asked


class Handlers:
    """A plugin: handlers, each for some requests. Of those that match, the first declared is called.

    The arguments are those of `Settings`; raises ValueError as it does.
    """

    def __init__(
        self,
        *,
        default_code: int = 500,
        default_reason: str = "Internal Server Error",
        errors: ErrorTable = "kamailio",
        provisional: bool = True,
        timeout: float | None = None,
        on_timeout: Reply | Drop | None = None,
        keepalive: bool = True,
    ) -> None:
        self.settings = Settings(default_code, default_reason, errors, provisional, timeout, on_timeout, keepalive)
        self._slips: list[str] = []
        self._place = where()
        self._by_method: dict[bytes, list[Route]] = {}
        self._otherwise: Handler | None = None
        self._before: list[Any] = []
        self.remembering = Remembering()
        self.after_hooks: list[After] = []
        self.local_response_hooks: list[Event] = []
        self.startup_hooks: list[Hook] = []
        self.shutdown_hooks: list[Hook] = []
        # Made when the first request asks, again after a declaration: what handles the methods that need no look at the
        # request, and the tables of the others.
        self._direct: dict[bytes, Handler] = {}
        self._rest: Handler = self._refuse
        self._tables: dict[bytes, Table] = {}
        self._titles: dict[Handler, str] = {}  # the names of what is found
        self._is_ready = False

    # Handlers ---------------------------------------------------------------------------------------------------

    def on(
        self,
        *methods: str,
        user: Patterns | None = None,
        domain: Patterns | None = None,
        source: Words | None = None,
        transport: Words | None = None,
        header: Words | None = None,
        timeout: float | None = None,
        limit: int | None = None,
        remember: float | None = None,
    ) -> Callable[[AnyHandler], AnyHandler]:
        """Declare a handler, `def` or `async def`, for requests with one of `methods`; what else is given must hold.

        `user` and `domain` are shell patterns ("900*", "*.example.com") or compiled regular expressions for the
        Request-URI's user (case-sensitive) and host (not); of several, one must match. `source` is an address or
        network ("192.0.2.0/24"), `transport` one of udp, tcp, tls, ws, wss; or several of them. `header` is "Name" or
        "Name: pattern" (in any case); of several, all must hold. For an `async def`, `timeout` is in seconds and
        `limit` how many calls run at once: see `guard.Guarded`. `remember` is for how many seconds edges may say again
        what was decided, to requests that are alike in all that was read for it (docs/remember.md). Raises ValueError
        for what cannot be, no method, a handler that cannot be called with a request.
        """
        if remember is not None:
            check_remembered("remember", remember)
        self._slips += [f"{where()}: {slip}" for slip in check_methods(methods)]

        def declare(handler: AnyHandler) -> AnyHandler:
            check_function(handler, "@app.on", "request")
            route = make_route(guard(handler, timeout, limit), user, domain, source, transport, header)
            route = route._replace(remember=remember)
            for method in methods:
                self._by_method.setdefault(method.encode(), []).append(route)
            note_declared(handler)
            self._changed()
            return handler

        return declare

    @overload
    def otherwise(self, handler: AnyHandler) -> AnyHandler: ...
    @overload
    def otherwise(self, *, remember: float) -> Callable[[AnyHandler], AnyHandler]: ...
    @overload
    def otherwise(self, handler: AnyHandler, *, remember: float) -> AnyHandler: ...
    def otherwise(self, handler: Any = None, *, remember: float | None = None) -> Any:
        """Declare the handler for every request that no other one matches; `remember` is as in `on`.

        Raises ValueError for a second one.
        """
        if handler is None and remember is not None:
            return functools.partial(self.otherwise, remember=remember)
        if remember is not None:
            check_remembered("remember", remember)
        if self._otherwise is not None:
            raise ValueError("there is an @app.otherwise handler already")
        check_function(handler, "@app.otherwise", "request")
        note_declared(handler)
        self._otherwise = guard(handler, None, None)
        self.remembering.by_otherwise = remember
        self._changed()
        return handler

    # Hooks ------------------------------------------------------------------------------------------------------

    @overload
    def before(self, hook: AnyBefore) -> AnyBefore: ...
    @overload
    def before(self, *, remember: float) -> Callable[[AnyBefore], AnyBefore]: ...
    @overload
    def before(self, hook: AnyBefore, *, remember: float) -> AnyBefore: ...
    def before(self, hook: Any = None, *, remember: float | None = None) -> Any:
        """Declare what is asked before any handler, in order of declaration: a decision ends it, None goes on.

        `remember` is for how many seconds its decisions are good, whatever the handler behind it says of its own.
        """
        if hook is None and remember is not None:
            return functools.partial(self.before, remember=remember)
        check_function(hook, "@app.before", "request")
        note_declared(hook)
        if remember is not None:
            check_remembered("remember", remember)
            self.remembering.by_hooks |= remember > 0
        self._before.append(hook if remember is None else deciding(hook, remember))
        self._changed()
        return hook

    @overload
    def after(self, hook: AnyAfter) -> AnyAfter: ...
    @overload
    def after(self, *, remembered: bool) -> Callable[[AnyAfter], AnyAfter]: ...
    def after(self, hook: Any = None, *, remembered: bool = False) -> Any:
        """Declare what is shown each reply before it is built, error replies too; it may return another one.

        With `remembered` it is content not to see those that an edge says again. Without, nothing is remembered.
        """
        if hook is None and remembered:
            return functools.partial(self.after, remembered=remembered)
        check_function(hook, "@app.after", "request", "reply", waits=False)
        self.remembering.note_effect("@app.after", hook, remembered=remembered)
        self.after_hooks.append(hook)
        return hook

    def startup(self, hook: AnyHook) -> AnyHook:
        """Declare a function, `def` or `async def`, that each worker calls before it serves: for a database pool."""
        check_function(hook, "@app.startup")
        self.startup_hooks.append(hook)
        return hook

    def shutdown(self, hook: AnyHook) -> AnyHook:
        """Declare what each worker calls when it has answered all; the last declared first."""
        check_function(hook, "@app.shutdown")
        self.shutdown_hooks.append(hook)
        return hook

    @overload
    def local_response(self, hook: AnyEvent) -> AnyEvent: ...
    @overload
    def local_response(self, *, remembered: bool) -> Callable[[AnyEvent], AnyEvent]: ...
    def local_response(self, hook: Any = None, *, remembered: bool = False) -> Any:
        """Declare what is told of each reply when it has left the worker: `event_route[sl:local-response]`.

        The edge sends it a moment later. Replies that edges make themselves (503, 500, 400) never come here.
        `remembered` is as in `after`.
        """
        if hook is None and remembered:
            return functools.partial(self.local_response, remembered=remembered)
        check_function(hook, "@app.local_response", "request", "reply", waits=False)
        self.remembering.note_effect("@app.local_response", hook, remembered=remembered)
        self.local_response_hooks.append(hook)
        return hook

    @overload
    def filtered_ack(self, handler: AnyHandler) -> AnyHandler: ...
    @overload
    def filtered_ack(self, *, remembered: bool) -> Callable[[AnyHandler], AnyHandler]: ...
    def filtered_ack(self, handler: Any = None, *, remembered: bool = False) -> Any:
        """Declare what is told of each ACK that an edge absorbs: `event_route[sl:filtered-ack]`. Nothing is answered.

        One worker that asks is told, a moment after the ACK was absorbed; one that is too busy may not be told at all.
        `before` hooks are not asked: there is nothing to decide. With `remembered` it is content with ACKs to replies
        that an edge has said again; without, none to an INVITE are remembered. Raises ValueError for a second one.
        """
        if handler is None and remembered:
            return functools.partial(self.filtered_ack, remembered=remembered)
        if FILTERED_ACK in self._by_method:
            raise ValueError("there is an @app.filtered_ack handler already")
        check_function(handler, "@app.filtered_ack", "request")
        note_declared(handler)
        self.remembering.tells_acks = not remembered
        route = make_route(guard(handler, None, None), None, None, None, None, None)
        self._by_method.setdefault(FILTERED_ACK, []).append(route)
        self._changed()
        return handler

    def on_reply(self, hook: AnyOnReply) -> AnyOnReply:
        """Declare what is asked of each reply that goes back to who sent a forwarded request: `onreply_route`.

        It is given a `ForwardedReply`, and returns its `forward(...)`, its `drop()`, or None: as it is. While it fails,
        or no worker answers in time, replies go back as they are. `before` hooks are not asked. Raises ValueError for a
        second one.
        """
        if FORWARDED_REPLY in self._by_method:
            raise ValueError("there is an @app.on_reply handler already")
        check_function(hook, "@app.on_reply", "reply")
        note_declared(hook)
        self._by_method[FORWARDED_REPLY] = [make_route(asking(hook), None, None, None, None, None)]
        self._changed()
        return hook

    # Finding ----------------------------------------------------------------------------------------------------

    def find(self, request: Request) -> Handler:
        """Return what answers `request`; there is always something.

        ACK and CANCEL never fall to `otherwise`: what no handler matches of these goes where the edge's --pass leads.
        """
        method = request.item.method
        handler = self._direct.get(method)
        if handler is not None:
            return handler
        table = self._tables.get(method)
        if table is not None:
            return table.find(request)
        if not self._is_ready:
            self._make_ready()
            return self.find(request)
        return self._rest  # a method that nobody knows

    def route_of(self, request: Request) -> Route | None:
        """Return the route of `request`, None where the `otherwise` handler, or nobody, takes it."""
        routes = self._by_method.get(request.message.method)
        return Table(routes, drop).route(request) if routes else None

    def describe(self, request: Request) -> str:
        """Return the name of the handler that `request` is for, and where it stands; "none" where there is none."""
        route = self.route_of(request)
        if route is not None:
            handler: Handler | None = route.handler
        else:
            handler = None if request.message.method in ASKED_FOR else self._otherwise
        if handler is None:
            return "the keepalive that each plugin has" if self._answers_ping(request) else "none"
        return title_of(inspect.unwrap(unwrapped(handler)))

    def suspects(self, request: Request) -> str:
        """Return, for a complaint, who may have decided what becomes of `request`."""
        return f"{self.describe(request)}{', or a before hook,' if self._before else ''}"

    @property
    def has_otherwise(self) -> bool:
        """Return whether there is a handler for what no route matches."""
        return self._otherwise is not None

    def _changed(self) -> None:
        self._direct, self._tables, self._titles, self._is_ready = {}, {}, {}, False
        self.remembering.forget()

    def _make_ready(self) -> None:
        """Build the tables, with the hooks before each handler."""
        self._rest = rest = self._ready(self._otherwise or self._refuse, self.remembering.by_otherwise)
        if self._otherwise is None:
            self._titles[rest] = NOBODY
        direct: dict[bytes, Handler] = dict.fromkeys(METHODS, rest) | ASKED_FOR
        for method, routes in self._by_method.items():
            fallback = direct.pop(method, rest)
            hooked = [
                route._replace(handler=self._ready(route.handler, route.remember, told=method in _TOLD))
                for route in routes
            ]
            self._tables[method] = Table(hooked, fallback)
            if hooked[0].is_open:
                direct[method] = hooked[0].handler
        self._direct, self._is_ready = direct, True

    def _ready(self, handler: Handler, remember: float | None, *, told: bool = False) -> Handler:
        """Return what is called for a handler: behind the hooks, and one that can be counted by."""
        ready = handler if told else self.remembering.name(self._hooked(handler), remember)
        if type(ready).__hash__ is None:
            ready = functools.partial(ready)
        self._titles[ready] = name_of(inspect.unwrap(unwrapped(handler)))
        return ready

    def title_of(self, handler: Handler) -> str:
        """Return the name of a handler that `find` has returned, NOBODY for what the plugin itself says."""
        return self._titles.get(handler, NOBODY)

    def _hooked(self, handler: Handler) -> Handler:
        return behind(tuple(self._before), handler) if self._before else handler

    def _refuse(self, request: Request) -> Reply:
        """Answer what no handler matched.

        That is 200 to a ping; else 404 when the method has handlers, else 405 (RFC 3261 8.2.1), or 501 for one nobody
        knows (21.5.2).
        """
        method = request.message.method
        allow = ", ".join(text(method) for method in self._allowed)
        if self._answers_ping(request):
            return Reply(200, headers={"Accept": "application/sdp", "Allow": allow})
        if method in self._by_method:
            return Reply(404)
        return Reply(405 if method in METHODS else 501, headers={"Allow": allow})

    def _answers_ping(self, request: Request) -> bool:
        """Return whether a request without a handler asks whether this server is there, and is to be told so."""
        return self.settings.keepalive and is_ping(request)

    @property
    def remembered_methods(self) -> list[bytes]:
        """Return the methods of which decisions may be remembered, b"" for all of them; [] where none are."""
        return self.remembering.methods(self._by_method)

    @property
    def slips(self) -> list[str]:
        """Return what is likely a mistake in the plugin, a line each, with file and line; [] where nothing is."""
        if self._by_method or self._otherwise or self._before:
            spoiled = self.remembering.slips(self._by_method)
            return [*self._slips, *(f"{self._place}: {words}" for words in spoiled)]
        return [*self._slips, f"{self._place}: no handlers; a request gets 405, a ping {self.pings}: use @app.on"]

    @property
    def _allowed(self) -> list[bytes]:
        """Return the methods that are answered with more than a refusal."""
        extra = [b"OPTIONS"] if self.settings.keepalive and b"OPTIONS" not in self._by_method else []
        return self.methods + extra

    @property
    def pings(self) -> str:
        """Return, for people, what an OPTIONS that asks for this server itself meets."""
        if b"OPTIONS" in self._by_method:
            return "a handler"
        if self._otherwise is not None:
            return "the otherwise handler, and a dispatcher wants 200"
        return "200" if self.settings.keepalive else "405"

    @property
    def methods(self) -> list[bytes]:
        """Return the methods that have handlers of their own, in order of declaration."""
        return [method for method in self._by_method if method not in _TOLD]

    @property
    def takes(self) -> list[bytes]:
        """Return which of ACK, CANCEL, absorbed ACKs and replies on their way back the edge should hand out."""
        return [method for method in ASKED_FOR if method in self._by_method]


def unwrapped(handler: Handler) -> Handler:
    """Return the plugin's own function behind what `on` has put around it."""
    return handler.handler if isinstance(handler, Guarded) else handler
