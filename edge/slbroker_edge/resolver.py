"""Asks DNS for `Lookups`, without keeping the loop waiting: NAPTR, SRV, A and AAAA, by dnspython (the extra `dns`).

Addresses of /etc/hosts count before those of DNS, as nearly everywhere. A name without a dot is looked for in the
domains that /etc/resolv.conf says, too. What is kept, and for how long, is up to `Lookups`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from slbroker.errors import ConfigError
from slbroker.proxy.locate import Naptr, Srv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from slbroker.proxy.locate import Answer, Query
    from slbroker_edge.lookups import Lookups

logger = logging.getLogger(__name__)

TRY: Final = 0.8  # seconds that one server has
LIFETIME: Final = 2.5  # seconds that all of them have for a question; a search may take `lookups.PATIENCE` in all
NO_RECORDS: Final = 5.0  # seconds for which "there is none" is kept when the server does not say (RFC 2308 5)
UDP_SIZE: Final = 1_232  # bytes of an answer over UDP, by EDNS (RFC 6891): what no network tears apart
HOSTS_TTL: Final = 5.0  # seconds between two looks at /etc/hosts
SAY_AGAIN: Final = 60.0  # seconds between two log lines that say the same


def _nothing() -> None:
    """Stand in for who wants to be told of nothing."""


class Resolver:
    """Sends off the questions of one process, on its asyncio loop."""

    def __init__(
        self,
        servers: Sequence[tuple[str, int]] = (),
        hosts: HostsFile | None = None,
        on_turn: Callable[[], None] = _nothing,
    ) -> None:
        """`servers` are asked in turn; without any those of /etc/resolv.conf. `on_turn` is called behind each answer.

        Raises ConfigError.
        """
        dns = _library()
        try:
            resolver = dns.asyncresolver.Resolver(configure=not servers)
        except dns.resolver.NoResolverConfiguration as error:
            raise ConfigError("/etc/resolv.conf names no DNS server; name one with --resolver") from error
        if servers:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
        resolver.timeout = TRY
        resolver.lifetime = LIFETIME
        resolver.use_edns(0, 0, UDP_SIZE)
        self._dns = dns
        self._resolver = resolver
        self._hosts = hosts or HostsFile()
        self._on_turn = on_turn
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent_until = 0.0

    def ask(self, query: Query, lookups: Lookups) -> None:
        """Send off a question of `lookups`, and tell them the answer."""
        task = asyncio.get_running_loop().create_task(self._answer(query, lookups))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Await no more answers."""
        for task in self._tasks:
            task.cancel()

    async def _answer(self, query: Query, lookups: Lookups) -> None:
        try:
            answer, ttl = await self._find(query)
        except (self._dns.exception.DNSException, OSError, ValueError) as error:
            self._complain(query, error)
            lookups.unanswered(query, time.monotonic())
        else:
            lookups.answered(query, answer, ttl, time.monotonic())
        self._on_turn()

    async def _find(self, query: Query) -> tuple[Answer, float]:
        """Return the records and for how many seconds they are good; raise what dnspython does, or OSError."""
        if query.kind == "address":
            return await self._addresses(query.name)
        records, ttl = await self._records(query.name, query.kind)
        if query.kind == "srv":
            return [Srv(one.priority, one.weight, one.port, str(one.target)) for one in records], ttl
        return [_naptr(one) for one in records if not one.regexp], ttl

    async def _addresses(self, name: str) -> tuple[list[str], float]:
        """Find IPv4 addresses, then IPv6 addresses. What one of the two questions has found is enough."""
        if known := self._hosts.addresses(name):
            return known, HOSTS_TTL
        results = await asyncio.gather(self._records(name, "A"), self._records(name, "AAAA"), return_exceptions=True)
        found: list[str] = []
        times, none_for, error = [], [], None
        for result in results:
            if isinstance(result, BaseException):
                error = result
            elif result[0]:
                found += [one.address for one in result[0]]
                times.append(result[1])
            else:
                none_for.append(result[1])
        if not found and error is not None:
            raise error
        return found, min(times or none_for)

    async def _records(self, name: str, kind: str) -> tuple[Sequence[Any], float]:
        """Ask for records; return them and their TTL in seconds, that of the SOA where there are none (RFC 2308)."""
        is_relative = "." not in name
        try:
            answer = await self._resolver.resolve(name, kind, search=is_relative, raise_on_no_answer=False)
        except self._dns.resolver.NXDOMAIN as error:
            return (), self._none_for(error.responses().values())
        if answer.rrset is None:
            return (), self._none_for([answer.response])
        return list(answer.rrset), answer.chaining_result.minimum_ttl

    def _none_for(self, responses: Iterable[Any]) -> float:
        """Return for how many seconds these say that there is nothing."""
        soa = self._dns.rdatatype.SOA
        told = [
            min(rrset.ttl, rrset[0].minimum) for each in responses for rrset in each.authority if rrset.rdtype == soa
        ]
        return float(min(told)) if told else NO_RECORDS

    def _complain(self, query: Query, error: Exception) -> None:
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + SAY_AGAIN
            logger.warning("no answer from DNS about %s: %s; what was known before goes on to count", query.name, error)


class HostsFile:
    """A file that says which addresses names have (hosts(5)); read again when it has changed."""

    def __init__(self, path: Path = Path("/etc/hosts")) -> None:
        self._path = path
        self._stamp = -1
        self._known: dict[str, list[str]] = {}

    def addresses(self, name: str) -> list[str]:
        """Return the addresses of a name, those of IPv4 in front; [] for an unknown one, or without such a file."""
        try:
            stamp = self._path.stat().st_mtime_ns
            if stamp != self._stamp:
                self._known = _read_hosts(self._path.read_text("utf-8", "replace"))
                self._stamp = stamp
        except OSError:
            return []
        return self._known.get(name.lower().rstrip("."), [])


def _read_hosts(text: str) -> dict[str, list[str]]:
    known: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            host = str(ip_address(address))
        except ValueError:
            continue
        for name in names:
            known.setdefault(name.lower().rstrip("."), []).append(host)
    return {name: sorted(hosts, key=lambda host: ":" in host) for name, hosts in known.items()}


def _naptr(record: Any) -> Naptr:
    flags, service = (part.decode("ascii", "replace") for part in (record.flags, record.service))
    return Naptr(record.order, record.preference, flags, service, str(record.replacement))


def _library() -> Any:
    """Return dnspython; raise ConfigError where it is not installed: few edges need it."""
    try:
        import dns.asyncresolver  # noqa: PLC0415
        import dns.exception  # noqa: PLC0415
        import dns.nameserver  # noqa: PLC0415
        import dns.rdatatype  # noqa: PLC0415
        import dns.resolver  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError("next hops with names need the dnspython library: pip install 'slbroker[dns]'") from error
    return dns
