"""One WebSocket's bytes and what they mean (RFC 6455, RFC 7118); no I/O, no clock.

    bytes of one connection -> feed -> SIP messages, one in each WebSocket message, with the kind of frame they came in
                                    -> output           handshake, pongs, closing frames: what is to be sent back
                                    -> over             why the connection is to end, once it is

The frames are the library's (`websockets`); the limits, the keepalives and what is no SIP are ours.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from slbroker.sip.framer import PONG, has_ping
from slbroker.sip.grammar import GAP, MAX_DATAGRAM
from slbroker_edge.transports.connection import FAULT, PEER
from slbroker_edge.transports.tls import HANDSHAKE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.typing import Origin

SUBPROTOCOL: Final = Subprotocol("sip")  # RFC 7118 4.1: who does not ask for it is no SIP client
VERSION: Final = "13"  # of WebSocket; RFC 6455 4.4 wants those who ask for another to be told

# Limits, each with its reason -----------------------------------------------------------------------------------

MAX_MESSAGE: Final = MAX_DATAGRAM  # so that a request that is served over one transport is served over all
MAX_HANDSHAKE: Final = 16_384  # bytes of an HTTP request; cookies and tokens of the page's site are in it
MAX_FRAMES: Final = 256  # in what is read at once; an empty frame is 6 bytes and costs as much as a message
HANDSHAKE_FRAMES: Final = 32  # a handshake costs as much as these
PIECE: Final = 1_024  # bytes given to the library at a time, so that it never sees many more frames than that

# Its lines about connections come as often as these do; a bug in it is an error, and is logged.
_library_logger = logging.getLogger(f"{__name__}.library")
_library_logger.setLevel(logging.ERROR)


class Received(NamedTuple):
    """A SIP message, and whether it came as text or binary: its answer is of the same kind."""

    data: bytes
    is_text: bool


class Session:
    """The server's side of one WebSocket, from the first byte of its handshake."""

    __slots__ = ("_head", "_is_text", "_origins", "_output", "_parts", "_protocol", "asked", "begun", "frames", "over")

    def __init__(self, origins: Sequence[Origin | None] | None, now: float) -> None:
        """`origins` may open it, any where None; `now` (seconds, monotonic) is when the connection was accepted."""
        self.begun: float | None = now  # when the message, or handshake, began that is still incomplete
        self.over = ""  # why the connection ended, once it has: a reason of `connection`
        self.asked = False  # a ping of ours is out; whoever hears something sets it back
        self.frames = 0  # how many there were in what was fed last; a measure of time
        self._origins = origins
        self._head = bytearray()  # of the handshake, until that is complete
        self._protocol: ServerProtocol | None = None  # made late: many connect that never speak
        self._parts: bytearray | None = None  # a message whose last fragment has not come
        self._is_text = False  # ... and its kind
        self._output = b""  # said before there was a protocol

    @property
    def is_open(self) -> bool:
        """Return whether messages can be sent."""
        return self._protocol is not None and self._protocol.state is State.OPEN

    @property
    def held(self) -> int:
        """Return how many bytes of an incomplete message or handshake are kept."""
        if self._protocol is None:
            return len(self._head)
        return len(self._protocol.reader.buffer) + len(self._parts or b"")

    # The peer sends ---------------------------------------------------------------------------------------------

    def feed(self, data: bytes, now: float) -> list[Received]:
        """Take what the connection brought; return the messages that are now complete. Then look at `output`, `over`.

        Keepalives (RFC 7118 6: pings, or a double CRLF as in RFC 5626 3.5.1) are answered here.
        """
        messages: list[Received] = []
        self.frames = 0
        self.asked = False
        if self._protocol is None:
            data = self._shake_hands(data)
            if self.is_open:
                self.begun = None
        ended_with_a_frame = True
        for at in range(0, len(data), PIECE):
            if self.over:
                break
            ended_with_a_frame = self._feed_piece(data[at : at + PIECE], messages)
        if data and self._protocol is not None:
            if ended_with_a_frame and not self.held and self._parts is None:
                self.begun = None
            elif self.begun is None or messages:
                self.begun = now
        return messages

    def _feed_piece(self, piece: bytes, messages: list[Received]) -> bool:
        """Return whether it brought the end of a frame."""
        protocol = self._protocol
        assert protocol is not None
        protocol.receive_data(piece)
        events = protocol.events_received()
        self.frames += len(events)
        for event in events:
            if isinstance(event, Frame) and not self.over:
                self._on_frame(event, messages)
        if self.frames > MAX_FRAMES:
            self._fail(CloseCode.POLICY_VIOLATION, "too many frames")
        if protocol.state is not State.OPEN and not self.over:
            self.over = FAULT if protocol.parser_exc is not None else PEER
        return bool(events)

    def _on_frame(self, frame: Frame, messages: list[Received]) -> None:
        """Put fragments together (RFC 6455 5.4); that they are in order, and not too long, has been seen to."""
        if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.BINARY:
            self._is_text = frame.opcode is Opcode.TEXT
            if frame.fin:
                self._on_message(bytes(frame.data), messages)
            else:
                self._parts = bytearray(frame.data)
        elif frame.opcode is Opcode.CONT:
            assert self._parts is not None
            self._parts += frame.data
            if frame.fin:
                data, self._parts = bytes(self._parts), None
                self._on_message(data, messages)

    def _on_message(self, data: bytes, messages: list[Received]) -> None:
        if self._is_text and not _is_utf8(data):
            self._fail(CloseCode.INVALID_DATA, "text that is not UTF-8")
        elif data.strip(GAP):
            messages.append(Received(data, self._is_text))
        elif has_ping(data) and self.is_open:  # a fault behind it in the same piece has closed it already
            self._send(PONG, is_text=self._is_text)

    # The handshake (RFC 6455 4.2, RFC 7118 4.1) -----------------------------------------------------------------

    def _shake_hands(self, data: bytes) -> bytes:
        """Answer the handshake if it is complete; return what follows it."""
        head = self._head
        searched = max(0, len(head) - 3)
        head += data
        if not (head[:1].isalpha() and head[:1].isupper()):  # no HTTP: nobody would understand an answer
            self.over = FAULT
            return b""
        end = head.find(b"\r\n\r\n", searched)
        if (len(head) if end < 0 else end) > MAX_HANDSHAKE:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif end >= 0:
            rest = bytes(head[end + 4 :])
            del head[end + 4 :]
            self._answer_handshake(bytes(head))
            self._head = bytearray()
            return rest
        return b""

    def _answer_handshake(self, head: bytes) -> None:
        self.frames += HANDSHAKE_FRAMES
        protocol = ServerProtocol(
            origins=self._origins, subprotocols=[SUBPROTOCOL], max_size=MAX_MESSAGE, logger=_library_logger
        )
        protocol.receive_data(head)
        for request in protocol.events_received():
            assert isinstance(request, Request)
            response = protocol.accept(request)
            if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
                response.headers["Sec-WebSocket-Version"] = VERSION
            protocol.send_response(response)
        self._output = b"".join(protocol.data_to_send())
        if protocol.state is State.OPEN:
            self._protocol = protocol
        elif self._output:
            self.over = HANDSHAKE
        else:  # no HTTP request, to the library
            self._refuse(HTTPStatus.BAD_REQUEST)

    def _refuse(self, status: HTTPStatus) -> None:
        line = f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        self._output = (line + "Connection: close\r\nContent-Length: 0\r\n\r\n").encode()
        self._head = bytearray()
        self.over = HANDSHAKE

    # We send ----------------------------------------------------------------------------------------------------

    def output(self) -> bytes:
        """Return what is to be sent now, and forget it."""
        output, self._output = self._output, b""
        if self._protocol is not None:
            output += b"".join(self._protocol.data_to_send())
        return output

    def wrap(self, reply: bytes, *, is_text: bool) -> bytes:
        """Return the frame for a reply; `is_text` is how its request came.

        What is no UTF-8 has to be binary (RFC 7118 4.2).
        """
        self._send(reply, is_text=is_text)
        return self.output()

    def ask(self) -> bytes:
        """Return a ping: a browser answers it by itself, and can do nothing else to keep a connection."""
        assert self._protocol is not None
        self.asked = True
        self._protocol.send_ping(b"")
        return self.output()

    def _send(self, data: bytes, *, is_text: bool) -> None:
        assert self._protocol is not None
        if is_text and _is_utf8(data):
            self._protocol.send_text(data)
        else:
            self._protocol.send_binary(data)

    # The end ----------------------------------------------------------------------------------------------------

    def _fail(self, code: CloseCode, reason: str) -> None:
        """Close it because of what the peer sent (RFC 6455 7.1.7)."""
        assert self._protocol is not None
        self._protocol.fail(code, reason)
        self.over = self.over or FAULT

    def say_goodbye(self, code: int) -> bytes:
        """Return the closing frame; the peer answers with its own (RFC 6455 5.5.1)."""
        assert self._protocol is not None
        self._protocol.send_close(code)
        return self.output()

    def close(self, code: int) -> bytes:
        """Return the closing frame, if that can still be said, and let go of everything."""
        protocol, self._protocol = self._protocol, None
        self._head, self._parts = bytearray(), None
        if protocol is None:
            return b""
        if protocol.state is State.OPEN:
            protocol.fail(code)
        protocol.parser.close()  # it and the protocol hold each other
        return b"".join(protocol.data_to_send())


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
