"""Fuzz target: a WebSocket from the first byte of its handshake (RFC 6455, RFC 7118).

The input is a byte for the way to cut, whose highest bit says that the handshake is over, then the stream.

Invariant: the messages, what is sent back and the reason for the end are the same for any cutting. (But for floods of
frames, whose limit is for what is read at once; for frames that we send before we close because of a fault; and for the
order of the answers to keepalives of two kinds.) No more is held than a message or a handshake may have, and nothing is
said after a closing frame.

Allowed exceptions: none.
"""

from __future__ import annotations

import importlib
import re
import struct
from typing import TYPE_CHECKING, Any, Final

from slbroker.sip.grammar import MAX_DATAGRAM
from tests.lab.fuzz.targets.stream import cut
from tests.support.sip import SIPP_INVITE, request

if TYPE_CHECKING:
    from collections.abc import Sequence

try:
    wsframes: Any = importlib.import_module("slbroker_edge.transports.wsframes")
except ModuleNotFoundError:  # the library for WebSockets is an extra
    wsframes = None

ROUNDS = 1_500
DICTIONARY = "websocket.dict"
BYTEWISE: Final = 256  # bytes that are fed one by one, for it takes long; the rest comes in one piece
HANDSHAKE: Final = (
    b"GET / HTTP/1.1\r\nHost: sip.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TEXT, BINARY, MORE, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA


def frame(opcode: int, payload: bytes, *, last: bool = True) -> bytes:
    """A frame of a client (RFC 6455 5.2), masked with zeros."""
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + struct.pack("!H", length)
    return bytes([opcode | (0x80 if last else 0)]) + size + b"\0\0\0\0" + payload


_whole = request()
SEEDS = (
    b"\x03" + HANDSHAKE,
    b"\x20" + HANDSHAKE + frame(TEXT, _whole),
    b"\x10" + HANDSHAKE.replace(b"sip\r\n", b"chat, sip\r\nOrigin: https://example.com\r\n") + frame(PING, b"1"),
    b"\x10" + HANDSHAKE.replace(b"13", b"12"),
    b"\x10" + HANDSHAKE.replace(b"GET", b"POST"),
    b"\x10" + _whole,
    b"\x90" + frame(TEXT, _whole) + frame(BINARY, SIPP_INVITE),
    b"\x90" + frame(TEXT, _whole[:60], last=False) + frame(PING, b"2") + frame(MORE, _whole[60:]),
    b"\x90" + frame(TEXT, b"\r\n\r\n") + frame(BINARY, b"\r\n\r\n") + frame(PONG, b""),
    b"\x90" + frame(TEXT, b"\xff"),
    b"\x90" + frame(CLOSE, b"\x03\xe8bye") + frame(TEXT, _whole),
    b"\x90" + frame(MORE, b"x"),
    b"\x90" + frame(PING, b"") * 300,
    b"\x90\x82\xff\0\0\0\0\0\1\0\0\0\0\0\0",
)


def check(data: bytes) -> None:
    """Assert the invariant for one stream."""
    if wsframes is None:
        return
    way, stream = (data[0], data[1:]) if data else (0, b"")
    is_open, size = bool(way & 0x80), 1 + (way & 0x7F)
    outcomes = [
        feed(pieces, is_open=is_open)
        for pieces in ([stream], cut(stream, size), [*cut(stream[:BYTEWISE], 1), stream[BYTEWISE:]])
    ]
    if None not in outcomes:
        assert outcomes[0] == outcomes[1] == outcomes[2]


def feed(pieces: Sequence[bytes], *, is_open: bool) -> tuple[list[bytes], str, bytes] | None:
    """The messages, the reason for the end and what was sent; None for too many frames."""
    session = wsframes.Session(None, 0.0)
    messages: list[bytes] = []
    output = b""
    told = [HANDSHAKE, *pieces] if is_open else pieces
    for number, piece in enumerate(filter(None, told)):
        if session.over:
            break
        messages += [received.data for received in session.feed(piece, float(number))]
        output += session.output()
        if session.frames > wsframes.MAX_FRAMES:
            return None
        assert session.held <= 2 * MAX_DATAGRAM
    was_over = session.over
    farewell = session.close(1001)
    assert not (was_over and farewell)
    if was_over:  # a fault silences what was to be said before it, if both were read at once
        output = output.partition(b"\r\n\r\n")[0]
    return messages, was_over, bytes(sorted(re.sub(rb"\r\nDate: [^\r\n]*", b"", output)))
