"""Groups of next hops in the format of Kamailio's dispatcher, and which of a group a request goes to.

    # setid destination                     flags priority attrs
    1 sip:10.0.0.5:5060                     0     0        weight=50;duid=a
    1 sip:10.0.0.6:5060;transport=tcp       0     0        weight=50;duid=b;socket=tcp:10.0.0.1:5060

A request goes to a usable destination of the highest priority; those of the next lower one take over when all of these
are gone. Among equals the algorithm chooses, by a hash of what a request has in common with all that belongs to it
(`selection`). Dispatcher's numbers are taken where they mean that. Those that count, draw or wait, such as 4 (round
robin), 6 (random) and 10 (call load), are refused: the next repetition, CANCEL or ACK would go elsewhere. `call-id`
spreads calls as evenly.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from slbroker.errors import ConfigError, Reject
from slbroker.listen import parse_listen_address
from slbroker.proxy.health import ALL_FLAGS, Health
from slbroker.proxy.nexthop import NextHop, parse_next_hop
from slbroker.proxy.selection import ranked
from slbroker.sip.address import parse_address
from slbroker.sip.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from slbroker.sip.message import Message

MAX_DESTINATIONS: Final = 256  # of one group: each costs a hash a request
MAX_WEIGHT: Final = 1_000
DEFAULT_WEIGHT: Final = 1


class Algorithm(Enum):
    """What the choice is made by; the numbers are dispatcher's."""

    CALL_ID = "call-id"  # 0
    FROM = "from"  # 1: user and host of the From URI
    TO = "to"  # 2
    RURI = "ruri"  # 3: user and host of the Request-URI
    SOURCE = "source"  # the source's address; in dispatcher 7 with $si
    PRIORITY = "priority"  # 8: the first usable one in the list


_NUMBERS: Final = {0: Algorithm.CALL_ID, 1: Algorithm.FROM, 2: Algorithm.TO, 3: Algorithm.RURI, 8: Algorithm.PRIORITY,
                   9: Algorithm.CALL_ID, 11: Algorithm.CALL_ID}  # by weight  # fmt: skip


@dataclass(frozen=True)
class Destination:
    """One line of a list. `attrs` are all of its attributes; `socket` is "" where the edge may choose its address."""

    hop: NextHop
    flags: int = 0
    priority: int = 0
    attrs: Mapping[str, str] = field(default_factory=dict, hash=False)
    weight: int = DEFAULT_WEIGHT

    @cached_property
    def name(self) -> bytes:
        """What tells it from others of its group, at every edge: its duid, else its URI."""
        duid = self.attrs.get("duid")
        return duid.encode() if duid else self.hop.uri

    @cached_property
    def socket(self) -> str:
        """The listen address that requests leave by, "udp:10.0.0.1:5060"."""
        written = self.attrs.get("socket")
        return str(parse_listen_address(written)) if written else ""


def read_groups(text: str, file: str = "dispatcher.list") -> dict[int, list[Destination]]:
    """Return the groups of a list by their numbers, in the order of the file. Raises ConfigError with file and line."""
    groups: dict[int, list[Destination]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        try:
            columns = _columns(line)
            if not columns:
                continue
            group, destination = _read_line(columns)
        except (ConfigError, ValueError) as error:
            raise ConfigError(f"{file}:{number}: {error}") from None
        members = groups.setdefault(group, [])
        if any(other.name == destination.name for other in members):
            raise ConfigError(f"{file}:{number}: {destination.name.decode()} is in group {group} already; add a duid=")
        if len(members) == MAX_DESTINATIONS:
            raise ConfigError(f"{file}:{number}: a group has {MAX_DESTINATIONS} destinations at most")
        members.append(destination)
    return groups


def _columns(line: str) -> list[str]:
    """Return the words of a line, without a comment; raise ValueError for a quote that is never closed."""
    columns = shlex.split(line) if line.lstrip()[:1] != "#" else []
    comment = next((at for at, word in enumerate(columns) if word[0:1] == "#"), len(columns))
    return columns[:comment]


def _read_line(columns: Sequence[str]) -> tuple[int, Destination]:
    if not 2 <= len(columns) <= 5:
        raise ConfigError("write: setid destination flags priority attrs, the last three may be left out")
    group = _number("setid", columns[0], 0, 2**31 - 1)
    hop = parse_next_hop(columns[1])
    flags = _number("flags", columns[2], 0, ALL_FLAGS) if len(columns) > 2 else 0
    priority = _number("priority", columns[3], -(2**31), 2**31 - 1) if len(columns) > 3 else 0
    attrs = _read_attrs(columns[4]) if len(columns) > 4 else {}
    weight = attrs.get("weight") or attrs.get("rweight")
    if attrs.get("socket"):
        parse_listen_address(attrs["socket"])
    number = DEFAULT_WEIGHT if weight is None else _number("weight", weight, 0, MAX_WEIGHT)
    return group, Destination(hop, flags, priority, attrs, number)


def _read_attrs(text: str) -> dict[str, str]:
    attrs: dict[str, str] = {}
    for piece in filter(None, map(str.strip, text.split(";"))):
        name, _, value = piece.partition("=")
        attrs.setdefault(name.strip(), value.strip())
    return attrs


def _number(title: str, text: str, least: int, most: int) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and least <= int(text) <= most):
        raise ConfigError(f"{title} {text!r}: write a number from {least} to {most}")
    return int(text)


def read_algorithm(text: str) -> Algorithm:
    """Return an algorithm by its name, or by dispatcher's number. Raises ConfigError."""
    names = ", ".join(algorithm.value for algorithm in Algorithm)
    if text.isascii() and text.isdigit() and len(text) <= 3:
        if int(text) in _NUMBERS:
            return _NUMBERS[int(text)]
        raise ConfigError(f"algorithm {text} would send a repetition elsewhere than its request; write one of {names}")
    try:
        return Algorithm(text)
    except ValueError:
        raise ConfigError(f"there is no algorithm {text!r}; write one of {names}") from None


def usable_tiers(members: Iterable[Destination], health: Callable[[Destination], Health]) -> list[list[Destination]]:
    """Return the usable destinations, those of each priority together, the highest in front."""
    tiers: dict[int, list[Destination]] = {}
    for member in members:
        if health(member).usable:
            tiers.setdefault(member.priority, []).append(member)
    return [tiers[priority] for priority in sorted(tiers, reverse=True)]


def choose(tiers: Iterable[list[Destination]], algorithm: Algorithm, key: bytes) -> list[Destination]:
    """Return the destinations of `usable_tiers`, the one to send to first, then who is next when that fails.

    `key` is what `key_of` makes of the request. Two requests with one key get the same while the states are the same.
    """
    chosen: list[Destination] = []
    for tier in tiers:
        if algorithm is Algorithm.PRIORITY or len(tier) == 1:
            chosen += tier
        else:
            chosen += ranked(key, tier, _name_of, _weight_of)
    return chosen


_name_of = attrgetter("name")
_weight_of = attrgetter("weight")


def key_of(algorithm: Algorithm, message: Message, source: str) -> bytes:
    """Return what the choice for a request is made by: the same for all that belongs to it.

    `source` is the address that it came from. Where a URI cannot be read, its bytes stand for it.
    """
    if algorithm is Algorithm.SOURCE:
        return source.encode()
    if algorithm is Algorithm.RURI:
        return _user_and_host(message.uri)
    if algorithm in (Algorithm.FROM, Algorithm.TO):
        value = message.first(b"from" if algorithm is Algorithm.FROM else b"to") or b""
        try:
            return _user_and_host(parse_address(value).uri_bytes)
        except Reject:
            return value
    return message.call_id


def _user_and_host(raw: bytes) -> bytes:
    try:
        uri = parse_uri(raw)
    except Reject:
        return raw
    return f"{uri.user}@{uri.host}".encode("utf-8", "surrogateescape") if uri.host else raw
