"""KSR.ipops: tests of IP addresses. Nothing is asked of DNS."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.addresses import read_ip
from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.variables.access import put

if TYPE_CHECKING:
    from slbroker_handlers.kemi.addresses import IPAddress, Network
    from slbroker_handlers.kemi.call import Call

ipops = Module("ipops")

_PRIVATE: Final = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


_has_length = re.compile(r"[^/]+(?:/[0-9]{1,3})?").fullmatch


def _ranges(*pairs: tuple[str, str]) -> tuple[tuple[Network, str], ...]:
    return tuple((ipaddress.ip_network(network), kind) for kind, networks in pairs for network in networks.split())


# RFC 6890 and what it lists, RFC 3068, RFC 6598; RFC 4291, RFC 6666 and IANA's registry for IPv6.
_RANGES4: Final = _ranges(
    ("BROADCAST", "255.255.255.255/32"), ("LOOPBACK", "127.0.0.0/8"), ("LINK-LOCAL", "169.254.0.0/16"),
    ("PRIVATE", "0.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16"), ("SHARED", "100.64.0.0/10"),
    ("TEST-NET", "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24"), ("6TO4-RELAY", "192.88.99.0/24"),
    ("RESERVED", "192.0.0.0/24 198.18.0.0/15"), ("MULTICAST", "224.0.0.0/4"), ("RESERVED", "240.0.0.0/4"),
)  # fmt: skip
_RANGES6: Final = _ranges(
    ("UNSPECIFIED", "::/128"), ("LOOPBACK", "::1/128"), ("IPV4MAP", "::ffff:0:0/96"), ("DISCARD", "100::/64"),
    ("TEREDO", "2001::/32"), ("BMWG", "2001:2::/48"), ("DOCUMENTATION", "2001:db8::/32"), ("ORCHID", "2001:10::/28"),
    ("6TO4", "2002::/16"), ("GLOBAL-UNICAST", "2000::/3"), ("UNIQUE-LOCAL-UNICAST", "fc00::/7"),
    ("LINK-LOCAL-UNICAST", "fe80::/10"), ("MULTICAST", "ff00::/8"), ("RESERVED", "::/0"),
)  # fmt: skip


def _read_any(text: str) -> IPAddress | None:
    """Return an address, an IPv6 one with or without its brackets."""
    if re.fullmatch(r"\[[^]]*\]", text):
        return _read_version(text[1:-1], 6)
    return read_ip(text)


def _read_version(text: str, version: int) -> IPAddress | None:
    """Return an address of a version of IP, without brackets."""
    address = read_ip(text)
    return address if address is not None and address.version == version else None


def _truth(value: object) -> int:
    return 1 if value else -1


@ipops.export
def is_ip(_call: Call, text: str) -> int:
    """Return 1 for an IPv4 address, or an IPv6 one with or without brackets."""
    return _truth(_read_any(text))


@ipops.export
def is_pure_ip(_call: Call, text: str) -> int:
    """Return 1 for an address without brackets."""
    return _truth(read_ip(text))


@ipops.export
def is_ip4(_call: Call, text: str) -> int:
    """Return 1 for an IPv4 address."""
    return _truth(_read_version(text, 4))


@ipops.export
def is_ip6(_call: Call, text: str) -> int:
    """Return 1 for an IPv6 address without brackets."""
    return _truth(_read_version(text, 6))


@ipops.export
def is_ip6_reference(_call: Call, text: str) -> int:
    """Return 1 for an IPv6 address with its brackets."""
    return _truth(text.startswith("[") and _read_any(text))


@ipops.export
def ip_type(_call: Call, text: str) -> int:
    """Return 1 for IPv4, 2 for IPv6, 3 for IPv6 with brackets, -1 for anything else."""
    address = _read_any(text)
    return -1 if address is None else 1 if address.version == 4 else 3 if text.startswith("[") else 2


@ipops.export
def is_ip_rfc1918(_call: Call, text: str) -> int:
    """Return 1 for a private IPv4 address (RFC 1918)."""
    address = read_ip(text)
    return _truth(address is not None and any(address in network for network in _PRIVATE))


@ipops.export
def compare_ips(_call: Call, first: str, second: str) -> int:
    """Return 1 when both are the same address, with or without brackets."""
    one = _read_any(first)
    return _truth(one is not None and one == _read_any(second))


@ipops.export
def compare_pure_ips(_call: Call, first: str, second: str) -> int:
    """Return 1 when both are the same address, without brackets."""
    one = read_ip(first)
    return _truth(one is not None and one == read_ip(second))


def _detailed(call: Call, target: str, address: IPAddress | None) -> int:
    if address is None:
        return -1
    ranges = _RANGES4 if address.version == 4 else _RANGES6
    kind = next((kind for network, kind in ranges if address in network), "PUBLIC")
    return put(call, target, kind)


@ipops.export
def detailed_ip_type(call: Call, text: str, target: str) -> int:
    """Set a pseudo-variable to what an address is for: PUBLIC, PRIVATE, LOOPBACK, GLOBAL-UNICAST..."""
    return _detailed(call, target, _read_any(text))


@ipops.export
def detailed_ipv4_type(call: Call, text: str, target: str) -> int:
    """Set a pseudo-variable to what an IPv4 address is for."""
    return _detailed(call, target, _read_version(text, 4))


@ipops.export
def detailed_ipv6_type(call: Call, text: str, target: str) -> int:
    """Set a pseudo-variable to what an IPv6 address is for."""
    address = _read_any(text)
    return _detailed(call, target, address if address is not None and address.version == 6 else None)


@ipops.export(name="ip_is_in_subnet")
@ipops.export
def is_in_subnet(_call: Call, address: str, networks: str) -> int:
    """Return 1 when an address is in a network, or in one of several with commas between them."""
    found = read_ip(address)
    return _truth(found is not None and any(_contains(network.strip(), found) for network in networks.split(",")))


def _contains(network: str, address: IPAddress) -> bool:
    if not _has_length(network):
        return False
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
