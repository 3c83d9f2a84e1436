"""How an edge hands requests out, and what it does with those that no worker answers."""

from __future__ import annotations

import re
from typing import Final

from slbroker.bus.choice import ONWARD
from slbroker.bus.routes import Route, read_pool
from slbroker.errors import ConfigError
from slbroker.listen import parse_listen_address
from slbroker.option import Number, OneOf, Whole, Word, frozen, option
from slbroker.sip.retryafter import USUAL as USUAL_RETRY_AFTER
from slbroker.sip.retryafter import RetryAfter

MAX_SERVER: Final = 128  # characters of a Server header: it goes into every reply
_SILENCE: Final = "drop"
_match_percent = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?", re.ASCII).fullmatch


def read_route(text: str) -> Route:
    """Return the route, its socket's name as the edge writes it: not as with `*` or a missing port."""
    route = Route.read(text)
    return route if route.listen is None else route._replace(listen=str(parse_listen_address(route.listen)))


def read_shadow(text: str) -> tuple[str, float]:
    """Return the pool that gets copies, and of how many calls in a hundred; raise ConfigError."""
    pool, colon, share = text.partition(":")
    percent = float(share) if _match_percent(share) else 0.0 if colon else 100.0
    if not 0 < percent <= 100:
        raise ConfigError(f"--shadow {text!r}: write POOL, or POOL:PERCENT such as next:10")
    return read_pool(pool), percent


def read_retry_after(text: str) -> RetryAfter:
    """Return what the header is to hold; raise ConfigError."""
    try:
        return RetryAfter.read(text)
    except ValueError as error:
        raise ConfigError(f"--retry-after {error}") from None


def read_server(text: str) -> str:
    """Return the value of a Server header, "" for the word off; raise ConfigError for what cannot be one."""
    if text == "off":
        return ""
    if not text.strip() or not text.isprintable() or len(text) > MAX_SERVER:
        raise ConfigError(f"server {text!r:.80}: write one line of {MAX_SERVER} characters at most, or off")
    return text.strip()


# fmt: off
@frozen()
class DispatchSettings:
    """What an operator may set of the dispatcher; times in seconds."""

    handler_timeout: float = option("--handler-timeout", Number(0.01, 3600, "s"), default=5.0,
        help="Seconds that a worker may keep a request; another worker gets it then.")
    liveness: float = option("--worker-liveness", Number(1, 3600, "s"), default=10.0,
        help="Seconds after which a silent worker is given up; one whose handler blocks is silent meanwhile.")
    max_tries: int = option("--tries", Whole(1, 100), default=2,
        help="Workers that get a request, one after the other, before it fails.")
    max_waiting: int = option("--max-waiting", Whole(0, 1_000_000), default=4_096,
        help="Requests that wait while all workers have as many as they take; for each pool.")
    # SIP's T1, when an unanswered UDP client repeats itself
    max_wait: float = option("--max-wait", Number(0.01, 60, "s"), default=0.5, help="Seconds that one waits.")
    heartbeat: float = 0.25  # between two signs of life to every worker
    max_waiting_bytes: int = 16 * 1024 * 1024  # of SIP that waits for credit, for each pool


@frozen()
class Policies:
    """Where requests go, and what an edge does with those that no worker answers.

    `answer_failures` and `answer_overload` are False for silence, and ONWARD where these requests go on to the next
    hop; `overload_budget` is 0.0 for silence. `retry_after` is in each 503 of the edge's own. `shadow` is a pool that
    gets copies, and how many percent of the calls.
    """

    answer_failures: bool | str = option("--on-failure", OneOf({"500": True, ONWARD: ONWARD, _SILENCE: False}),
        default=True, help="What a request gets that no worker has answered; pass: it goes where --pass says.",
        after="--tries")
    answer_overload: bool | str = option("--overload", OneOf({"503": True, ONWARD: ONWARD, _SILENCE: False}),
        default=True, help="What a request gets that no worker takes in time; pass: it goes where --pass says.")
    overload_budget: float = option("--overload-budget", Number(0, 1_000_000, "per second"), default=2_000.0,
        help="503s a second at most; beyond it there is silence.")
    retry_after: RetryAfter = option("--retry-after", Word("seconds|from-to|off", read_retry_after),
        default=USUAL_RETRY_AFTER,
        help="Retry-After of these 503s: of a range, each call gets a figure of its own, lest all come back together.",
        metavar="SECONDS|FROM-TO|off")
    drain_notice: float = option("--drain-notice", Number(0, 3600, "s"), default=0.0,
        help="Seconds for which SIGTERM lets the edge serve on with 503 to OPTIONS, so that dispatchers take it out.")
    server: str = option("--server", Word("text|off", read_server), default="",
        help="Server header of every reply, but of those whose handler gives one.",
        word="off", metavar="TEXT|off")
    routes: tuple[Route, ...] = option("--route", Word("'pool=NAME WORD=...'", read_route), default=(),
        help="Pool for the requests that match all words: method=INVITE,BYE user=900* domain=*.example.com"
        " source=192.0.2.0/24 listen=udp:...; weights: pool=default:95,canary:5. With pass=sip:10.0.0.5 or"
        " pass=group:1 instead they go on and see no handler. The first that matches counts; repeatable.",
        many=True, metavar="'pool=NAME WORD=...'", example="pool=premium method=INVITE user=900*")
    shadow: tuple[str, float] | None = option("--shadow", Word("pool[:percent]", read_shadow), default=None,
        help="Pool that gets a copy of the requests; its replies are compared and counted, never sent.",
        metavar="POOL[:PERCENT]", example="next:10")

    def __post_init__(self) -> None:
        if not self.answer_overload:
            object.__setattr__(self, "overload_budget", 0.0)
# fmt: on


USUAL_POLICIES: Final = Policies()
