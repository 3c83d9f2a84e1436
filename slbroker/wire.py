"""What a client sends over and hears from: a UDP socket, a TCP connection, a TLS connection. For `slbroker ping`."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeAlias

from slbroker.errors import ConfigError
from slbroker.sip.framer import Framer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from slbroker.listen import ListenAddress

MOST = 65_535  # bytes of a message


class Wire(Protocol):
    """One way to a server, open already."""

    reliable: bool  # nothing is lost on the way, so nothing is sent again (RFC 3261 17.1.2.2)

    @property
    def here(self) -> tuple[str, int]:
        """Return our own host and port."""

    def send(self, request: bytes) -> None:
        """Send it; raises OSError."""

    def receive(self, seconds: float) -> bytes | None:
        """Return a message if one comes within `seconds`; raises OSError."""

    def close(self) -> None:
        """Let go of it."""


Place: TypeAlias = "tuple[socket.AddressFamily, tuple[object, ...]]"


def look_up(address: ListenAddress) -> list[Place]:
    """Return family and socket address of a server, all that its name has; raise ConfigError for an unknown host."""
    kind = socket.SOCK_DGRAM if address.transport == "udp" else socket.SOCK_STREAM
    try:
        found = socket.getaddrinfo(address.host, address.port, type=kind)
    except UnicodeError as error:
        raise ConfigError(f"{address.host}: no host can have that name") from error
    except OSError as error:
        raise ConfigError(f"{address.host}: {error.strerror}") from error
    return [(family, there) for family, _, _, _, there in found]


class SocketWire:
    """What the wires have in common: one socket."""

    def __init__(self, family: socket.AddressFamily, kind: socket.SocketKind) -> None:
        self._socket = socket.socket(family, kind)

    @property
    def here(self) -> tuple[str, int]:
        """Return our own host and port."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    @contextmanager
    def _closing_on_failure(self) -> Iterator[None]:
        """For a constructor that may fail: nobody else could close the socket then."""
        try:
            yield
        except OSError:
            self.close()
            raise


class UdpWire(SocketWire):
    """A UDP socket that hears one server only."""

    reliable = False

    def __init__(self, place: Place) -> None:
        """Raise OSError where there is no way to that address."""
        super().__init__(place[0], socket.SOCK_DGRAM)
        with self._closing_on_failure():
            self._socket.connect(place[1])

    def send(self, request: bytes) -> None:
        """Send it; raises ConnectionRefusedError when ICMP has said that nobody listens there."""
        self._socket.send(request)

    def receive(self, seconds: float) -> bytes | None:
        """Return a datagram if one comes within `seconds`; raises as `send` does."""
        self._socket.settimeout(max(seconds, 0.001))
        try:
            return self._socket.recv(MOST)
        except TimeoutError:
            return None


class StreamWire(SocketWire):
    """A TCP connection, with TLS on it where a context is given."""

    reliable = True

    def __init__(self, place: Place, timeout: float, tls: ssl.SSLContext | None = None, host: str = "") -> None:
        """Connect within `timeout` seconds; `host` is whom the certificate has to name. Raises OSError."""
        super().__init__(place[0], socket.SOCK_STREAM)
        self._framer = Framer()
        self._waiting: list[bytes] = []
        with self._closing_on_failure():
            self._socket.settimeout(timeout)
            self._socket.connect(place[1])
            if tls is not None:
                self._socket = tls.wrap_socket(self._socket, server_hostname=host)

    def send(self, request: bytes) -> None:
        """Send it."""
        self._socket.sendall(request)

    def receive(self, seconds: float) -> bytes | None:
        """Return the next message if it comes within `seconds`; raises OSError, as when the connection ends."""
        deadline = time.monotonic() + seconds
        while not self._waiting:
            if not self._read(deadline):
                return None
        return self._waiting.pop(0)

    def _read(self, deadline: float) -> bool:
        """Take what comes before `deadline`; return whether something did."""
        self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            data = self._socket.recv(MOST)
        except TimeoutError:
            return False
        self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        """Look for messages in what has come; raise ConnectionError where there will be none."""
        self._waiting += self._framer.feed(data, 0.0)
        if not data or self._framer.fault is not None:
            raise ConnectionError("the connection was closed" if not data else "what answers is no SIP")
