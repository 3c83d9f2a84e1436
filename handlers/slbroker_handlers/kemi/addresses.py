"""IP addresses; and the list of them that `permissions.address_file` names."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from slbroker.errors import ConfigError
from slbroker.sip.grammar import MAX_PORT

if TYPE_CHECKING:
    from pathlib import Path

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

FIELDS: Final = "GROUP ADDRESS [MASK [PORT [TAG]]]"


def read_ip(text: str) -> IPAddress | None:
    """Return an address, without brackets; None for anything else."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


class Permitted(NamedTuple):
    """A line of the list; port 0 means any. `network` is None for a domain name, which is compared as text."""

    group: int
    network: Network | None
    domain: str
    port: int
    tag: str

    @property
    def is_single(self) -> bool:
        """Return whether this is one address."""
        return self.network is not None and self.network.prefixlen == self.network.max_prefixlen

    def permits(self, address: IPAddress | None, name: str, port: int) -> bool:
        """Return whether an address, or a name where it is None, is meant, with this port."""
        if self.port and self.port != port:
            return False
        if address is None:
            return bool(self.domain) and self.domain == name
        return self.network is not None and address in self.network


def read_addresses(path: Path) -> tuple[Permitted, ...]:
    """Return what an address file lists, in the order in which it is searched; raises ConfigError for a bad line.

    Kamailio asks single addresses first, the last line first; then networks, by group; then domains as addresses.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(f"permissions.address_file {path}: {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if words:
            try:
                found.append(_read_line(words))
            except ValueError as error:
                raise ConfigError(f"{path}:{number}: {error}; write {FIELDS}") from error
    singles = [line for line in reversed(found) if line.is_single]
    networks = sorted((line for line in found if line.network and not line.is_single), key=lambda line: line.group)
    domains = [line for line in reversed(found) if line.domain]
    return (*singles, *networks, *domains)


def _read_line(words: list[str]) -> Permitted:
    """Return what the words of a line mean; raises ValueError."""
    group, address, mask, port, tag, *more = (*words, *("",) * (5 - len(words)))
    if more or not address:
        raise ValueError(f"{len(words)} words")
    numbers = (group, mask or "0", port or "0")
    if not all(word.isascii() and word.isdecimal() and len(word) < 10 for word in numbers):
        raise ValueError(f"{' '.join(filter(None, (group, mask, port)))} has something that is no number")
    if int(port or 0) > MAX_PORT:
        raise ValueError("ports end at 65535")
    own = read_ip(address.strip("[]"))
    if own is None:
        return Permitted(int(group), None, address, int(port or 0), tag)
    network = ipaddress.ip_network((own, int(mask or 0) or own.max_prefixlen), strict=False)
    return Permitted(int(group), network, "", int(port or 0), tag)
