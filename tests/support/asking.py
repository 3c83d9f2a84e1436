"""Clients that ask an edge on one of its addresses and take the answer from there only, over each transport."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from tests.support.sip import read_reply, request
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sip import Value

LISTEN: Final = b"X-Listen"
# A plugin that says which socket it thinks that it was asked on.
PLUGIN: Final = """
import asyncio

from slbroker import Handlers

app = Handlers()


@app.on("SUBSCRIBE")
async def late(request):
    await asyncio.sleep(0.1)
    return request.reply(202, headers={"X-Listen": request.listen})


@app.on("OPTIONS")
def answer(request):
    return request.reply(200, headers={"X-Listen": request.listen})


@app.on("MESSAGE")
def fail(request):
    raise RuntimeError("on purpose")
"""


def _bracketed(host: str) -> str:
    return f"[{host.partition('%')[0]}]" if ":" in host else host


def name(transport: str, host: str, port: int) -> str:
    """What `request.listen` should be."""
    return f"{transport}:{_bracketed(host)}:{port}"


def options(transport: str = "udp", method: str = "OPTIONS", **headers: Value) -> bytes:
    """A request whose reply goes where it came from."""
    return request(method, **({"via": f"SIP/2.0/{transport.upper()} a.invalid;rport;branch=z9hG4bK1"} | headers))  # type: ignore[arg-type]


def connected(host: str, port: int, source: str = "") -> socket.socket:
    """A UDP client that takes a reply from the address it asked and from no other, as NAT and most phones do."""
    family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    sock = socket.socket(family, kind)
    if source:
        sock.bind((source, 0))
    sock.connect(where)
    sock.settimeout(within(5.0))
    return sock


def answer(sock: socket.socket, data: bytes) -> tuple[int, str]:
    """Send a request on a connected socket; return the reply's status, and the socket that its handler read."""
    sock.sendall(data)
    reply = read_reply(sock.recv(65_535))
    return reply.status, (reply.all(LISTEN) or [b""])[0].decode()


def ask(transport: str, host: str, port: int) -> tuple[int, str]:
    """Send one OPTIONS to an address; return what `answer` does."""
    return _ASKS[transport](host, port, options(transport))


def _ask_udp(host: str, port: int, data: bytes) -> tuple[int, str]:
    with connected(host, port) as sock:
        return answer(sock, data)


def _ask_tcp(host: str, port: int, data: bytes) -> tuple[int, str]:
    with socket.create_connection((host, port), timeout=within(5.0)) as sock:
        return answer(sock, data)


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _ask_tls(host: str, port: int, data: bytes) -> tuple[int, str]:
    with socket.create_connection((host, port), timeout=within(5.0)) as plain, _unverified().wrap_socket(plain) as sock:
        return answer(sock, data)


def _ask_websocket(host: str, port: int, data: bytes, *, secure: bool) -> tuple[int, str]:
    from tests.support.wsphone import SocketLine, WsPeer, client

    with ExitStack() as stack:
        sock = stack.enter_context(socket.create_connection((host, port), timeout=within(5.0)))
        phone = WsPeer(
            SocketLine(stack.enter_context(_unverified().wrap_socket(sock)) if secure else sock), client(port)
        )
        assert phone.shake_hands().status_code == 101
        phone.say(data)
        reply = read_reply(phone.hear())
        return reply.status, reply.one(LISTEN).decode()


_ASKS: Final[dict[str, Callable[[str, int, bytes], tuple[int, str]]]] = {
    "udp": _ask_udp,
    "tcp": _ask_tcp,
    "tls": _ask_tls,
    "ws": lambda host, port, data: _ask_websocket(host, port, data, secure=False),
    "wss": lambda host, port, data: _ask_websocket(host, port, data, secure=True),
}
