"""The edge's rig with real connections over loopback in front (TCP, TLS, WebSocket), and its own clock behind.

with served() as rig:
    phone = rig.connect()
    phone.say(OPTIONS)
    assert read_reply(phone.hear()).status == 200

No test waits for time to pass. With `transport="tls"` a phone is `rig.call(context)`, with "ws" `rig.websocket()`.
"""

from __future__ import annotations

import select
import socket
import ssl
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Final, Self

from slbroker import Handlers, Reply, Request
from slbroker.listen import ListenAddress
from slbroker.settings.connections import StreamSettings
from slbroker.sip.framer import Framer
from slbroker.tls import server_context
from slbroker_edge.transports.binding import open_socket
from slbroker_edge.transports.connection import Connection
from slbroker_edge.transports.streams import Streams
from slbroker_edge.transports.tls import TlsConnections
from slbroker_edge.transports.websocket import WebSockets
from tests.support.edge import Rig
from tests.support.sip import read_reply, request
from tests.support.timing import within
from tests.support.wsphone import SIP, WsPhone, client

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slbroker.bus.envelope import Answer
    from slbroker.bus.items import Item
    from slbroker.settings.connections import TlsSettings
    from slbroker.settings.dispatch import DispatchSettings

SOON: Final = 0.02  # seconds in which loopback brings what there is
LATE: Final = 5.0
TURN: Final = 0.000_01  # seconds between two turns of the loop, as the rig's clock has them

# A top Via as a peer of each transport writes it.
VIAS: Final = {
    "tcp": "SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK776asdhds;rport",
    "tls": "SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK776asdhds;rport",
    "ws": "SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK776asdhds;rport",
}
VIA: Final = VIAS["tcp"]
OPTIONS: Final = request(via=VIA)

app = Handlers()


@app.on("INVITE")
def refuse(request: Request) -> Reply:
    return request.reply(404, "Nobody Here")


@app.on("SUBSCRIBE")
def busy(request: Request) -> list[Reply]:
    return [request.reply(100), request.reply(489)]


@app.on("PUBLISH")
def long(request: Request) -> Reply:
    return request.reply(200, "OK", body=b"x" * 40_000, headers={"Content-Type": "text/plain"})


@app.on("INFO")
def latin(request: Request) -> Reply:
    return request.reply(200, "OK", body="schön".encode("latin-1"), headers={"Content-Type": "text/plain"})


@app.otherwise
def answer(request: Request) -> Reply:
    source = request.source
    return request.reply(200, "OK", headers={"Subject": f"{source.transport} {source.host} {source.port}"})


def numbered(number: int, method: str = "OPTIONS", via: str = VIA) -> bytes:
    return request(method, via=via, call_id=f"call-{number}")


def series(count: int) -> bytes:
    """Return so many OPTIONS of one length, each a request of its own."""
    return b"".join(request(via=VIA, call_id=f"call-{number:04x}") for number in range(count))


def small(**settings: float) -> StreamSettings:
    """Settings for a test with many connections from one address."""
    return StreamSettings(**{"connections": 1_000, "per_source": 0, **settings})  # type: ignore[arg-type]


class StreamRig(Rig):
    """An edge with a listener for connections of one transport ("tls" and "wss" want `tls`); a context manager."""

    def __init__(
        self,
        streams: StreamSettings | None = None,
        *,
        transport: str = "tcp",
        tls: TlsSettings | None = None,
        host: str = "127.0.0.1",
        most: int = 1_000,
        settings: DispatchSettings | None = None,
    ) -> None:
        super().__init__(settings)
        streams = streams or StreamSettings()
        self.streams = Streams(self.edge, streams, most)
        self.secure = TlsConnections(server_context(tls)) if tls else None
        self.websockets = WebSockets(streams.origins, self.secure)
        makers = {"tcp": Connection, "tls": self.secure, "ws": self.websockets.plain, "wss": self.websockets.secure}
        make = makers[transport]
        assert make is not None, f"{transport} wants a certificate"
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

    def end_at_the_worker(self, end: Callable[[], None]) -> None:
        """Have `end` end a peer's connection while the first request, its own, is at the one worker."""
        (worker,) = self.workers.values()
        respond = worker.respond

        def respond_too_late(item: Item) -> Answer:
            worker.respond = respond
            end()
            self.streams.serve(self.now)
            return respond(item)

        worker.respond = respond_too_late

    def connect(self, sock: socket.socket | None = None) -> Phone:
        """Connect a peer over TCP and let it be accepted, or refused."""
        if sock is None:
            sock = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        self._stack.enter_context(sock)
        sock.connect((self._host, self.port))
        sock.setblocking(False)
        self.settle()
        return Phone(self, sock)

    def begin(self, context: ssl.SSLContext, sock: socket.socket | None = None) -> ssl.SSLSocket:
        """Connect; the TLS handshake is the caller's."""
        plain = self.connect(sock).sock
        tls = context.wrap_socket(plain, do_handshake_on_connect=False, server_hostname="127.0.0.1")
        return self._stack.enter_context(tls)

    def call(self, context: ssl.SSLContext, sock: socket.socket | None = None) -> Phone:
        """Connect and do the TLS handshake; raises what the client finds wrong."""
        tls = self.begin(context, sock)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                self.settle()
                assert select.select([tls], [], [], within(LATE))[0]
            else:
                self.settle()
                return TlsPhone(self, tls)

    def knock(
        self, *, origin: str | None = None, subprotocols: Sequence[str] = SIP, sock: socket.socket | None = None
    ) -> WsPhone:
        """Connect; the WebSocket handshake is the caller's."""
        phone = self.connect(sock)
        phone.sock.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )  # what is sent is there at once, not after an ACK
        return WsPhone(phone, client(self.port, origin, subprotocols))

    def websocket(self, *, origin: str | None = None, sock: socket.socket | None = None) -> WsPhone:
        """Connect and do the WebSocket handshake."""
        phone = self.knock(origin=origin, sock=sock)
        response = phone.shake_hands()
        assert (response.status_code, response.headers["Sec-WebSocket-Protocol"]) == (101, "sip")
        return phone

    def settle(self) -> None:
        """Let the edge take and answer all that is on its way; each turn has a time of its own, as in service."""
        while select.select([self.streams.fileno()], [], [], SOON)[0]:
            self.now += TURN
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


def served(streams: StreamSettings | None = None, **more: Any) -> StreamRig:
    """Return a rig with a worker that runs `app`."""
    rig = StreamRig(streams, **more)
    rig.join(app)
    return rig


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

    def reset(self) -> None:
        """End the connection at once, as a peer does whose process dies; nobody looks yet."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def hang_up(self) -> None:
        """Close the connection."""
        self.sock.close()
        self._rig.settle()


class TlsPhone(Phone):
    """Its socket may have nothing for the reader although it is readable: a session ticket is no data."""

    def read(self) -> bytes:
        while True:
            try:
                return super().read()
            except ssl.SSLWantReadError:
                continue

    def is_silent(self) -> bool:
        self._rig.settle()
        try:
            self.sock.recv(1)
        except ssl.SSLWantReadError:
            return not self._heard
        return False


def is_served(phone: Phone) -> bool:
    """Ask; whether the answer is 200."""
    phone.say(OPTIONS)
    return read_reply(phone.hear()).status == 200
