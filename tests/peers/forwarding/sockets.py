"""A client and a server that are sockets of the test, with a forwarding edge between them: to see every byte."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from tests.peers.brokers import free_bus_address, new_keys, start_edge
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.conftest import Start
    from tests.peers.brokers import Edge

QUIET = 0.3  # seconds in which what does not come would have come


class Between:
    """`client`, an edge whose next hop is `server`, both over UDP of 127.0.0.1; use it in a `with` statement.

    With `asks` handlers are asked first, and only what they are not asked for goes on by itself.
    """

    def __init__(self, start: Start, folder: Path, options: Sequence[str] = (), *, asks: bool = False) -> None:
        self._stack = ExitStack()
        self.client = self._socket()
        self.server = self._socket()
        bus = free_bus_address("ipc", folder)
        options = options if asks else ("--route", f"pass={self.hop}", *options)
        self.edge: Edge = start_edge(start, new_keys(folder), bus, options=("--pass", self.hop, *options))

    @property
    def hop(self) -> str:
        """The server's URI."""
        return f"sip:127.0.0.1:{self.server.getsockname()[1]}"

    @property
    def port(self) -> int:
        """The client's."""
        return int(self.client.getsockname()[1])

    def _socket(self) -> socket.socket:
        made = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        made.bind(("127.0.0.1", 0))
        return made

    def send(self, data: bytes) -> None:
        """Let the client send to the edge."""
        self.client.sendto(data, ("127.0.0.1", self.edge.port))

    def answer(self, data: bytes) -> None:
        """Let the server send to the edge."""
        self.server.sendto(data, ("127.0.0.1", self.edge.port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()


def hear(sock: socket.socket, seconds: float = 5.0) -> bytes:
    """What comes next; fails where nothing does."""
    sock.settimeout(within(seconds))
    return sock.recv(65_535)


def hear_all(sock: socket.socket, until: bytes) -> list[bytes]:
    """What comes before a datagram with `until` in it, which has to come."""
    heard: list[bytes] = []
    while until not in (data := hear(sock)):
        heard.append(data)
    return heard
