"""All connections of one edge process, over TCP and TLS: accepted, watched and ended here, with one epoll for all.

The loop watches this epoll like one more socket. So a connection costs a few hundred bytes and no callback of its own,
and what many of them bring in one turn of the loop goes to the workers as one batch.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import secrets
import select
import socket
import struct
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol

from slbroker_edge.transports.binding import is_everywhere, name_of, namer
from slbroker_edge.transports.connection import LIMIT, MOST, NOTHING, READ, STOP, WRITE, Connection
from slbroker_edge.transports.siblings import NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from slbroker.settings.connections import StreamSettings
    from slbroker.sip.reading import Address
    from slbroker_edge.edge import Edge

logger = logging.getLogger(__name__)

EVENTS: Final = 64  # connections served in one turn of the loop; the next turn serves the next
ROOM: Final = 262_144  # bytes taken in one turn, shared by them: some 5 ms of parsing, then it is UDP's turn
PARTS: Final = 256  # connections closed, or looked at for that, in one turn at the end: a TLS alert takes 50 us
ACCEPTS: Final = 64  # connections accepted in one turn
MAX_HELD: Final = 67_108_864  # bytes of half messages and unread replies kept for all; honest peers send whole ones
SWEEP: Final = 0.5  # seconds between two looks at what is overdue
PAUSE: Final = 1.0  # seconds without accepting when the system has no more to give
SAY_AGAIN: Final = 10.0  # seconds between two log lines that say the same

_SHORTAGES: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_ABORT: Final = struct.pack("ii", 1, 0)  # SO_LINGER: a refused connection leaves nothing behind, not even TIME_WAIT


class MakeConnection(Protocol):
    """Makes the connection out of an accepted socket."""

    def __call__(self, sock: socket.socket, address: Address, name: str, hub: Streams) -> Connection:
        """Return it; nothing has been read from it yet."""


class Streams:
    """The connections of one process, and the sockets they are accepted from."""

    def __init__(self, edge: Edge, settings: StreamSettings, most: int, process: int = 0) -> None:
        """`most` connections fit into this process, number `process` of its edge; `settings` may want fewer."""
        self.edge = edge
        self.settings = settings
        self.now = 0.0
        self.turn = 0
        self.label = b"%0*x%b" % (NUMBER, process, secrets.token_hex(4).encode())
        self._numbered = 0
        self._dialled = 0
        self._listening: list[tuple[socket.socket, str, str]] = []
        self._most = min(most, settings.connections)
        self._epoll = select.epoll()
        self._listeners: dict[int, tuple[socket.socket, Callable[[socket.socket], str], MakeConnection]] = {}
        self._connections: dict[int, Connection] = {}
        self._sources: dict[str | int, int] = {}
        self._parting: list[Connection] = []  # those that are yet to be looked at, at the end
        self._held = 0
        self._accepted = 0
        self._refused = 0
        self._closed: dict[str, int] = {}
        self._accept_again = 0.0  # when to accept again after a shortage; 0.0 when there is none
        self._next_sweep = 0.0
        self._silent_until: dict[str, float] = {}

    def listen(self, transport: str, sock: socket.socket, make: MakeConnection, advertised: str = "") -> str:
        """Accept connections from `sock`; return its name in Kamailio's form. `advertised` is as `name_of` has it."""
        self._listeners[sock.fileno()] = (sock, namer(transport, sock, advertised), make)
        self._listening.append((sock, advertised, transport))
        self._epoll.register(sock.fileno(), READ)
        return name_of(transport, *sock.getsockname()[:2], advertised)

    def fileno(self) -> int:
        """Return the epoll's descriptor, for the loop."""
        return self._epoll.fileno()

    @property
    def sockets(self) -> list[socket.socket]:
        """The sockets that connections are accepted from."""
        return [listener for listener, _name, _make in self._listeners.values()]

    # A turn of the loop -----------------------------------------------------------------------------------------

    def serve(self, now: float) -> int:
        """Take what connections have brought, and new connections; return how many had something, EVENTS at most."""
        self.now = now
        self.turn += 1
        ready = self._epoll.poll(0, EVENTS)
        if not ready:
            return 0
        room = min(ROOM // len(ready), MOST)
        knocking = []
        for fd, events in ready:
            connection = self._connections.get(fd)
            if connection is not None:
                connection.on_events(events, room)
            else:
                knocking.append(fd)
        for fd in knocking:  # last: a descriptor that was closed above may come back as another connection's
            if fd in self._listeners:
                self._accept(*self._listeners[fd])
        return len(ready)

    def _accept(self, listener: socket.socket, name: Callable[[socket.socket], str], make: MakeConnection) -> None:
        for _ in range(ACCEPTS):
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _SHORTAGES:
                    self._pause(error)
                    return
                continue  # this one was gone before it was accepted
            sock.setblocking(False)
            if self._admits(address[0]):
                self._add(make(sock, address, name(sock), self))
            else:
                self._refused += 1
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
                sock.close()

    def dial(self, address: Address, own: str, make: Callable[[socket.socket], Connection], now: float) -> Connection:
        """Return a connection to an address that `make` makes of a socket, on its way; `own` is our host, "" any one.

        Raises OSError where it cannot be had, which is known at once.
        """
        if len(self._connections) >= self._most:
            raise OSError(errno.EMFILE, f"{self._most} connections are open (--tcp-connections)")
        self.now = now
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if own:
                sock.bind((own, 0))
            error = sock.connect_ex(address)
            if error not in (0, errno.EINPROGRESS):
                raise OSError(error, os.strerror(error))
        except OSError:
            sock.close()
            raise
        source = _source_of(address[0])
        self._sources[source] = self._sources.get(source, 0) + 1
        self._dialled += 1
        connection = make(sock)
        self._add(connection, WRITE)
        return connection

    def name_for(self, transport: str, sock: socket.socket) -> str:
        """Return the listen address that our Via names on a connection which we have made.

        Peers connect to it when this one is gone. Where nothing listens on that transport it is the connection's own.
        """
        host, port = sock.getsockname()[:2]
        mine = [one for one in self._listening if one[2] == transport and one[0].family == sock.family]
        for listener, advertised, _ in mine:
            if is_everywhere(listener) or listener.getsockname()[0] == host:
                return name_of(transport, host, listener.getsockname()[1], advertised)
        for listener, advertised, _ in mine:  # the routes have it leave from another address of ours
            at, its_port = listener.getsockname()[:2]
            if ipaddress.ip_address(at).is_loopback == ipaddress.ip_address(host).is_loopback:
                return name_of(transport, at, its_port, advertised)
        return name_of(transport, host, port)

    def names(self, transport: str, host: str, own: Callable[[str], str]) -> list[str]:
        """Return the listen addresses of a transport that a host may have connected to.

        `own` says which address of ours what goes to a host leaves from; that counts where we listen on all of them.
        """
        found = []
        for listener, advertised, listens in self._listening:
            at, port = listener.getsockname()[:2]
            if listens == transport and (":" in at) is (":" in host):
                found.append(name_of(transport, (own(host) or at) if is_everywhere(listener) else at, port, advertised))
        return found

    def _add(self, connection: Connection, events: int = READ) -> None:
        self._numbered += 1
        connection.number = self._numbered
        self._connections[connection.fd] = connection
        try:
            self._epoll.register(connection.fd, events)
        except OSError as error:  # the kernel watches no more for this user
            connection.close(LIMIT)
            self._pause(error)

    def _admits(self, host: str) -> bool:
        """Count a connection from `host` in, if there is room for it."""
        if len(self._connections) >= self._most:
            self._say("refusing connections: %d are open (--tcp-connections)", self._most)
            return False
        source = _source_of(host)
        open_here = self._sources.get(source, 0)
        if open_here >= self.settings.per_source > 0:
            self._say("refusing connections from %s: it has %d (--tcp-per-source; 0 is no limit)", host, open_here)
            return False
        self._sources[source] = open_here + 1
        self._accepted += 1
        return True

    def _pause(self, error: OSError) -> None:
        """Accept nothing for a while: the loop would only be told of the same connection again, without end."""
        self._say("cannot accept connections: %s", error.strerror)
        self._accept_again = self.now + PAUSE
        for fd in self._listeners:
            self._epoll.modify(fd, NOTHING)

    def _say(self, line: str, *values: object) -> None:
        """Log a line that could come often."""
        if self.now >= self._silent_until.get(line, 0.0):
            self._silent_until[line] = self.now + SAY_AGAIN
            logger.warning(line, *values)

    def standing(self, name: bytes) -> Connection | None:
        """Return the connection that is called so, None where it no longer stands."""
        if not name.startswith(self.label):
            return None
        connection = self._connections.get(int(name[len(self.label) :].partition(b"x")[0], 16))
        return connection if connection is not None and connection.connection == name else None

    # What connections ask for -----------------------------------------------------------------------------------

    def watch(self, fd: int, events: int) -> None:
        """Wait for these events of a connection from now on."""
        self._epoll.modify(fd, events)

    def holds(self, more: int) -> bool:
        """Note that a connection keeps so many bytes more (or less); return False when that is too much in all."""
        self._held += more
        return self._held <= MAX_HELD

    def forget(self, connection: Connection, reason: str) -> None:
        """Count a connection that has ended; closing its descriptor takes it out of the epoll."""
        del self._connections[connection.fd]
        self._closed[reason] = self._closed.get(reason, 0) + 1
        source = _source_of(connection.address[0])
        left = self._sources[source] - 1
        if left:
            self._sources[source] = left
        else:
            del self._sources[source]

    # Time -------------------------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """Close what is overdue. To be called often; it looks at all connections, but not each time."""
        self.now = now
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP
        for connection in [late for late in self._connections.values() if late.due <= now]:
            connection.expire()
        if 0.0 < self._accept_again <= now:
            self._accept_again = 0.0
            for fd in self._listeners:
                self._epoll.modify(fd, READ)

    # The end ----------------------------------------------------------------------------------------------------

    @property
    def unsent(self) -> bool:
        """Return whether some peer has yet to read its replies."""
        return any(connection.unsent for connection in self._connections.values())

    def leave(self, sockets: Collection[socket.socket]) -> None:
        """Leave the connections that wait at some sockets to the other process that has these."""
        for fd in [fd for fd, (listener, _name, _make) in self._listeners.items() if listener in sockets]:
            self._epoll.unregister(fd)  # closing it is not enough, as long as another process has it
            self._listeners.pop(fd)[0].close()
        self._listening = [each for each in self._listening if each[0] not in sockets]

    def close_listeners(self) -> None:
        """Accept no more connections."""
        for listener, _, _ in self._listeners.values():
            listener.close()
        self._listeners.clear()
        self._listening.clear()

    def part(self, now: float) -> bool:
        """Close the connections on which nothing is under way; return whether none is left. The others go on."""
        self.now = now
        self._parting = self._parting or list(self._connections.values())
        for connection in self._parting[:PARTS]:
            connection.part()
        del self._parting[:PARTS]
        return not self._connections

    def stop(self) -> None:
        """Accept no more connections, and take no more requests from those there are."""
        self.close_listeners()
        for connection in list(self._connections.values()):
            connection.stop()

    def close(self) -> None:
        """Close everything."""
        self.stop()
        for connection in list(self._connections.values()):
            connection.close(STOP)
        self._epoll.close()

    def figures(self) -> dict[str, Any]:
        """Return the counters: accepted and dialled == open + all of closed."""
        return {
            "open": len(self._connections),
            "accepted": self._accepted,
            **({"dialled": self._dialled} if self._dialled else {}),
            "refused": self._refused,
            "closed": dict(self._closed),
        }

    def transports(self) -> dict[str, int]:
        """Return how many connections are open, by transport."""
        return Counter(connection.name.partition(":")[0] for connection in self._connections.values())


@lru_cache(maxsize=1_024)
def _source_of(host: str) -> str | int:
    """Return what one peer cannot change about its address: all of IPv4, of IPv6 the network (RFC 6177: a /64)."""
    if ":" not in host:
        return host
    return int(ipaddress.IPv6Address(host)) >> 64
