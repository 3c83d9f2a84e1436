"""Finding where a peer of the bus can be reached, without libzmq.

libzmq resolves a name in its one I/O thread, which serves all sockets of the process meanwhile not at all; it takes the
first address that it is told, never another one, and says nothing of what went wrong. So names are resolved here, in a
thread of their own, every address is tried, and ZeroMQ gets numbers.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slbroker.bus.address import BusAddress

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT: Final = 1.0  # seconds for each address; a host that is there answers a SYN in less
MAX_ADDRESSES: Final = 16  # of one name that are tried
_NO_SUCH_NAME: Final = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
_NO_LINGER: Final = struct.pack("ii", 1, 0)
_PORTS: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_RESERVED: Final = Path("/proc/sys/net/ipv4/ip_local_reserved_ports")


class Found(NamedTuple):
    """Where a peer takes connections, in numbers; or None, and why not, in words."""

    address: BusAddress | None
    cause: str = ""
    is_grave: bool = False  # waiting will not mend it: an unknown host, a path that is closed to us


def is_name(address: BusAddress) -> bool:
    """Return whether the host of `address` has to be resolved: it is neither a number nor a socket file nor "*"."""
    if address.path or address.host == "*":
        return False
    try:
        ipaddress.ip_address(address.host.strip("[]"))
    except ValueError:
        return True
    return False


def resolve(address: BusAddress) -> list[BusAddress]:
    """Return the addresses that the name in `address` has now, in the system's order; raise OSError (gaierror).

    Blocks for as long as the system's resolver likes.
    """
    found = socket.getaddrinfo(address.host.strip("[]"), address.port, type=socket.SOCK_STREAM)
    hosts = dict.fromkeys(_host_of(family, where) for family, *_, where in found)
    return [address._replace(host=host) for host in list(hosts)[:MAX_ADDRESSES]]


def _host_of(family: int, where: Sequence[object]) -> str:
    return f"[{where[0]}]" if family == socket.AF_INET6 else str(where[0])


def find(address: BusAddress) -> Found:
    """Connect to each address of `address` in turn, and hang up; return the first that took us.

    Blocks: for the resolver's time, and up to a second for each address.
    """
    if address.path:
        return _knock(address)
    try:
        places = resolve(address) if is_name(address) else [address]
    except OSError as error:
        return _unresolved(address, error)
    causes = []
    for place in places:
        found = _knock(place)
        if found.address is not None:
            return found
        causes.append(found.cause if len(places) == 1 else f"{place.host}: {found.cause}")
    return Found(None, ", ".join(causes))


def _unresolved(address: BusAddress, error: OSError) -> Found:
    if error.errno in _NO_SUCH_NAME:
        return Found(None, f"unknown host {address.host}", is_grave=True)
    if error.errno == socket.EAI_AGAIN:
        return Found(None, f"no name server answers for {address.host}", is_grave=True)
    return Found(None, f"{address.host}: {error.strerror or error}", is_grave=True)


def _knock(place: BusAddress) -> Found:
    """Try one address."""
    try:
        with _socket_for(place) as probe:
            probe.settimeout(CONNECT_TIMEOUT)
            probe.connect(place.path or _sockaddr(place))
            # A port from which the kernel takes those of clients may be given to us, and we then are both ends.
            if not place.path and probe.getsockname() == probe.getpeername():
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)  # which frees the port at once
                return Found(None, "connection refused")
    except TimeoutError:
        return Found(None, "it does not answer")
    except BlockingIOError:  # a socket file whose owner is stopped or busy: it is there
        return Found(place)
    except OSError as error:
        return Found(None, _in_words(place, error), is_grave=error.errno in (errno.EACCES, errno.EPERM))
    return Found(place)


def _socket_for(place: BusAddress) -> socket.socket:
    family = socket.AF_UNIX if place.path else socket.AF_INET6 if place.host.startswith("[") else socket.AF_INET
    return socket.socket(family, socket.SOCK_STREAM)


def _sockaddr(place: BusAddress) -> tuple[object, ...]:
    ((_family, _kind, _protocol, _name, where), *_) = socket.getaddrinfo(
        place.host.strip("[]"), place.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )
    return where


def _in_words(place: BusAddress, error: OSError) -> str:
    if place.path and error.errno == errno.ENOENT:
        return "there is no such socket file"
    if place.path and error.errno == errno.ECONNREFUSED:
        return "nobody listens at that socket file"
    return (error.strerror or str(error)).lower()


def find_within(address: BusAddress, seconds: float) -> Found:
    """Run `find`, and wait for it for so long at most: a resolver cannot be interrupted."""
    outcome: list[Found] = []
    search = threading.Thread(target=lambda: outcome.append(find(address)), daemon=True)
    search.start()
    search.join(seconds)
    return outcome[0] if outcome else Found(None, f"{address.host} is not resolved within {seconds:g} s", is_grave=True)


class Search:
    """Runs `find` beside the loop, in a thread that nobody waits for: a resolver cannot be interrupted."""

    def __init__(self, address: BusAddress, on_found: Callable[[Found], None]) -> None:
        """`on_found` is called in the loop with what came of each search, unless `close` was called before."""
        self._address = address
        self._on_found = on_found
        self._loop = asyncio.get_running_loop()
        self._is_closed = False
        self.is_running = False

    def begin(self) -> None:
        """Search, unless a search is going on."""
        if not self.is_running:
            self.is_running = True
            threading.Thread(target=self._run, name=f"search {self._address}", daemon=True).start()

    def _run(self) -> None:
        found = find(self._address)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._tell, found)

    def _tell(self, found: Found) -> None:
        self.is_running = False
        if not self._is_closed:
            self._on_found(found)

    def close(self) -> None:
        """Tell nothing more."""
        self._is_closed = True


def is_client_port(address: BusAddress) -> bool:
    """Return whether `address` has a port that the kernel gives to clients, any of which may then have it."""
    if address.path:
        return False
    try:
        first, last = map(int, _PORTS.read_text().split())
        reserved = _RESERVED.read_text().strip()
    except (OSError, ValueError):
        return False
    return first <= address.port <= last and not _is_in(address.port, reserved)


def warn_of_client_port(address: BusAddress) -> None:
    """Warn of a bus that a client may keep from its port."""
    if is_client_port(address):
        logger.warning(
            "bus %s: Linux gives port %d to clients, any of which may have it when the bus is to be bound; choose one"
            " below %s, or reserve it: sysctl net.ipv4.ip_local_reserved_ports=%d",
            address, address.port, _PORTS.read_text().split()[0], address.port,
        )  # fmt: skip


def _is_in(port: int, ranges: str) -> bool:
    """Return whether `ranges`, as the kernel writes them (5590,6000-6010), have the port."""
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        if int(first) <= port <= int(last or first):
            return True
    return False
