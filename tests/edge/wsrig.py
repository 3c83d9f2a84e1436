"""The rig with WebSockets in front, secure ones where there are certificates, and handlers behind.

phone = call(rig)
phone.say(request("OPTIONS"))
assert read_reply(phone.hear()).status == 200
"""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING

import pytest

from slbroker import Handlers, Reply, Request
from slbroker.config import StreamSettings, TlsSettings
from slbroker.tls import server_context
from slbroker_edge.transports.tls import TlsConnections
from slbroker_edge.transports.websocket import WebSockets
from tests.edge.streamrig import SOON, StreamRig
from tests.edge.wsphone import SIP, WsPhone, client
from tests.support.sip import request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TURN = 0.000_01  # seconds between two turns of the loop

VIA = "SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK776asdhds;rport"
OPTIONS = request(via=VIA)

app = Handlers()


@app.on("INVITE")
def refuse(request: Request) -> Reply:
    return request.reply(404, "Nobody Here")


@app.on("SUBSCRIBE")
def busy(request: Request) -> list[Reply]:
    return [request.reply(100), request.reply(489)]


@app.on("MESSAGE")
def long(request: Request) -> Reply:
    return request.reply(200, "OK", body=b"x" * 40_000, headers={"Content-Type": "text/plain"})


@app.on("INFO")
def latin(request: Request) -> Reply:
    return request.reply(200, "OK", body="schön".encode("latin-1"), headers={"Content-Type": "text/plain"})


@app.otherwise
def answer(request: Request) -> Reply:
    source = request.source
    return request.reply(200, "OK", headers={"Subject": f"{source.transport} {source.host} {source.port}"})


def numbered(number: int, method: str = "OPTIONS") -> bytes:
    return request(method, via=VIA, call_id=f"call-{number}")


def small(**settings: float) -> StreamSettings:
    return StreamSettings(**{"connections": 1_000, "per_source": 0, **settings})  # type: ignore[arg-type]


class WsRig(StreamRig):
    """A rig whose connections are WebSockets, secure ones where there are certificates."""

    def __init__(
        self, streams: StreamSettings | None = None, tls: TlsSettings | None = None, most: int = 1_000
    ) -> None:
        streams = streams or StreamSettings()
        self.makers = WebSockets(streams.origins, TlsConnections(server_context(tls)) if tls else None)
        make = self.makers.secure if tls else self.makers.plain
        super().__init__(streams, transport="wss" if tls else "ws", make=make, most=most)

    def settle(self) -> None:
        """Let the edge take and answer all that is on its way; each turn has a time of its own, as in service."""
        while select.select([self.streams.fileno()], [], [], SOON)[0]:
            self.now += TURN
            self.streams.serve(self.now)
            self.turn()


@pytest.fixture
def rig() -> Iterator[WsRig]:
    """A rig with a worker. A test module that says `rig = wsrig.rig` has it."""
    with WsRig() as made:
        made.join(app)
        yield made


def knock(
    rig: StreamRig, *, origin: str | None = None, subprotocols: Sequence[str] = SIP, sock: socket.socket | None = None
) -> WsPhone:
    """Connect; the handshake is the caller's."""
    phone = rig.connect(sock)
    phone.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is sent is there at once, not after an ACK
    return WsPhone(phone, client(rig.port, origin, subprotocols))


def call(rig: StreamRig, *, origin: str | None = None, sock: socket.socket | None = None) -> WsPhone:
    """Connect and do the handshake."""
    phone = knock(rig, origin=origin, sock=sock)
    response = phone.shake_hands()
    assert (response.status_code, response.headers["Sec-WebSocket-Protocol"]) == (101, "sip")
    return phone
