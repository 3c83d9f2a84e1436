"""Which requests go to which pool: routes as an operator writes them, and the first one that matches a request.

pool=premium method=INVITE user=900* domain=*.example.com listen=udp:192.0.2.7:5060
pool=default:95,canary:5 method=REGISTER,SUBSCRIBE
pass=sip:10.0.0.5:5060 source=192.0.2.0/24,2001:db8::/32
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from slbroker.bus.choice import ANY, DEFAULT_POOL, Choice
from slbroker.errors import ConfigError
from slbroker.patterns import Matcher, matcher
from slbroker.sip.grammar import is_token
from slbroker.sip.networks import Networks, in_networks, read_networks
from slbroker.sip.uri import InvalidUri, parse_uri, plain_host

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

RECORDERS: Final = "record"  # the pool of `slbroker record`, which answers nothing

MAX_WEIGHT: Final = 1_000_000
_ANY_IPV4: Final = "0.0.0.0"  # noqa: S104 - as a socket on all addresses has it in its name
_ANY_IPV6: Final = "[::]"
_WORDS: Final = ("pool", "pass", "method", "user", "domain", "source", "listen")
_match_pool = re.compile(r"[\w.-]{1,128}", re.ASCII).fullmatch
_match_share = re.compile(r"([\w.-]{1,128})(?::([0-9]{1,7}))?", re.ASCII).fullmatch


class Routable(Protocol):
    """What a route looks at."""

    @property
    def method(self) -> bytes: ...  # noqa: D102
    @property
    def uri(self) -> bytes: ...  # noqa: D102 - the Request-URI


class Route(NamedTuple):
    """A choice of pools, or a next hop, and the requests it is for; None matches any."""

    choice: Choice
    methods: frozenset[bytes] | None = None
    user: Matcher | None = None
    domain: Matcher | None = None
    listen: str | None = None
    source: Networks | None = None

    @classmethod
    def read(cls, text: str) -> Route:
        """Return the route that `text` writes; raise ConfigError when it is none."""
        words: dict[str, str] = {}
        for word in _split_words(text):
            name, _, value = word.partition("=")
            if name not in _WORDS or not value or name in words:
                raise ConfigError(f"route {text!r}: {word!r} is none of {', '.join(f'{each}=...' for each in _WORDS)}")
            words[name] = value
        if ("pool" in words) == ("pass" in words):
            raise ConfigError(
                f"route {text!r}: say where to, such as pool=premium, pool=default:95,canary:5 or pass=sip:10.0.0.5"
            )
        methods = _read_methods(words["method"]) if "method" in words else None
        if methods and b"INVITE" in methods and "pass" in words:
            methods |= {b"ACK", b"CANCEL"}  # they take the way of their INVITE (RFC 3261 16.10, 16.11)
        user, domain = words.get("user"), words.get("domain")
        return cls(
            read_choice(words["pool"]) if "pool" in words else _read_pass(words["pass"]),
            methods,
            None if user is None else matcher(user),
            None if domain is None else matcher(plain_host(domain)),
            words.get("listen"),
            _read_sources(words["source"]) if "source" in words else None,
        )

    def matches(self, request: Routable, listen: str, host: str = "") -> bool:
        """Return whether `request`, which `host` sent to the address of ours named `listen`, is for this route."""
        if self.methods is not None and request.method not in self.methods:
            return False
        if self.source is not None and not in_networks(host, self.source):
            return False
        if self.listen is not None and not _is_at(self.listen, listen):
            return False
        if self.user is None and self.domain is None:
            return True
        user, host = _user_and_host(request.uri)
        return (self.user is None or bool(self.user(user))) and (self.domain is None or bool(self.domain(host)))


class Routes:
    """An operator's routes, in order."""

    def __init__(self, routes: Sequence[Route] = ()) -> None:
        self._routes = tuple(routes)
        # Without routes there is nothing to look at, and that is the usual case.
        self.choose: Callable[..., Choice] = self._choose if routes else _choose_any
        self.has_hops = any(route.choice.hop is not None for route in routes)  # some never see a handler

    @property
    def pools(self) -> frozenset[str]:
        """Return the names of all pools that a request may go to."""
        return frozenset({DEFAULT_POOL}.union(*(route.choice.pools for route in self._routes)))

    @property
    def everywhere(self) -> Choice:
        """Return the choice of all these pools, for asking what any of their workers takes."""
        pools = tuple(self.pools)
        return Choice(pools, (1,) * len(pools))

    def unserved(self, staffed: Collection[str]) -> list[str]:
        """Return the pools that requests may go to in vain while those `staffed` have workers, "premium" or "a/b".

        Of a choice of several one that has workers is enough. Nobody needs the pool `default` behind a route for all.
        """
        choices = []
        for route in self._routes:
            choices.append(route.choice)
            if not any(condition is not None for condition in route[1:]):
                break
        else:
            choices.append(ANY)
        waiting = [choice.pools for choice in choices if choice.pools and not set(choice.pools) & set(staffed)]
        return list(dict.fromkeys("/".join(pools) for pools in waiting))

    def _choose(self, request: Routable, listen: str, host: str = "") -> Choice:
        """Return where `request` goes: what the first route that matches says, else the pool `default`."""
        for route in self._routes:
            if route.matches(request, listen, host):
                return route.choice
        return ANY

    def choose_early(self, method: bytes, listen: str, host: str) -> Choice | None:
        """Return what `choose` would for any request of a method and a source; None where its URI counts, too."""
        for route in self._routes:
            if route.user is not None or route.domain is not None:
                if route._replace(user=None, domain=None).matches(Early(method), listen, host):
                    return None
            elif route.matches(Early(method), listen, host):
                return route.choice
        return ANY


class Early(NamedTuple):
    """What is known of a request before its Request-URI is looked at."""

    method: bytes
    uri: bytes = b""


def _choose_any(_request: Routable, _listen: str, _host: str = "") -> Choice:
    return ANY


@lru_cache(maxsize=1_024)
def _is_at(wanted: str, listen: str) -> bool:
    """Return whether the address of ours `listen`, whatever is advertised for it, is `wanted` or one of those."""
    asked = listen.partition(" ")[0]
    return wanted == asked or stands_for(wanted, asked)


@lru_cache(maxsize=1_024)
def stands_for(everywhere: str, listen: str) -> bool:
    """Return whether one name of a socket, such as "udp:0.0.0.0:5060", is for all addresses and so for `listen`."""
    transport, _, rest = everywhere.partition(":")
    host, _, port = rest.rpartition(":")
    its_transport, _, rest = listen.partition(":")
    its_host, _, its_port = rest.rpartition(":")
    family = _ANY_IPV6 if its_host.startswith("[") else _ANY_IPV4
    return (transport, host, port) == (its_transport, family, its_port)


def read_pool(text: str) -> str:
    """Return the name of a pool; raise ConfigError when it is none."""
    if not _match_pool(text):
        raise ConfigError(f"pool {text!r}: a name has letters, digits, and - _ . between them, 128 at most")
    return text


def read_choice(text: str) -> Choice:
    """Return the pools and weights that `text` writes: `premium`, `default:95,canary:5`; raise ConfigError."""
    parts = [_match_share(part) for part in text.split(",")]
    found = [part for part in parts if part is not None]
    weights = [int(part[2]) if part[2] else 1 for part in found]
    names = [part[1] for part in found]
    if len(found) != len(parts) or len(set(names)) != len(names) or not 0 < sum(weights) <= MAX_WEIGHT:
        raise ConfigError(f"pool {text!r}: write NAME, or NAME:WEIGHT,NAME:WEIGHT such as default:95,canary:5")
    return Choice(tuple(names), tuple(weights))


def _split_words(text: str) -> list[str]:
    """Return the words of a route: blanks are between them, or ";", which may be before a next hop's parameter, too."""
    words: list[str] = []
    for chunk in text.split():
        for at, piece in enumerate(filter(None, chunk.split(";"))):
            if at and words[-1].startswith("pass=") and piece.partition("=")[0] not in _WORDS:
                words[-1] += f";{piece}"
            else:
                words.append(piece)
    return words


def _read_sources(text: str) -> Networks:
    try:
        return read_networks(text.split(","))
    except ValueError as error:
        raise ConfigError(f"route: source={text}: {error}; write source=192.0.2.0/24,2001:db8::/32") from None


def _read_pass(text: str) -> Choice:
    from slbroker.proxy.nexthop import read_hop  # noqa: PLC0415 - an edge that forwards nothing does without it

    return Choice((), (), read_hop(text))


def _read_methods(text: str) -> frozenset[bytes]:
    methods = [method.encode() for method in text.split(",")]
    if not all(map(is_token, methods)):
        raise ConfigError(f"route: method={text} names no SIP methods; write method=INVITE or method=INVITE,BYE")
    return frozenset(methods)


def _user_and_host(raw: bytes) -> tuple[str, str]:
    """Return user and host of a Request-URI as a handler reads them; "" for what it has not, or cannot be read."""
    try:
        uri = parse_uri(raw)
    except InvalidUri:  # the operator has put that check off
        return "", ""
    return uri.decoded_user, uri.host
