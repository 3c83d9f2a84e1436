"""SIP over UDP (RFC 3261 18): one socket for each listen address, drained and filled in batches."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from slbroker import inner
from slbroker.config import ListenAddress
from slbroker.errors import BindError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.inner.pure import Address

BATCH: Final = 128  # datagrams taken in one turn of the loop; the next turn takes the next
BUFFER: Final = 4 * 1024 * 1024  # bytes asked of the kernel, which may grant less: a burst waits here


class UdpListener:
    """A UDP socket that requests come in on and replies leave from."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        host, port = sock.getsockname()[:2]
        self.name = str(ListenAddress("udp", host, port))

    @classmethod
    def open(cls, address: ListenAddress, *, share_port: bool) -> UdpListener:
        """Listen on `address`, sharing the port with our other processes (SO_REUSEPORT) or not; raise BindError."""
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if share_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            info = socket.getaddrinfo(address.host, address.port, family, socket.SOCK_DGRAM)
            sock.bind(info[0][4])
        except OSError as error:
            sock.close()
            hint = "is something else listening there?" if error.errno == 98 else "is it an address of this machine?"
            raise BindError(f"cannot listen on {address}: {error.strerror}; {hint}") from error
        sock.setblocking(False)
        return cls(sock)

    def fileno(self) -> int:
        """Return the descriptor, for the loop."""
        return self._socket.fileno()

    def receive(self) -> list[tuple[bytes, Address]]:
        """Return the datagrams that are waiting, at most a batch."""
        return inner.receive_batch(self._socket, BATCH)

    def send(self, replies: Sequence[tuple[bytes, Address]]) -> int:
        """Send each reply to its address; return how many the kernel took."""
        return inner.send_batch(self._socket, replies)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
