"""Which hosts and ports are ours: what Kamailio's `alias` and `check_self` are for (RFC 3261 16.3, 16.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from slbroker.errors import ConfigError
from slbroker.listen import default_port
from slbroker.sip.grammar import MAX_PORT
from slbroker.sip.uri import parse_uri, plain_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from slbroker.listen import ListenAddress
    from slbroker.sip.uri import Uri

MAX_KNOWN: Final = 4_096  # hosts of which is kept whether they are ours
_SECURED: Final = {"tcp": "tls", "ws": "wss"}

# Whether a host, in lower case and without brackets, and a port are ours.
Us: TypeAlias = "Callable[[str, int], bool]"


class OurNames:
    """The addresses that an edge listens on, those that it advertises, and names that lead to it."""

    __slots__ = ("_any_port", "_with_port")

    def __init__(self, addresses: Iterable[ListenAddress], aliases: Iterable[str] = ()) -> None:
        """`aliases` are hosts, for every port of theirs, or host:port; IPv6 in brackets. Raises ConfigError."""
        self._with_port: set[tuple[str, int]] = set()
        self._any_port: set[str] = set()
        for address in addresses:
            self.add(address)
        for alias in aliases:
            host, port = _split(alias)
            if port:
                self._with_port.add((host, port))
            else:
                self._any_port.add(host)

    def add(self, address: ListenAddress) -> None:
        """Take in one more address that we listen on."""
        self._with_port.add((plain_host(address.host), address.port))
        if address.advertised:
            host, port = _split(address.advertised)
            self._with_port.add((host, port or address.port))  # as what we write names it

    def __call__(self, host: str, port: int) -> bool:
        """Return whether they are ours."""
        host = plain_host(host)
        return (host, port) in self._with_port or host in self._any_port


class Ours(dict[bytes, bool]):
    """Whether a host, with its port if it has one, is ours, as a sip URI without transport has both; found out once.

    Called, it says what `us` says.
    """

    def __init__(self, us: Us) -> None:
        super().__init__()
        self._us = us

    def __call__(self, host: str, port: int) -> bool:
        """Return whether a host and a port are ours."""
        return self._us(host, port)

    def __missing__(self, place: bytes) -> bool:
        """Find it out."""
        if len(self) >= MAX_KNOWN:
            self.clear()
        uri = parse_uri(b"sip:" + place)
        found = self[place] = self._us(uri.host, port_of(uri))
        return found


def _split(text: str) -> tuple[str, int]:
    """Return host and port, 0 where there is none."""
    host, colon, digits = text.rpartition(":") if text[-1:] != "]" else (text, "", "")
    if not colon:
        host = text
    elif not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 0 < int(digits) <= MAX_PORT):
        raise ConfigError(f"{text!r}: write a host or host:port, IPv6 in brackets")
    if not host or (":" in host and host[0] != "["):
        raise ConfigError(f"{text!r}: write a host or host:port, IPv6 in brackets")
    return plain_host(host), int(digits) if colon else 0


def transport_of(uri: Uri) -> str:
    """Return the transport that a sip or sips URI names, "udp", "tcp", "tls", "ws" or "wss"; "" where it names none.

    sips with transport=tcp is TLS (RFC 3261 26.2.2), with transport=ws secure WebSocket (RFC 7118 5).
    """
    named = (uri.params.get("transport") or "").lower()
    return _SECURED.get(named, named) if uri.scheme == "sips" else named


def port_of(uri: Uri) -> int:
    """Return the port of a sip or sips URI, the default where it names none (RFC 3261 19.1.2)."""
    if uri.port is not None:
        return uri.port
    return default_port(transport_of(uri) or ("tls" if uri.scheme == "sips" else "udp"))
