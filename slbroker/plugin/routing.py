"""From a request to its route: a table for exact values, a scan for patterns, in order of declaration."""

from __future__ import annotations

import heapq
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from slbroker.patterns import is_exact
from slbroker.plugin import match
from slbroker.plugin.arguments import as_several
from slbroker.sip.uri import plain_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from slbroker.plugin.arguments import Words
    from slbroker.plugin.kinds import Handler
    from slbroker.plugin.match import Pattern, Patterns, Test
    from slbroker.plugin.request import Request

Key: TypeAlias = "tuple[str | None, str | None]"
Row: TypeAlias = "tuple[int, Route]"
TestMaker: TypeAlias = "Callable[[Iterable[Pattern]], Test]"


class Route(NamedTuple):
    """A handler and what a request must be like for it.

    `users` and `domains` are exact values, which the table knows without a test; `tests` is what remains to be asked.
    `words` is how the route was declared; `remember` is for how many seconds what its handler decides is good, None
    where nothing was said.
    """

    handler: Handler
    users: tuple[str, ...]
    domains: tuple[str, ...]
    tests: tuple[Test, ...]
    words: str
    remember: float | None = None

    @property
    def is_open(self) -> bool:
        """Return whether it takes every request."""
        return not (self.users or self.domains or self.tests)

    @property
    def keys(self) -> Iterator[Key]:
        """Yield where in the table it stands: for each user and each domain, None where any will do."""
        for user in self.users or (None,):
            for domain in self.domains or (None,):
                yield user, domain


def make_route(
    handler: Handler,
    user: Patterns | None,
    domain: Patterns | None,
    source: Words | None,
    transport: Words | None,
    header: Words | None,
) -> Route:
    """Return the route that the arguments of `@app.on` describe; raise ValueError for one that cannot be."""
    given = {"user": user, "domain": domain, "source": source, "transport": transport, "header": header}
    words = " ".join(f"{name}={value}" for name, value in given.items() if value is not None)
    users, tests = _split(user, match.user_test)
    domains, domain_tests = _split(domain, match.domain_test)
    tests += domain_tests
    if source is not None:
        tests.append(match.source_test(source))
    if transport is not None:
        tests.append(match.transport_test(transport))
    if header is not None:
        tests += [match.header_test(one) for one in as_several(header)]
    return Route(handler, users, tuple(map(plain_host, domains)), tuple(tests), words)


def _split(given: Patterns | None, test: TestMaker) -> tuple[tuple[str, ...], list[Test]]:
    """Return the exact values, or a test: a pattern among them makes all a scan, which keeps them one route."""
    if given is None:
        return (), []
    patterns = match.several(given)
    if not patterns:
        raise ValueError("an empty list of patterns would match nothing")
    exact = tuple(pattern for pattern in patterns if isinstance(pattern, str) and is_exact(pattern))
    return (exact, []) if len(exact) == len(patterns) else ((), [test(patterns)])


class Table:
    """The routes of one method, for finding the first declared that matches.

    Routes with exact users or domains are found by these; only patterns are tried one by one. So a lookup costs the
    same whether there are ten numbers or ten thousand, and a script of either order means the same as a scan would.
    """

    def __init__(self, routes: Sequence[Route], fallback: Handler) -> None:
        """`fallback` takes what no route matches."""
        self._fallback = fallback
        self._rows: dict[Key, list[Row]] = {}
        for number, route in enumerate(routes):
            for key in route.keys:
                self._rows.setdefault(key, []).append((number, route))
        # Which of the four kinds of key there are: (user, domain), (user, any), (any, domain), (any, any).
        self._kinds = sorted({(user is not None, domain is not None) for user, domain in self._rows})
        self._scanned = routes if self._kinds == [(False, False)] else None  # the table would only cost time

    def find(self, request: Request) -> Handler:
        """Return the handler of the first declared route that matches. Raises Reject when it needs a URI that is none.

        It does what `route` does, without the call: requests come here, `route` is for people.
        """
        for route in self._scanned or self.candidates(request):
            for test in route.tests:
                if not test(request):
                    break
            else:
                return route.handler
        return self._fallback

    def route(self, request: Request) -> Route | None:
        """Return the first declared route that matches, or None; raises as `find` does."""
        for route in self.candidates(request):
            if all(test(request) for test in route.tests):
                return route
        return None

    def candidates(self, request: Request) -> Iterable[Route]:
        """Yield the routes whose exact values, if any, are the request's, in order of declaration."""
        found = [kept for kind in self._kinds if (kept := self._rows.get(_key(kind, request)))]
        rows: Iterable[Row] = found[0] if len(found) == 1 else heapq.merge(*found, key=itemgetter(0))
        return (route for _number, route in rows)


def _key(kind: tuple[bool, bool], request: Request) -> Key:
    by_user, by_domain = kind
    return request.uri.decoded_user if by_user else None, request.uri.host if by_domain else None
