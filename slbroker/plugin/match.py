"""What `@app.on` can ask of a request: patterns, networks, transports, headers; each becomes a test."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from slbroker.listen import TRANSPORTS
from slbroker.plugin.arguments import as_several
from slbroker.sip.grammar import canonical_name
from slbroker.sip.media import squeezed
from slbroker.sip.networks import Networks, read_networks
from slbroker.sip.uri import plain_host, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.patterns import Matcher
    from slbroker.plugin.arguments import Words
    from slbroker.plugin.request import Request

Pattern: TypeAlias = "str | re.Pattern[str]"
Patterns: TypeAlias = "Pattern | Iterable[Pattern]"
Test: TypeAlias = "Callable[[Request], object]"


def several(given: Patterns) -> tuple[Pattern, ...]:
    """Return what may be given as one or as several, as several; raise ValueError for what is no pattern."""
    if isinstance(given, str | re.Pattern):
        return (given,)
    patterns = tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(pattern, str | re.Pattern) for pattern in patterns):
        raise ValueError(f"patterns want text, such as '900*', or re.compile(...), not {given!r:.80}")
    return patterns


def any_of(patterns: Iterable[Pattern], *, any_case: bool = False) -> Matcher:
    """Return a test that one of `patterns` matches: a shell pattern the whole text, a compiled one perhaps a part."""
    given = list(patterns)
    shells = [fnmatch.translate(pattern) for pattern in given if isinstance(pattern, str)]
    matchers: list[Matcher] = [pattern.search for pattern in given if isinstance(pattern, re.Pattern)]
    if shells:
        matchers.append(re.compile("|".join(shells), re.IGNORECASE if any_case else 0).match)
    return matchers[0] if len(matchers) == 1 else lambda text: any(match(text) for match in matchers)


def user_test(patterns: Iterable[Pattern]) -> Test:
    """Return a test of the Request-URI's user, without its escapes; it is case-sensitive (RFC 3261 19.1.4)."""
    match = any_of(patterns)
    return lambda request: match(request.uri.decoded_user)


def domain_test(patterns: Iterable[Pattern]) -> Test:
    """Return a test of the Request-URI's host, in any case."""
    match = any_of(plain_host(p) if isinstance(p, str) else p for p in patterns)
    return lambda request: match(request.uri.host)


def source_test(source: Words) -> Test:
    """Return a test of the address a request came from; raise ValueError for what is no address or network."""
    networks = parse_networks(source)
    return lambda request: request.is_within(networks)


def parse_networks(source: Words) -> Networks:
    """Return networks as written: 192.0.2.0/24, 2001:db8::/32, 192.0.2.1; raise ValueError for anything else."""
    try:
        return read_networks(as_several(source))
    except ValueError as error:
        raise ValueError(f"source={source!r}: {error}; write 192.0.2.1 or 192.0.2.0/24") from None


def transport_test(transport: Words) -> Test:
    """Return a test of the transport; raise ValueError for one that there is not."""
    wanted = frozenset(as_several(transport))
    if not wanted or not wanted.issubset(TRANSPORTS):
        raise ValueError(f"transport={transport!r} is none of {', '.join(TRANSPORTS)}")
    return lambda request: request.source.transport in wanted


def header_test(written: str) -> Test:
    """Return a test of a header: `"Name"`, there is one; `"Name: pattern"`, one of its lines matches, in any case.

    RFC 3261 7.3.1 has the values of headers case-insensitive where it says nothing else; white space that means nothing
    makes no difference. Raises ValueError.
    """
    title, colon, pattern = written.partition(":")
    name = canonical_name(title.strip().encode())
    if not name:
        raise ValueError(f"header={written!r}: write 'Name' or 'Name: pattern'")
    if not colon:
        return lambda request: request.message.first(name) is not None
    match, match_squeezed = (any_of([form], any_case=True) for form in (pattern.strip(), squeezed(pattern)))
    return lambda request: any(
        match(value) or match_squeezed(squeezed(value)) for value in map(text, request.message.all(name))
    )
