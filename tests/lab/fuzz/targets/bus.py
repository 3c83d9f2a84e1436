"""Fuzz target: the codec of the bus, `decode_head`, `decode_info`, `decode_requests` and `decode_replies`.

Invariant: what decodes has the types that its function promises, and encodes again to bytes that decode to the same.

Allowed exceptions: EnvelopeError, with a message of bounded length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from slbroker.bus import envelope
from slbroker.bus.envelope import Kind
from slbroker.errors import EnvelopeError
from slbroker.proxy.decision import Forward, read_amended, read_forward
from slbroker.proxy.edits import Edits
from slbroker.sip.message import Message, Source
from slbroker.sip.parser import parse
from tests.support.bus import encode_requests
from tests.support.sip import PHONE_INVITE, SIPP_INVITE, request

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 30_000
DICTIONARY = "bus.dict"
HELLO = {"name": "host:1", "pool": "default", "credit": 256, "takes": [b"ACK"]}
ITEMS = [
    (number, parse(data), Source("192.0.2.1", 5060, "udp:127.0.0.1:5060"))
    for number, data in enumerate((SIPP_INVITE, PHONE_INVITE, request()), 2**61)
]
GOES_ON = Forward("sip:h;transport=tcp", Edits(b"sip:b", [b"s"], [(b"X", b"1")], [(b"Y", b"2")]), True, False)
_frames = (
    *envelope.encode(Kind.HELLO, HELLO),
    *envelope.encode(Kind.WELCOME, {"edge": "host:2", "heartbeat": 0.25, "processes": 2}),
    *encode_requests(ITEMS, b"route"),
    *encode_requests(ITEMS[2:]),
    *envelope.encode_replies([(2**61, b"SIP/2.0 200 OK\r\n\r\n"), (7, None), (8, (b"SIP/2.0 100 T", b""))], b"r"),
    *envelope.encode_replies([(7, GOES_ON.words()), (8, {"status": 486, "reason": "Busy", "add": [[b"a", b"b"]]})]),
)
SEEDS = tuple(dict.fromkeys(_frames))

Decoded = TypeVar("Decoded")


def check(frame: bytes) -> None:
    """Assert the invariant for one frame, read as each of the four."""
    check_head(frame)
    check_info(frame)
    check_requests(frame)
    check_replies(frame)


def attempt(decode: Callable[[Any], Decoded], frame: object) -> Decoded | None:
    """What was decoded, or None."""
    try:
        return decode(frame)
    except EnvelopeError as error:
        assert len(str(error)) < 1_000
        return None


def check_head(frame: bytes) -> None:
    """A head is a kind, a batch id and a size."""
    head = attempt(envelope.decode_head, [frame, b""])
    if head is not None:
        assert type(head.kind) is Kind
        assert type(head.batch_id) is bytes
        assert type(head.size) is int
    for wrong in ([], [frame], [frame, b"", b""]):
        assert attempt(envelope.decode_head, wrong) is None


def check_info(frame: bytes) -> None:
    """A map has text for keys."""
    info = attempt(envelope.decode_info, frame)
    if info is not None:
        assert all(type(key) is str for key in info)
        head, body = envelope.encode(Kind.HEARTBEAT, info)
        assert attempt(envelope.decode_head, [head, body]) == (Kind.HEARTBEAT, b"", 0)
        assert repr(envelope.decode_info(body)) == repr(info)  # in text, for NaN is not equal to itself


def check_requests(frame: bytes) -> None:
    """Requests are what the edge made: whole Messages."""
    items = attempt(envelope.decode_requests, frame)
    if items is not None:
        for number, message, source in items:
            assert type(number) is int
            assert type(message) is Message
            assert type(source) is Source
            assert all(type(value) is bytes for value in (*message.headers, *message[:2], *message[3:7]))
            assert type(message.cseq) is type(source.port) is int
            assert type(source.host) is type(source.listen) is str
            list(message.pairs())
        head, body = encode_requests(items, b"way")
        assert envelope.decode_head([head, body]) == (Kind.REQUESTS, b"way", len(items))
        assert envelope.decode_requests(body) == items


def check_replies(frame: bytes) -> None:
    """Answers are bytes, none, or several, with a word behind them that closes the connection; or a map."""
    answers = attempt(envelope.decode_replies, frame)
    if answers is not None:
        for number, answer in answers:
            assert type(number) is int
            if type(answer) is dict:
                check_decision(answer)
                continue
            parts = envelope.without_close(answer) if type(answer) is tuple else (answer or b"",)
            assert all(type(part) is bytes for part in parts)
        head, body = envelope.encode_replies(answers, b"way")
        assert envelope.decode_head([head, body]) == (Kind.REPLIES, b"way", len(answers))
        assert repr(envelope.decode_replies(body)) == repr(answers)  # in text, for a map may have NaN in it


def check_decision(words: dict[Any, Any]) -> None:
    """A map says what becomes of a request, or of a reply, or is refused."""
    request, reply = attempt(read_forward, words), attempt(read_amended, words)
    if request is not None:
        assert read_forward(request.words()).words() == request.words()
    if reply is not None:
        assert read_amended(reply.words()).words() == reply.words()
