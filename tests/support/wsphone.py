"""A peer over WebSocket: the `websockets` client does the frames, and the bytes can be spoilt on their way."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Protocol

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from tests.support.streams import Phone

SIP = ("sip",)


class Line(Protocol):
    """What carries the bytes."""

    def say(self, data: bytes) -> None:
        """Send them."""

    def read(self) -> bytes:
        """What has come; b"" for the end."""

    def is_silent(self) -> bool:
        """Whether nothing has come, not even the end."""

    def is_cut(self) -> bool:
        """Whether the connection has ended."""


class SocketLine:
    """A real socket, plain or TLS.

    One thread reads and writes it. The library's own client for threads has two on one SSL object, which OpenSSL does
    not allow: of its handshakes over TLS some 1 in 100 never ended on a busy machine (websockets 17.4, Python 3.11).
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def say(self, data: bytes) -> None:
        """Send them."""
        self._sock.sendall(data)

    def read(self) -> bytes:
        """What has come; b"" for the end."""
        return self._sock.recv(65_535)

    def is_silent(self) -> bool:
        """Whether nothing has come, not even the end."""
        return not select.select([self._sock], [], [], 0)[0]

    def is_cut(self) -> bool:
        """Whether the connection has ended; waits for it."""
        return self.read() == b""


def client(port: int = 80, origin: str | None = None, subprotocols: Sequence[str] = SIP) -> ClientProtocol:
    """The client's side of a WebSocket."""
    return ClientProtocol(
        parse_uri(f"ws://127.0.0.1:{port}/"),
        origin=None if origin is None else Origin(origin),
        subprotocols=[Subprotocol(name) for name in subprotocols],
    )


def handshake(protocol: ClientProtocol) -> bytes:
    """The bytes that begin it."""
    protocol.send_request(protocol.connect())
    return sent(protocol)


def sent(protocol: ClientProtocol) -> bytes:
    """The bytes that the client has to send now."""
    return b"".join(protocol.data_to_send())


class WsPeer:
    """A peer of an edge on one WebSocket."""

    def __init__(self, line: Line, protocol: ClientProtocol) -> None:
        self._line = line
        self.protocol = protocol
        self.frames: list[Frame] = []  # heard and not looked at yet
        self.response: Response | None = None

    @property
    def is_open(self) -> bool:
        """Whether the handshake is done and nobody has closed it."""
        return self.protocol.state is State.OPEN

    def shake_hands(self) -> Response:
        """Do the handshake; what the edge said to it."""
        self._line.say(handshake(self.protocol))
        while self.response is None:
            self.take()
        return self.response

    def say(self, data: bytes, *, text: bool = True) -> None:
        """Send a message."""
        (self.protocol.send_text if text else self.protocol.send_binary)(data)
        self.flush()

    def say_in_parts(self, *parts: bytes, text: bool = True) -> None:
        """Send a message in fragments."""
        first, *others = parts
        (self.protocol.send_text if text else self.protocol.send_binary)(first, fin=not others)
        for number, part in enumerate(others, 1):
            self.protocol.send_continuation(part, fin=number == len(others))
        self.flush()

    def flush(self) -> None:
        """Send what the client has to say."""
        self._line.say(sent(self.protocol))

    def take(self) -> None:
        """Take the bytes that have come; pings are answered by itself."""
        data = self._line.read()
        if data:
            self.protocol.receive_data(data)
        else:
            self.protocol.receive_eof()
        for event in self.protocol.events_received():
            if isinstance(event, Response):
                self.response = event
            else:
                assert isinstance(event, Frame)
                self.frames.append(event)
        answer = sent(self.protocol)
        if answer and data:
            self._line.say(answer)

    def hear_frame(self) -> Frame:
        """The next frame."""
        while not self.frames:
            assert self.protocol.state is not State.CLOSED, "the connection has ended"
            self.take()
        return self.frames.pop(0)

    def hear(self) -> bytes:
        """The next message, which is whole and has come as text."""
        frame = self.hear_frame()
        assert (frame.opcode, frame.fin) == (Opcode.TEXT, True)
        return bytes(frame.data)

    def hear_close(self) -> int | None:
        """The code with which the edge closes."""
        while self.protocol.close_rcvd is None and self.protocol.state is not State.CLOSED:
            self.take()
        return None if self.protocol.close_rcvd is None else self.protocol.close_rcvd.code

    def is_silent(self) -> bool:
        """Whether nothing has come, not even the end."""
        return not self.frames and self._line.is_silent()

    def is_cut(self) -> bool:
        """Whether the connection has ended."""
        return self._line.is_cut()


class WsPhone(WsPeer):
    """One at the edge of a `StreamRig`."""

    def __init__(self, phone: Phone, protocol: ClientProtocol) -> None:
        super().__init__(phone, protocol)
        self.phone = phone
