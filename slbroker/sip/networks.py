"""Addresses and networks, as requests come from them."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]

_REMEMBERED_HOSTS: Final = 1_024  # addresses; reading one costs 2 us


def read_networks(words: Iterable[str]) -> Networks:
    """Return networks as written: 192.0.2.0/24, 2001:db8::/32, 192.0.2.1; raise ValueError for anything else."""
    return tuple(ip_network(word) for word in words)


def in_networks(host: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Return whether a numeric address is in one of `networks`."""
    address = read_host(host)
    return any(address in network for network in networks)


@lru_cache(maxsize=_REMEMBERED_HOSTS)
def read_host(host: str) -> IPv4Address | IPv6Address:
    """Return the address; one of IPv4 that an IPv6 socket has seen is one of IPv4. Raises ValueError."""
    address = ip_address(host)
    return getattr(address, "ipv4_mapped", None) or address
