"""A peer over WebSocket: the `websockets` client does the frames, and the bytes can be spoilt on their way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.streams import Phone

SIP = ("sip",)


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


class WsPhone:
    """A peer of the edge on one WebSocket."""

    def __init__(self, phone: Phone, protocol: ClientProtocol) -> None:
        self.phone = phone
        self.protocol = protocol
        self.frames: list[Frame] = []  # heard and not looked at yet
        self.response: Response | None = None

    @property
    def is_open(self) -> bool:
        """Whether the handshake is done and nobody has closed it."""
        return self.protocol.state is State.OPEN

    def shake_hands(self) -> Response:
        """Do the handshake; what the edge said to it."""
        self.phone.say(handshake(self.protocol))
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
        self.phone.say(sent(self.protocol))

    def take(self) -> None:
        """Take the bytes that have come; pings are answered by itself."""
        data = self.phone.read()
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
            self.phone.say(answer)

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
        return not self.frames and self.phone.is_silent()

    def is_cut(self) -> bool:
        """Whether the connection has ended."""
        return self.phone.is_cut()
