"""Fuzz target: the stream framer, and the edge's refusal of what it cannot frame.

The input is a byte for the way to cut, then the stream.

Invariant: messages, pings, fault and the bytes held are the same for any cutting: whole, byte by byte, and in pieces.
(But for a long gap, whose limit is for one piece of data.) Messages come in order with nothing but gaps between them,
each with exactly the body that its Content-Length says; no more is held than a message may have. A fault is answered
once at most, or in silence.

Allowed exceptions: Drop and BadRequest from `parse` of a message, never for its length.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from slbroker.errors import Drop
from slbroker.sip.framer import MAX_GAP, MAX_HEAD, MAX_MESSAGE, Framer
from slbroker.sip.grammar import GAP
from slbroker.sip.parser import BadRequest, parse
from tests.lab.fuzz.pair import SOURCE, Pair
from tests.lab.fuzz.seeds import MESSAGES
from tests.support.sip import request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slbroker.sip.framer import Fault

ROUNDS = 1_500
DICTIONARY = "sip.dict"
_whole = tuple(data for data in MESSAGES if data[:1].isalpha())
SEEDS = (
    *(b"\x07" + data for data in _whole),
    *(b"\x80" + b"".join(_whole[at : at + 3]) for at in range(0, len(_whole), 3)),
    b"\x01\r\n\r\n" + request() + b"\r\n\r\n\r\n\r\n" + request("MESSAGE", body=b"hello") + b"\r\n",
    b"\x01" + request(content_length=None),
    b"\x01" + request(content_length="65536"),
    b"\x01" + request("INVITE", content_length=["0", "1"]),
    b"\x20" + request(content_length="5\r\n 5", body=b"hello"),
    b"\x20" + request(lines=[b"X: " + b"x" * MAX_HEAD]),
    b"\xff" + b"\r\n" * 600,
    b"\x01\r\n\0\r\n\r\n\0 \t" + request() + b"\r\n\r\n\0" + request() + b"\0",
)

BYTEWISE: Final = 512  # bytes of it that are fed one by one, for it takes long; the rest comes in one piece


def check(data: bytes) -> None:
    """Assert the invariant for one stream."""
    way, stream = data[:1], data[1:]
    framer, messages = feed([stream])
    pieces = cut(stream, 1 + way[0] if way else 1)
    compare(framer, messages, pieces)
    compare(framer, messages, [*cut(stream[:BYTEWISE], 1), stream[BYTEWISE:]])
    check_messages(messages, stream)
    if framer.fault is not None:
        check_fault(framer.fault)


def feed(pieces: Iterable[bytes]) -> tuple[Framer, list[bytes]]:
    """What a framer makes of a stream that comes in pieces."""
    framer, messages = Framer(), list[bytes]()
    for number, piece in enumerate(pieces):
        messages += framer.feed(piece, float(number))
        assert framer.held <= max(MAX_HEAD, MAX_MESSAGE) + len(piece)
        assert (framer.begun is not None) == bool(framer.held)
    return framer, messages


def cut(stream: bytes, size: int) -> list[bytes]:
    """The stream in pieces of `size`, the first one shorter."""
    first = len(stream) % size
    pieces = (stream[:first], *(stream[at : at + size] for at in range(first, len(stream), size)))
    return [piece for piece in pieces if piece]


def compare(framer: Framer, messages: list[bytes], pieces: list[bytes]) -> None:
    """The same stream, cut, gives the same."""
    other, others = feed(pieces)
    if any(fault is not None and fault.reason == "Too Much Between Messages" for fault in (framer.fault, other.fault)):
        assert re.search(rb"[\r\n\0 \t]{%d}" % (MAX_GAP + 1), b"".join(pieces))
        return
    assert others == messages
    assert (other.pings, other.fault, other.held) == (framer.pings, framer.fault, framer.held)


def check_messages(messages: list[bytes], stream: bytes) -> None:
    """The messages are the stream, and the parser reads each one's length as the framer did."""
    rest = stream
    for message in messages:
        rest = rest.lstrip(GAP)
        assert rest.startswith(message)
        rest = rest[len(message) :]
        try:
            parsed = parse(message)
        except Drop:
            continue
        except BadRequest as bad:
            assert "Content-Length" not in bad.reason or bad.reason.startswith("Repeated"), bad.reason
            continue
        assert parsed.body == message.partition(b"\r\n\r\n")[2]


def check_fault(fault: Fault) -> None:
    """A fault with a status is told to the peer, once, if its head says to whom."""
    pair = Pair(joined=False)
    if fault.status:
        assert fault.status in (400, 413, 513)
        answered = pair.edge.refuse(fault, SOURCE, pair.listener)
        pair.turn()
        assert len(pair.listener.sent) == int(answered)
        assert all(reply.startswith(b"SIP/2.0 ") for reply, _address in pair.listener.sent)
    else:
        assert fault.head == b""
