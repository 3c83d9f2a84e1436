"""The rig with real connections over loopback in front, and its own clock behind: no test waits for time to pass.

rig = StreamRig()
rig.join(app)
phone = rig.connect()
phone.say(request("OPTIONS"))
assert read_reply(phone.hear()).status == 200
"""

from __future__ import annotations

import select
import socket
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Self

from slbroker.config import ListenAddress, StreamSettings
from slbroker.sip.framer import Framer
from slbroker_edge.transports.binding import open_socket
from slbroker_edge.transports.connection import Connection
from slbroker_edge.transports.streams import Streams
from tests.edge.rig import Rig
from tests.support.timing import within

if TYPE_CHECKING:
    from slbroker.config import DispatchSettings
    from slbroker_edge.transports.streams import MakeConnection

SOON = 0.02  # seconds in which loopback brings what there is
LATE = 5.0


class StreamRig(Rig):
    """An edge with a listener for connections; use it in a `with` statement."""

    def __init__(
        self,
        streams: StreamSettings | None = None,
        *,
        transport: str = "tcp",
        make: MakeConnection = Connection,
        host: str = "127.0.0.1",
        most: int = 1_000,
        settings: DispatchSettings | None = None,
    ) -> None:
        super().__init__(settings)
        self.streams = Streams(self.edge, streams or StreamSettings(), most)
        self._host = host
        self._stack = ExitStack()
        self._stack.callback(self.streams.close)
        sock = self._stack.enter_context(open_socket(ListenAddress(transport, host, 0), share_port=False))
        shrink(sock)
        self.port: int = sock.getsockname()[1]
        self.name = self.streams.listen(transport, sock, make)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def connect(self, sock: socket.socket | None = None) -> Phone:
        """Connect a peer and let it be accepted, or refused."""
        if sock is None:
            sock = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        self._stack.enter_context(sock)
        sock.connect((self._host, self.port))
        sock.setblocking(False)
        self.settle()
        return Phone(self, sock)

    def settle(self) -> None:
        """Let the edge take and answer all that is on its way."""
        while select.select([self.streams.fileno()], [], [], SOON)[0]:
            self.streams.serve(self.now)
            self.turn()

    def advance(self, seconds: float) -> None:
        """Let time go by, and connections be looked at."""
        end = self.now + seconds
        while self.now < end:
            super().advance(min(1.0, end - self.now))
            self.streams.sweep(self.now)
            self.turn()

    @property
    def open(self) -> int:
        """How many connections there are."""
        count: int = self.streams.figures()["open"]
        return count

    @property
    def closed(self) -> dict[str, int]:
        """Why connections ended, and how many did. Fails when the counters do not add up."""
        figures = self.streams.figures()
        assert figures["accepted"] == figures["open"] + sum(figures["closed"].values())
        closed: dict[str, int] = figures["closed"]
        return closed


def shrink(sock: socket.socket) -> None:
    """Let the kernel keep little, so that a peer which does not read is soon felt."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, 16_384)


def small_socket() -> socket.socket:
    """A client's socket for IPv4 with small buffers."""
    sock = socket.socket()
    shrink(sock)
    return sock


def tiny_socket() -> socket.socket:
    """One whose kernel takes 4 KB for a peer that does not read.

    A test whose time goes faster than the kernel's has to read all of it at once: of a buffer that is read in part the
    kernel tells the other side only later.
    """
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    return sock


class Phone:
    """A peer of the edge on one connection."""

    def __init__(self, rig: StreamRig, sock: socket.socket) -> None:
        self.sock = sock
        self._rig = rig
        self._framer = Framer()
        self._heard: list[bytes] = []

    @property
    def address(self) -> tuple[str, int]:
        """Where it calls from."""
        host, port = self.sock.getsockname()[:2]
        return host, port

    def say(self, data: bytes) -> None:
        """Send all of it and let the edge answer."""
        while data:
            with suppress(BlockingIOError):
                data = data[self.sock.send(data) :]
            self._rig.settle()

    def read(self) -> bytes:
        """Whatever bytes have come; b"" for the end of the connection. Fails when there is neither."""
        self._rig.settle()
        readable, _, _ = select.select([self.sock], [], [], within(LATE))
        assert readable, "nothing has come"
        return self.sock.recv(1_000_000)

    def hear(self) -> bytes:
        """The next message."""
        while not self._heard:
            data = self.read()
            assert data, "the connection has ended"
            self._heard += self._framer.feed(data, 0.0)
        return self._heard.pop(0)

    @property
    def pongs(self) -> int:
        """How many line ends have come, two of them as one, so far."""
        return self._framer.pings

    def is_silent(self) -> bool:
        """Whether nothing has come, not even the end."""
        self._rig.settle()
        return not self._heard and not select.select([self.sock], [], [], 0)[0]

    def is_cut(self) -> bool:
        """Whether the connection has ended, with nothing in it that was not read."""
        try:
            return self.read() == b""
        except ConnectionResetError:
            return True

    def hang_up(self) -> None:
        """Close the connection."""
        self.sock.close()
        self._rig.settle()
