"""From a URI to where its requests go (RFC 3263), without asking anybody: queries come out, answers go in.

    search = locate(hop, supported, key)
    query = next(search)                      Query("naptr", "example.com")
    query = search.send(answer)               the records, [] where there are none; and so on
    StopIteration.value                       the places, in the order in which they are to be tried

Whatever leaves a choice (weights of SRV, several addresses) is decided by a hash of `key`, so that a request, its
repetition, its CANCEL and its ACK go the same way while the answers are the same (section 4: a proxy without state).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from slbroker.listen import SECURE, default_port
from slbroker.proxy.selection import ranked
from slbroker.sip.grammar import MAX_PORT
from slbroker.sip.networks import read_host

if TYPE_CHECKING:
    from collections.abc import Container, Generator, Iterable, Sequence

    from slbroker.proxy.nexthop import NextHop

# Records that are looked at, and places that are returned: an answer may be anybody's.
MAX_RECORDS: Final = 32
MAX_PLACES: Final = 32

# RFC 3263 4.1, RFC 7118 5.2: what NAPTR calls the transports, and the SRV name of each.
_SERVICES: Final = {
    "SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls", "SIP+D2W": "ws", "SIPS+D2W": "wss",
}  # fmt: skip
_PREFIXES: Final = {
    "udp": "_sip._udp.", "tcp": "_sip._tcp.", "tls": "_sips._tcp.", "ws": "_sip._ws.", "wss": "_sips._ws.",
}  # fmt: skip
# Asked for where there is no NAPTR, in this order (4.1): nobody is reached by WebSocket unless he says so.
_PLAIN_ORDER: Final = ("udp", "tcp", "tls")

_is_ipv4_like = re.compile(r"[0-9.]+", re.ASCII).fullmatch


class Naptr(NamedTuple):
    """A NAPTR record (RFC 3403): of flag "s", with a replacement and no regular expression, as RFC 3263 has it."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Srv(NamedTuple):
    """An SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


class Query(NamedTuple):
    """What is to be asked; "address" is A and AAAA, answered with numeric addresses, those preferred first."""

    kind: Literal["naptr", "srv", "address"]
    name: str


class Place(NamedTuple):
    """Where a request may be sent: "udp", "tcp", "tls", "ws" or "wss", a numeric address, a port.

    `name` is the host that the URI names: what a certificate has to be for (RFC 5922 4).
    """

    transport: str
    host: str
    port: int
    name: str


Answer: TypeAlias = "Sequence[Naptr] | Sequence[Srv] | Sequence[str]"
Search: TypeAlias = "Generator[Query, Answer, list[Place]]"


def locate(hop: NextHop, supported: Container[str], key: bytes) -> Search:
    """Find the places of a next hop, those to be tried first in front; [] where there are none.

    `supported` are the transports that we have.
    """
    name = hop.host
    if is_numeric(name) or hop.port is not None:  # 4.1: no NAPTR, no SRV
        transport = hop.transport or ("tls" if hop.secure else "udp")
        if transport not in supported:
            return []
        port = default_port(transport) if hop.port is None else hop.port
        hosts = [name] if is_numeric(name) else (yield from _addresses(name, key))
        return [Place(transport, host, port, name) for host in hosts][:MAX_PLACES]
    services = yield from _services(hop, supported)
    places: list[Place] = []
    is_served = False
    for transport, srv_name in services:
        found = yield from _by_srv(transport, srv_name, name, key)
        if found is not None:
            is_served = True
            places += found
        if len(places) >= MAX_PLACES:
            break
    if is_served or not services:
        return places[:MAX_PLACES]
    # No SRV at all: A and AAAA of the name itself (4.2), by what NAPTR says, or TLS for sips and UDP for sip.
    transport = services[0][0]
    hosts = yield from _addresses(name, key)
    return [Place(transport, host, default_port(transport), name) for host in hosts][:MAX_PLACES]


def _services(hop: NextHop, supported: Container[str]) -> Generator[Query, Answer, list[tuple[str, str]]]:
    """Find transports, and the names under which their SRV records are, the preferred one first (4.1)."""
    name = hop.host
    if hop.transport:
        return [(hop.transport, _PREFIXES[hop.transport] + name)] if hop.transport in supported else []
    records = yield Query("naptr", name)
    usable = []
    for record in [one for one in records[:MAX_RECORDS] if isinstance(one, Naptr)]:
        transport = _SERVICES.get(record.service.upper())
        if transport is None or record.flags.lower() != "s" or transport not in supported:
            continue
        if not hop.secure or transport in SECURE:
            usable.append((record.order, record.preference, transport, record.replacement.rstrip(".")))
    if usable:
        # RFC 3403 4.1: once one of an order is taken, those of a higher order do not count.
        lowest = min(usable)[0]
        return [(transport, srv) for order, _, transport, srv in sorted(usable) if order == lowest]
    order = ("tls",) if hop.secure else _PLAIN_ORDER
    return [(transport, _PREFIXES[transport] + name) for transport in order if transport in supported]


def _by_srv(transport: str, srv_name: str, name: str, key: bytes) -> Generator[Query, Answer, list[Place] | None]:
    """Find the places of a transport, [] where SRV says that there are none; None where there is no SRV."""
    answer = yield Query("srv", srv_name)
    records = [one for one in answer[:MAX_RECORDS] if isinstance(one, Srv)]
    if not records:
        return None
    places: list[Place] = []
    for record in _in_order(records, key):
        target = record.target.rstrip(".")
        if not target or not 0 < record.port <= MAX_PORT:  # RFC 2782: "." says that the service is not there
            continue
        hosts = [target] if is_numeric(target) else (yield from _addresses(target, key))
        places += [Place(transport, host, record.port, name) for host in hosts]
        if len(places) >= MAX_PLACES:
            break
    return places


def _in_order(records: Iterable[Srv], key: bytes) -> list[Srv]:
    """Return SRV records as RFC 2782 has them tried: by priority, among equals drawn by weight, here by a hash."""
    ordered: list[Srv] = []
    by_priority: dict[int, list[Srv]] = {}
    for record in records:
        by_priority.setdefault(record.priority, []).append(record)
    for priority in sorted(by_priority):
        ordered += ranked(key, by_priority[priority], _name_of, lambda record: record.weight)
    return ordered


def _name_of(record: Srv) -> bytes:
    return f"{record.port} {record.target.lower()}".encode()


def _addresses(name: str, key: bytes) -> Generator[Query, Answer, list[str]]:
    """Ask for a name's addresses; return those that are some: of the family that came first in front, by a hash."""
    answer = yield Query("address", name)
    hosts = [one for one in answer[:MAX_RECORDS] if isinstance(one, str) and is_numeric(one)]
    families = list(dict.fromkeys(":" in host for host in hosts))
    ordered: list[str] = []
    for family in families:
        ordered += ranked(key, [host for host in hosts if (":" in host) is family], str.encode, lambda _: 1)
    return ordered


def is_numeric(host: str) -> bool:
    """Return whether a host is an address, and no name that has to be looked up."""
    if ":" not in host and not _is_ipv4_like(host):
        return False
    try:
        read_host(host)
    except ValueError:
        return False
    return True
