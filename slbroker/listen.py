"""Listen addresses as people write them, where peers reach them, and whose pages may connect."""

from __future__ import annotations

import ipaddress
import re
from functools import partial
from typing import NamedTuple

from slbroker.errors import ConfigError
from slbroker.sip.grammar import MAX_PORT

DEFAULT_SIP_PORT = 5060
TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")
STREAMS = ("tcp", "tls", "ws", "wss")
SECURE = ("tls", "wss")
WEBSOCKETS = ("ws", "wss")
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - hosts that stand for all addresses of a family
# RFC 3261 19.1.2; RFC 7118 leaves WebSocket the ports of the web.
_DEFAULT_PORTS = {"tls": 5061, "ws": 80, "wss": 443}

_match_listen = re.compile(r"([a-z]+):(\[[0-9A-Fa-f:.%\w]+\]|\*|[\w.-]+)(?::([0-9]{1,5}))?", re.ASCII).fullmatch
_join_advertise = partial(re.compile(r"\s+advertise\s+").sub, "\0")
_split_advertise = re.compile(r"\s+advertise(?:\s+|\Z)").split
_match_advertised = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+)(?::([0-9]{1,5}))?", re.ASCII).fullmatch
_match_origin = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#@\s]+").fullmatch


class _ListenParts(NamedTuple):
    transport: str
    host: str
    port: int


class ListenAddress(_ListenParts):
    """Where to listen, in Kamailio's form `proto:host:port`; `host` is without brackets.

    `advertised` is where peers reach it, if that is elsewhere: a host, in brackets if it is IPv6, and maybe its port.
    It is no part of the address: two are equal whatever is advertised for them.
    """

    advertised = ""

    def advertising(self, where: str) -> ListenAddress:
        """Return the same address, with another `advertised`."""
        address = ListenAddress(*self)
        address.advertised = where
        return address

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


def default_port(transport: str) -> int:
    """Return the port that SIP has where none is said."""
    return _DEFAULT_PORTS.get(transport, DEFAULT_SIP_PORT)


def parse_listen_address(text: str) -> ListenAddress:
    """Return the address that `text` writes; raise ConfigError for any other form. `*` is every IPv4 address.

    Kamailio's `udp:10.0.0.1:5060 advertise 203.0.113.5:5060` says where peers reach it.
    """
    text, *advertised = _split_advertise(text, 1)
    found = _match_listen(text)
    port = int(found[3]) if found and found[3] else default_port(found[1] if found else "")
    if found is None or port > MAX_PORT:
        raise ConfigError(f"listen address {text!r}: write proto:host:port, such as udp:127.0.0.1:5060, udp:[::1]:5060")
    if found[1] not in TRANSPORTS:
        raise ConfigError(f"listen address {text!r}: transport {found[1]} is none of {', '.join(TRANSPORTS)}")
    host = found[2].strip("[]")
    if host.isdigit():  # 5060 is a way to write 0.0.19.196, which nobody means
        raise ConfigError(f"listen address {text!r}: {host} is no host; write {found[1]}:127.0.0.1:{found[3] or host}")
    host = EVERYWHERE[0] if host == "*" else _as_the_kernel_writes(host)
    address = ListenAddress(found[1], host, port)
    return address.advertising(parse_advertised(advertised[0])) if advertised else address


def split_addresses(text: str) -> list[str]:
    """Return the listen addresses of an environment variable, with blanks between them; what each advertises stays."""
    return [word.replace("\0", " advertise ") for word in _join_advertise(text).split()]


def parse_advertised(text: str) -> str:
    """Return the host, and the port if there is one, that peers are to be told; raise ConfigError for what is none."""
    found = _match_advertised(text.strip())
    if found is None or found[1].strip("[]") in EVERYWHERE or (found[2] and not 0 < int(found[2]) <= MAX_PORT):
        raise ConfigError(f"advertise {text!r}: write where peers reach this host, such as 203.0.113.5:5060")
    return found[0]


def advertise(listen: tuple[ListenAddress, ...], given: tuple[str, ...]) -> tuple[ListenAddress, ...]:
    """Return listen addresses with what `--advertise` says of them: HOST[:PORT], of all, or TRANSPORT:HOST[:PORT].

    What is said of a listen address itself counts first, then of its transport. Raises ConfigError.
    """
    told: dict[str, str] = {}
    for text in given:
        transport, colon, rest = text.partition(":")
        if transport not in TRANSPORTS or not colon:
            transport, rest = "", text
        elif transport not in {address.transport for address in listen}:
            raise ConfigError(f"advertise {text!r}: nothing listens on {transport}")
        where = parse_advertised(rest)
        if told.setdefault(transport, where) != where:
            raise ConfigError(f"advertise {text!r}: it is {told[transport]} already; say it behind each --listen")
    return tuple(
        address.advertising(address.advertised or told.get(address.transport) or told.get("", "")) for address in listen
    )


def _as_the_kernel_writes(host: str) -> str:
    """Return an address in the form that names of sockets have; a name stays."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host


def parse_origin(text: str) -> str:
    """Return the site whose pages may connect over WebSocket, as browsers name it (RFC 6454 6.2); raise ConfigError.

    The word "none" stands for clients that name no site, as programs outside a browser do.
    """
    if text not in ("none", "null") and not _match_origin(text):
        raise ConfigError(
            f"origin {text!r}: write scheme://host or scheme://host:port, such as https://phone.example.com"
        )
    return text.lower()
