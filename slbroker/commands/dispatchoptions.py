"""The options that say how an edge hands requests out, and what it does with those that no worker answers."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final

import click

from slbroker.bus.routes import Route, read_pool
from slbroker.commands.options import NumberRange, WordType, option
from slbroker.config import USUAL_POLICIES, DispatchSettings, Policies, parse_listen_address, read_server
from slbroker.errors import ConfigError
from slbroker.sip.retryafter import RetryAfter

if TYPE_CHECKING:
    from collections.abc import Callable

_USUAL: Final = DispatchSettings()
_SILENCE: Final = "drop"
_match_percent = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?", re.ASCII).fullmatch


class RouteType(WordType):
    """Which requests go to which pool."""

    name = "'pool=NAME WORD=...'"

    def read(self, text: str) -> Route:
        """Return the route, its socket's name as the edge writes it: not as with `*` or a missing port."""
        route = Route.read(text)
        return route if route.listen is None else route._replace(listen=str(parse_listen_address(route.listen)))


class ShadowType(WordType):
    """A pool that gets copies, and of how many calls in a hundred."""

    name = "pool[:percent]"

    def read(self, text: str) -> tuple[str, float]:
        """Return pool and percent; raises ConfigError."""
        pool, colon, share = text.partition(":")
        percent = float(share) if _match_percent(share) else 0.0 if colon else 100.0
        if not 0 < percent <= 100:
            raise ConfigError(f"--shadow {text!r}: write POOL, or POOL:PERCENT such as next:10")
        return read_pool(pool), percent


class RetryAfterType(WordType):
    """Seconds, a range of them, or none."""

    name = "seconds|from-to|off"

    def read(self, text: str) -> RetryAfter:
        """Return what the header is to hold; raises ConfigError."""
        try:
            return RetryAfter.read(text)
        except ValueError as error:
            raise ConfigError(f"--retry-after {error}") from None


class ServerType(WordType):
    """The value of a Server header."""

    name = "text|off"

    def read(self, text: str) -> str:
        """Return the value, "" for none; raises ConfigError."""
        return read_server(text)


_handler_timeout = option(
    "--handler-timeout",
    type=NumberRange(0.01, 3600),
    default=_USUAL.handler_timeout,
    show_default=True,
    help="Seconds that a worker may keep a request; another worker gets it then.",
)
_worker_liveness = option(
    "--worker-liveness",
    type=NumberRange(1, 3600),
    default=_USUAL.liveness,
    show_default=True,
    help="Seconds after which a silent worker is given up; one whose handler blocks is silent meanwhile.",
)
_tries = option(
    "--tries",
    type=click.IntRange(1, 100),
    default=_USUAL.max_tries,
    show_default=True,
    help="Workers that get a request, one after the other, before it fails.",
)
_on_failure = option(
    "--on-failure",
    type=click.Choice(["500", _SILENCE]),
    default="500",
    show_default=True,
    help="What a request gets that no worker has answered.",
)
_max_waiting = option(
    "--max-waiting",
    type=click.IntRange(0, 1_000_000),
    default=_USUAL.max_waiting,
    show_default=True,
    help="Requests that wait while all workers have as many as they take; for each pool.",
)
_max_wait = option(
    "--max-wait",
    type=NumberRange(0.01, 60),
    default=_USUAL.max_wait,
    show_default=True,
    help="Seconds that one waits.",
)
_overload = option(
    "--overload",
    type=click.Choice(["503", _SILENCE]),
    default="503",
    show_default=True,
    help="What a request gets that no worker takes in time.",
)
_overload_budget = option(
    "--overload-budget",
    type=NumberRange(0, 1_000_000),
    default=USUAL_POLICIES.overload_budget,
    show_default=True,
    help="503s a second at most; beyond it there is silence.",
)
_retry_after = option(
    "--retry-after",
    type=RetryAfterType(),
    metavar="SECONDS|FROM-TO|off",
    default=str(USUAL_POLICIES.retry_after),
    show_default=True,
    help="Retry-After of these 503s: of a range, each call gets a figure of its own, lest all come back together.",
)
_server = option(
    "--server",
    type=ServerType(),
    metavar="TEXT|off",
    default="off",
    show_default=True,
    help="Server header of every reply, but of those whose handler gives one.",
)
_drain_notice = option(
    "--drain-notice",
    type=NumberRange(0, 3600),
    default=USUAL_POLICIES.drain_notice,
    show_default=True,
    help="Seconds for which SIGTERM lets the edge serve on with 503 to OPTIONS, so that dispatchers take it out.",
)
_route = option(
    "--route",
    type=RouteType(),
    multiple=True,
    metavar="'pool=NAME WORD=...'",
    help="Pool for the requests that match all words: method=INVITE,BYE user=900* domain=*.example.com"
    " listen=udp:...; weights: pool=default:95,canary:5. The first that matches counts; repeatable.",
)
_shadow = option(
    "--shadow",
    type=ShadowType(),
    metavar="POOL[:PERCENT]",
    help="Pool that gets a copy of the requests; its replies are compared and counted, never sent.",
)


def dispatching(function: Callable[..., Any]) -> Any:
    """Add the options that an edge has in any case; the command gets them as `dispatch` and `policies`."""

    @_handler_timeout
    @_worker_liveness
    @_tries
    @_on_failure
    @_max_waiting
    @_max_wait
    @_overload
    @_overload_budget
    @_retry_after
    @_drain_notice
    @_server
    @functools.wraps(function)
    def gather(
        *,
        handler_timeout: float,
        worker_liveness: float,
        tries: int,
        on_failure: str,
        max_waiting: int,
        max_wait: float,
        overload: str,
        overload_budget: float,
        retry_after: RetryAfter,
        drain_notice: float,
        server: str,
        **rest: Any,
    ) -> Any:
        settings = DispatchSettings(
            max_waiting=max_waiting,
            max_wait=max_wait,
            handler_timeout=handler_timeout,
            max_tries=tries,
            liveness=worker_liveness,
        )
        policies = Policies(
            overload_budget=0.0 if overload == _SILENCE else overload_budget,
            answer_failures=on_failure != _SILENCE,
            drain_notice=drain_notice,
            retry_after=retry_after,
            server=server,
        )
        return function(**rest, dispatch=settings, policies=policies)

    return gather


def routing(function: Callable[..., Any]) -> Any:
    """Add the options for more pools than one; the command gets them as `routes` and `shadow`."""

    @_route
    @_shadow
    @functools.wraps(function)
    def gather(*, route: tuple[Route, ...], shadow: tuple[str, float] | None, **rest: Any) -> Any:
        return function(**rest, routes=route, shadow=shadow)

    return gather
