"""A SIP message as it passed an edge, with both its ends; and as little of it as a capture wants to know."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.sip.networks import Networks

LONGEST_KEEPALIVE: Final = 32  # bytes
MOST_ENDS: Final = 16_384  # addresses remembered; reading one costs 3 us

_find_cseq = re.compile(rb"\ncseq[ \t]*:\s*[0-9]+\s+([^\s]+)", re.IGNORECASE).search
_match_method = re.compile(rb"([!-~]+) ").match


class End(NamedTuple):
    """One end: an IPv4 address in 4 bytes, or an IPv6 address in 16, and a port."""

    address: bytes
    port: int


class Seen(NamedTuple):
    """A message and how it went: from where, to where, and when, in microseconds since 1970."""

    transport: str  # udp, tcp, tls, ws, wss
    source: End
    target: End
    at: int
    data: bytes


class Filter(NamedTuple):
    """Which messages are wanted: all, where `methods` and `sources` are empty."""

    methods: frozenset[bytes] = frozenset()
    sources: Networks = ()

    def wants(self, data: bytes, host: str) -> bool:
        """Return whether a message is wanted which a host, numeric, has sent or gets."""
        if self.methods and method_of(data) not in self.methods:
            return False
        return not self.sources or _is_in(host.partition("%")[0], self.sources)


@lru_cache(maxsize=MOST_ENDS)
def end_of(host: str, port: int) -> End:
    """Return an end by its numeric address; one of IPv4 that an IPv6 socket has seen is one of IPv4.

    Raises ValueError for any other host.
    """
    address = ip_address(host.partition("%")[0])
    return End((getattr(address, "ipv4_mapped", None) or address).packed, port)


@lru_cache(maxsize=1_024)
def read_name(name: str) -> tuple[str, End]:
    """Return transport and end of what listens, by its name in Kamailio's form; where it is advertised is no matter.

    Raises ValueError for any other name.
    """
    transport, _, where = name.partition(" ")[0].partition(":")
    host, _, port = where.rpartition(":")
    return transport, end_of(host.strip("[]"), int(port))


def pair(ours: End, theirs: End) -> tuple[End, End]:
    """Return two ends in one family: IPv4 in IPv6's form (RFC 4291 2.5.5.2) where the other end is IPv6."""
    if len(ours.address) == len(theirs.address):
        return ours, theirs
    return _in_six(ours), _in_six(theirs)


@lru_cache(maxsize=MOST_ENDS)
def way_of(name: str, host: str, port: int, is_sent: bool) -> tuple[str, End, End]:
    """Return transport, source and target of what came to a listener by that name from a host, or was sent there.

    Raises ValueError for no such name, or host.
    """
    transport, ours = read_name(name)
    mine, theirs = pair(ours, end_of(host, port))
    return (transport, mine, theirs) if is_sent else (transport, theirs, mine)


def _in_six(end: End) -> End:
    return end if len(end.address) == 16 else End(b"\0" * 10 + b"\xff\xff" + end.address, end.port)


@lru_cache(maxsize=MOST_ENDS)
def _is_in(host: str, networks: Sequence[object]) -> bool:
    from slbroker.sip.networks import in_networks  # noqa: PLC0415 - few captures are filtered

    return in_networks(host, networks)  # type: ignore[arg-type]


def is_keepalive(data: bytes) -> bool:
    """Return whether this is nothing but what keeps a NAT's binding (RFC 5626 3.5.1, and NULs as phones send them)."""
    return len(data) <= LONGEST_KEEPALIVE and not data.strip(b"\r\n\0 \t")


def head_of(data: bytes) -> bytes:
    """Return a message without its body."""
    end = data.find(b"\r\n\r\n")
    return data if end < 0 else data[:end]


def method_of(data: bytes) -> bytes:
    """Return the method of a request, or that of the request which a reply answers; b"" where there is none."""
    found = _find_cseq(head_of(data)) if data[:4].upper() == b"SIP/" else _match_method(data)
    return found[1] if found else b""
