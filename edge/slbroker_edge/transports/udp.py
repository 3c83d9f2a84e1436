"""SIP over UDP (RFC 3261 18): one socket for each listen address, drained and filled in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker import inner
from slbroker.config import ListenAddress
from slbroker_edge.transports.binding import open_socket

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from slbroker.inner.pure import Address

BATCH: Final = 128  # datagrams taken in one turn of the loop; the next turn takes the next


class UdpListener:
    """A UDP socket that requests come in on and replies leave from."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        host, port = sock.getsockname()[:2]
        self.name = str(ListenAddress("udp", host, port))

    @classmethod
    def open(cls, address: ListenAddress, *, share_port: bool) -> UdpListener:
        """Listen on `address`, sharing the port with our other processes (SO_REUSEPORT) or not; raise BindError."""
        return cls(open_socket(address, share_port=share_port))

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
