"""Small pieces that plugins are put together from: hooks for `app.before`, and a handler for OPTIONS."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from slbroker.plugin.arguments import as_several
from slbroker.plugin.intruders import tell_of_scanner
from slbroker.plugin.match import any_of, header_test, several, user_test
from slbroker.plugin.reply import DROP, Reply
from slbroker.sip.media import media_type
from slbroker.sip.retryafter import RetryAfter
from slbroker.sip.uri import text
from slbroker.sip.validate import Checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.plugin.arguments import Words
    from slbroker.plugin.kinds import Decision
    from slbroker.plugin.match import Patterns, Test
    from slbroker.plugin.request import Request

# What scanners and flooders call themselves when nobody has told them not to.
SCANNERS: Final = (
    "*friendly-scanner*", "*friendly-request*", "*sipvicious*", "*sipcli*", "*sip-scan*", "*sundayddr*",
    "*VaxSIPUserAgent*", "*pplsip*", "*siparmyknife*",
)  # fmt: skip
_split_lines = re.compile(rb"\r\n|\n|\r").split
_MAX_SDP_LINES: Final = 256  # looked at; what scanners leave is in the first ones


def keepalive(accept: str = "application/sdp", allow: Words = (), supported: Words = ()) -> Callable[[Request], Reply]:
    """Return a handler for OPTIONS: 200 with what can be done here (RFC 3261 11.2); pings want nothing but the 200."""
    headers = {"Accept": accept}
    for name, values in (("Allow", allow), ("Supported", supported)):
        if joined := ", ".join(as_several(values)):
            headers[name] = joined
    return lambda request: request.reply(200, headers=headers)


def maintenance(
    active: Callable[[], object] | str | Path | bool = True,
    retry_after: int | str = "60-90",
    reason: str = "Service Unavailable",
    exempt: Words = (),
) -> Callable[[Request], Reply | None]:
    """Return a hook that answers 503 with Retry-After (RFC 3261 21.5.4) to all that can be answered.

    `active` is a function that says whether, or a file: while it exists. `exempt` are methods that are served on: BYE,
    so that calls can end; or OPTIONS, if dispatchers are to keep sending. `retry_after` is in seconds: 60, or a range
    such as "60-90", of which each call gets a figure of its own, lest all come back together; "off" for none. Raises
    ValueError for another.
    """
    again = RetryAfter.read(str(retry_after))
    if isinstance(active, str | Path):
        is_active: Callable[[], object] = Path(active).exists
    else:
        is_active = active if callable(active) else lambda: active
    served = frozenset(("ACK", "CANCEL", *as_several(exempt)))

    def hook(request: Request) -> Reply | None:
        if request.method in served or not is_active():
            return None
        headers = {"Retry-After": str(again.seconds(request.message.call_id))} if again.high else None
        return request.reply(503, reason, headers)

    return hook


def judge(*names: str, supported: Words = (), max_body: int | None = None) -> Callable[[Request], None]:
    """Return a hook that makes checks of the edge in the worker, by their names in docs/checks.md.

    For one plugin's requests in place of all that an edge serves. What does not pass is answered as there: 483, 420,
    400. Raises ValueError for a name that is no check.
    """
    checks = Checks(frozenset(names), frozenset(tag.lower().encode() for tag in as_several(supported)), max_body)

    def hook(request: Request) -> None:
        message = request.message
        if message.method != b"ACK":
            for header, check in checks.by_header:
                if header == b"from" or message.first(header) is not None:  # each request has From
                    check(message, checks)

    return hook


def screen(
    user_agents: Patterns = SCANNERS,
    headers: Words = (),
    sdp: Patterns = (),
    users: Patterns = (),
    answer: Decision = DROP,
) -> Callable[[Request], Decision | None]:
    """Return a hook that gives scanners `answer`: silence, for any reply tells them that somebody is here.

    A request is a scanner's when one rule holds: its User-Agent matches one of `user_agents`, a header one of `headers`
    ("Name: pattern"), a line of its SDP one of `sdp` ("s=*scan*"), the Request-URI's user one of `users`. Patterns are
    shell patterns, in any case but for users. A User-Agent is what its sender says: it keeps away only those who are
    lazy.
    """
    tests: list[Test] = [header_test(one) for one in as_several(headers)]
    if agents := several(user_agents):
        matches_agent = any_of(agents, any_case=True)
        tests.insert(0, lambda request: any(matches_agent(text(one)) for one in request.message.all(b"user-agent")))
    if lines := several(sdp):
        matches_line = any_of(lines, any_case=True)
        tests.append(lambda request: any(map(matches_line, sdp_lines(request))))
    if wanted := several(users):
        tests.append(user_test(wanted))

    def hook(request: Request) -> Decision | None:
        if not any(test(request) for test in tests):
            return None
        tell_of_scanner(request)
        return answer

    return hook


def sdp_lines(request: Request) -> list[str]:
    """Return the first lines of an SDP body, [] where there is none.

    A body without a type, and one in parts, may hold SDP, too: whoever answers it looks for that.
    """
    types = [media_type(value) for value in request.message.all(b"content-type")] or [""]
    if not any(one in ("", "application/sdp") or one.startswith("multipart/") for one in types):
        return []
    return [text(line) for line in _split_lines(request.body, maxsplit=_MAX_SDP_LINES)[:_MAX_SDP_LINES]]
