"""Settings: frozen, built once by the command line and passed down; and the addresses that people write."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker.errors import ConfigError
from slbroker.sip.retryafter import USUAL as USUAL_RETRY_AFTER
from slbroker.sip.retryafter import RetryAfter
from slbroker.sip.validate import USUAL, Checks

if TYPE_CHECKING:
    from pathlib import Path

    from slbroker.bus.address import BusAddress
    from slbroker.bus.routes import Route

DEFAULT_SIP_PORT = 5060
MAX_PORT = 65_535
TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")
STREAMS = ("tcp", "tls", "ws", "wss")
SECURE = ("tls", "wss")
WEBSOCKETS = ("ws", "wss")
TLS_VERSIONS = ("1.0", "1.1", "1.2", "1.3")
MAX_SERVER = 128  # characters of a Server header: it goes into every reply
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - hosts that stand for all addresses of a family
KEMI = "kemi:"  # begins the name of a plugin that is a KEMI script
# RFC 3261 19.1.2; RFC 7118 leaves WebSocket the ports of the web.
_DEFAULT_PORTS = {"tls": 5061, "ws": 80, "wss": 443}

_match_listen = re.compile(r"([a-z]+):(\[[0-9A-Fa-f:.%\w]+\]|\*|[\w.-]+)(?::([0-9]{1,5}))?", re.ASCII).fullmatch
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


def read_server(text: str) -> str:
    """Return the value of a Server header, "" for the word off; raise ConfigError for what cannot be one."""
    if text == "off":
        return ""
    if not text.strip() or not text.isprintable() or len(text) > MAX_SERVER:
        raise ConfigError(f"server {text!r:.80}: write one line of {MAX_SERVER} characters at most, or off")
    return text.strip()


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What connections to one edge process (TCP, TLS, WebSocket) may do together; times in seconds."""

    connections: int = 16_384  # 10 MB when they are idle over TCP, 250 MB over TLS
    per_source: int = 1_024  # so that one host alone locks nobody out; 0: none, as behind a load balancer
    # RFC 5626 4.4.1: who wants to keep a connection sends something every 120 s. Kamailio and OpenSIPS close their idle
    # connections after 120 s: earlier than we do, so that they never send a request into one that we are closing.
    idle: float = 180.0
    deadline: float = 10.0  # for one message to come whole, a handshake to end, a reply to be read
    origins: tuple[str, ...] = ()  # sites whose pages may open a WebSocket, as `parse_origin` has them; none: all


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The files of TLS listeners, in PEM. A client has to show a certificate when `clients` names who may sign it.

    `ciphers` is OpenSSL's list for TLS 1.2 and older, "" for ours; `oldest` is one of TLS_VERSIONS.
    """

    certificate: Path
    key: Path
    clients: Path | None = None
    ciphers: str = ""
    oldest: str = "1.2"


@dataclass(frozen=True, slots=True)
class DispatchSettings:
    """What an operator may set of the dispatcher; times in seconds."""

    max_waiting: int = 4_096  # requests that wait for credit, for each pool
    max_wait: float = 0.5  # how long one waits: SIP's T1, when an unanswered UDP client repeats itself
    handler_timeout: float = 5.0  # how long a worker may keep a request
    max_tries: int = 2  # workers that get a request before it fails
    heartbeat: float = 0.25  # between two signs of life to every worker
    liveness: float = 10.0  # a worker silent for so long is gone; a blocking handler is silent while it runs
    max_waiting_bytes: int = 16 * 1024 * 1024  # of SIP that waits for credit, for each pool


@dataclass(frozen=True, slots=True)
class Policies:
    """Where requests go, and what an edge does with those that no worker answers."""

    routes: tuple[Route, ...] = ()
    shadow: tuple[str, float] | None = None  # a pool that gets a copy, and how many percent of the calls
    overload_budget: float = 2_000.0  # 503s a second for requests that are shed; those beyond it get no answer
    answer_failures: bool = True  # 500 to a request that no worker answered, else nothing
    drain_notice: float = 0.0  # seconds for which an edge that stops serves on and answers OPTIONS with 503
    retry_after: RetryAfter = USUAL_RETRY_AFTER  # in each 503 of the edge's own
    server: str = ""  # the Server header of all replies that bring none; "" for none


USUAL_POLICIES: Final = Policies()


@dataclass(frozen=True, slots=True)
class BusSecurity:
    """The key files of an encrypted bus. Who binds knows its clients' keys, who connects knows its servers'."""

    key: Path  # our own pair, NAME.key_secret
    clients: Path | None = None  # who may connect: a directory of public keys, or one
    server_keys: tuple[Path, ...] = ()  # of those we connect to: one for all, or one for each, in their order


@dataclass(frozen=True, slots=True)
class BrokerAccess:
    """Where an edge finds brokers, and their public keys: one for all, or one for each in their order."""

    addresses: tuple[BusAddress, ...] = ()
    keys: tuple[Path, ...] = ()


# Seconds; an asyncio loop rounds that up to a whole millisecond after whatever it did last. SIP counts in T1: 0.5 s.
GATHER: Final = 0.0005


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """What one edge process needs to know; times in seconds."""

    listen: tuple[ListenAddress, ...]
    bus: BusAddress
    keys: Path
    ack_window: float
    processes: int = 1
    process: int = 0  # which of them this one is
    dispatch: DispatchSettings = field(default_factory=DispatchSettings)
    policies: Policies = USUAL_POLICIES
    streams: StreamSettings = field(default_factory=StreamSettings)
    tls: TlsSettings | None = None
    checks: Checks = USUAL
    security: BusSecurity | None = None
    brokers: BrokerAccess = field(default_factory=BrokerAccess)
    freebind: bool = False  # listen on addresses that are not there yet
    gather: float = GATHER  # between two looks at a busy UDP socket; 0 to read each datagram as it comes


@dataclass(frozen=True, slots=True)
class HandlerSettings:
    """What one handler process needs to know."""

    bus: tuple[BusAddress, ...]
    keys: Path
    plugin: str
    credit: int
    pool: str = "default"
    security: BusSecurity | None = None
    reload: bool = False  # load the plugin again when its files change
    record: Path | None = None  # append the requests to this file
    max_requests: int = 0  # after which another process takes our place, give or take a tenth; 0: never


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """What an operator may set of a broker; times in seconds."""

    heartbeat: float = 0.25  # between two signs of life, to both sides
    liveness: float = 10.0  # an edge or worker silent for so long is gone
    max_wait: float = 0.5  # how long a batch waits for a worker: as long as a request does at an edge
    offer_interval: float = 0.05  # between two offers of a pool: a hundred workers that start are a few of them
    max_waiting_bytes: int = 64 * 1024 * 1024  # of the batches that wait; what comes beyond goes back at once


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """What one broker process needs to know: where it listens for edges, and where for handlers."""

    edges: BusAddress
    handlers: BusAddress
    relay: RelaySettings = field(default_factory=RelaySettings)
    security: BusSecurity | None = None
