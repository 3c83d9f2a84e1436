"""The codec of the bus: versioned msgpack envelopes (docs/bus.md has the table, the tests have golden vectors).

An envelope is one ZeroMQ message of two frames. The head is what a broker needs; the body it passes on unopened:

    head   [version, kind, batch id, size]
    body   depends on the kind

Every failure to decode is one error, EnvelopeError, with its cause.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgpack

from slbroker.bus.items import Item
from slbroker.bus.jobs import pack_jobs
from slbroker.errors import EnvelopeError
from slbroker.sip.message import Message, Source
from slbroker.twins import compiled_or_pure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slbroker.bus.jobs import JobT

VERSION: Final = 1
MAX_BATCH: Final = 256  # items in one envelope: enough to spread its cost, few enough to keep a worker's turn short
MAX_BATCH_BYTES: Final = 1024 * 1024  # of SIP in one envelope; a batch of large messages is cut earlier than at 256
MAX_ENVELOPE: Final = 4 * 1024 * 1024  # bytes a frame may have: such a batch, its last message of any size, and room
MAX_TOLD: Final = 8_192  # bytes of a worker's figures
MAX_NESTED: Final = 16  # maps and arrays within each other in a worker's figures
MAX_ARRAY: Final = 4_096  # elements an array may have: a few bytes could otherwise ask for gigabytes


class Kind(IntEnum):
    """What an envelope says. W: from a worker, E: from an edge."""

    HELLO = 1  # W: who I am, how many requests I take, which methods beside the ordinary ones
    WELCOME = 2  # E: you are known; who I am
    REQUESTS = 3  # E: a batch to answer
    REPLIES = 4  # W: answers, each gives one credit back
    HEARTBEAT = 5  # both: I am here
    GOODBYE = 6  # W: give me no more; E: I will give you no more
    WHO = 7  # E: I do not know you, say HELLO; to a broker: this is my name, that is the pool I look for
    STATS = 8  # anyone: how do you do
    FIGURES = 9  # E: the answer to STATS
    LOST = 10  # from a broker: these batches will not be answered
    BAD = 11  # to a broker: what came as the answers to these batches could not be read
    FORGET = 12  # anyone: forget what was remembered of a pool, or of all
    TRACE = 13  # anyone: tell me the messages of a call, or of several, as they pass
    TRACED = 14  # E: such messages


class Head(NamedTuple):
    """The first frame. `batch_id` is opaque and goes back with the replies; `size` is the batch's, else 0."""

    kind: Kind
    batch_id: bytes
    size: int


# What HELLO asks for to be told of ACKs that the edge absorbs, and to be asked of replies on their way back; and the
# method that such an item has: no SIP method can.
FILTERED_ACK: Final = b"sl:filtered-ack"
FORWARDED_REPLY: Final = b"sl:reply"

# What a worker answers: one reply's bytes, None for none at all, or several in order. Behind these, as the last, None
# closes the connection that the request came on. A map says that it goes on (`proxy.decision`): what is in that the
# edge reads, request by request, so that what cannot be costs no more than that one.
Answer: TypeAlias = bytes | None | tuple[bytes | None, ...] | dict[Any, Any]
# An answer as it stands in REPLIES: behind an id with its highest bit set there may be a memo (`bus.memo`).
Answered: TypeAlias = tuple[int, Answer] | tuple[int, Answer, bytes]

# What msgpack begins an array of 2 with.
_PAIR: Final = b"\x92"
_packer: Final = msgpack.Packer()
# Heads of batches without an id, as they are said, and as they were heard: no more than there are of such, and short.
_heads: Final[dict[tuple[int, int], bytes]] = {}
_known: Final[dict[bytes, Head]] = {}
_USUAL: Final = 8  # bytes of a head without an id
_MOST_KNOWN: Final = 1_024
_TUPLES: Final = frozenset((tuple,))
_INTEGERS: Final = frozenset((int,))
_BYTES: Final = frozenset((bytes,))
_TWO: Final = frozenset((2,))
_KINDS: Final = {int(kind): kind for kind in Kind}
_new: Final = tuple.__new__  # for a NamedTuple whose length is known to be right: `_make` would measure it again
_DECODE_ERRORS: Final = (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException)


def encode(kind: Kind, info: Mapping[str, Any] | None = None) -> list[bytes]:
    """Return the frames of an envelope whose body is a map: every kind but REQUESTS and REPLIES."""
    return [msgpack.packb((VERSION, int(kind), b"", 0)), msgpack.packb(info or {})]


def pack_request(message: Message, source: Source) -> bytes:
    """Return a request as it stands in REQUESTS behind its id."""
    packed: bytes = _packer.pack(message) + _packer.pack(source)
    return packed


def unpack_request(packed: bytes) -> tuple[Message, Source]:
    """Return what `pack_request` was given; the headers are a tuple."""
    message, source = msgpack.unpackb(_PAIR + packed, use_list=False)
    return _new(Message, message), _new(Source, source)


def encode_jobs(jobs: list[JobT], batch_id: bytes = b"") -> list[bytes]:
    """Return the frames of one batch of requests."""
    return [_head_of(3, len(jobs), batch_id), pack_jobs(jobs)]


def _head_of(kind: int, size: int, batch_id: bytes) -> bytes:
    """Return the head of a batch. Those without an id are few, and said again and again."""
    known = None if batch_id else _heads.get((kind, size))
    if known is not None:
        return known
    head: bytes = _packer.pack((VERSION, kind, batch_id, size))
    if not batch_id and size <= MAX_BATCH:
        _heads[kind, size] = head
    return head


HEARTBEAT: Final = encode(Kind.HEARTBEAT)  # said and heard more often than all else


def encode_replies(answers: Sequence[Answered], batch_id: bytes = b"") -> list[bytes]:
    """Return the frames of one batch of answers."""
    return [_head_of(4, len(answers), batch_id), _packer.pack(answers)]


def decode_head(frames: Sequence[bytes]) -> Head:
    """Return the head of an envelope; raise EnvelopeError when there are not two frames or it is not of our version."""
    if len(frames) != 2:
        raise EnvelopeError(f"an envelope has 2 frames, this has {len(frames)}")
    head = _known.get(frames[0])
    if head is None:
        head = _read_head(frames[0])
        if len(frames[0]) <= _USUAL and len(_known) < _MOST_KNOWN:
            _known[frames[0]] = head
    return head


def _read_head(frame: bytes) -> Head:
    head = _unpack(frame, "head")
    if type(head) is not tuple or len(head) != 4:
        raise EnvelopeError("the head is not an array of 4")
    version, kind, batch_id, size = head
    if type(version) is not int or version != VERSION:
        raise EnvelopeError(f"protocol version {version!r:.40}, this end speaks {VERSION}")
    if type(kind) is not int or kind not in _KINDS or type(batch_id) is not bytes or type(size) is not int:
        raise EnvelopeError("the head names no kind, batch and size")
    return Head(_KINDS[kind], batch_id, size)


def decode_info(body: bytes) -> dict[str, Any]:
    """Return the map of a body; raise EnvelopeError when it is none."""
    info = _unpack(body, "body")
    if type(info) is not dict or not all(type(key) is str for key in info):
        raise EnvelopeError("the body is not a map with text keys")
    return info


def is_shallow(value: object, most: int = MAX_NESTED) -> bool:
    """Return whether maps and arrays are within each other `most` times at most: what has been read can be told on.

    msgpack reads what is nested more deeply than what it writes.
    """
    if not isinstance(value, dict | tuple):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return most > 0 and all(is_shallow(each, most - 1) for each in inner)


def read_batches(info: Mapping[str, Any]) -> frozenset[bytes]:
    """Return the ids of the batches that the map of a LOST or BAD names; raise EnvelopeError when it names none."""
    batches = info.get("batches")
    if type(batches) is not tuple or not all(type(batch_id) is bytes for batch_id in batches):
        raise EnvelopeError("the map names no batches")
    return frozenset(batches)


@compiled_or_pure("slbroker.bus._items")
def decode_requests(body: bytes) -> list[Item]:
    """Return a batch of requests, every field of the right type; raise EnvelopeError when the body is none."""
    items: list[Item] = []
    try:
        for number, message, source in _unpack_batch(body):
            method, uri, headers, content, call_id, from_tag, to_tag, cseq = message
            host, port, listen = source
            b"".join(headers)  # the fastest way to a TypeError unless all are bytes
            if (
                not type(method) is type(uri) is type(content) is bytes
                or not type(call_id) is type(from_tag) is type(to_tag) is bytes
                or not type(number) is type(cseq) is type(port) is int
                or not type(host) is type(listen) is str
                or type(headers) is not tuple
                or len(headers) % 2
            ):
                raise EnvelopeError("a field of a request is of the wrong type")
            items.append(Item(number, _new(Message, message), _new(Source, source)))
    except _DECODE_ERRORS as error:
        raise EnvelopeError(f"not a batch of requests: {error}") from error
    return items


def decode_replies(body: bytes) -> list[tuple[int, Answer]]:
    """Return a batch of answers without their memos; raise EnvelopeError when the body is none."""
    return [(answered[0], answered[1]) for answered in decode_answered(body)]


def decode_answered(body: bytes) -> list[Answered]:
    """Return a batch of answers; raise EnvelopeError when the body is none."""
    try:
        batch = _unpack_batch(body)
        if not _TUPLES.issuperset(map(type, batch)):  # the keys of a map would pass for an array
            raise EnvelopeError("an element of a batch of answers is no array")
        if _is_usual(batch):
            return list(batch)
        for number, answer, *memo in batch:
            if type(answer) is not bytes:
                _check_answer(answer)
            if type(number) is not int:
                raise EnvelopeError("a request id is not an integer")
            if memo and (len(memo) > 1 or type(memo[0]) is not bytes):
                raise EnvelopeError("behind an answer stands what is no memo")
    except _DECODE_ERRORS as error:
        raise EnvelopeError(f"not a batch of answers: {error}") from error
    return list(batch)


def _is_usual(batch: tuple[Any, ...]) -> bool:
    """Return whether all arrays of a batch are an id and one reply: looked at together, that takes half the time."""
    if not _TWO.issuperset(map(len, batch)) or not batch:
        return False
    numbers, answers = zip(*batch, strict=True)
    return _INTEGERS.issuperset(map(type, numbers)) and _BYTES.issuperset(map(type, answers))


def _check_answer(answer: object) -> None:
    several = type(answer) is tuple and all(type(reply) is bytes for reply in without_close(answer))
    if answer is not None and not several and type(answer) is not dict:
        raise EnvelopeError("an answer is bytes, nil, a map or an array of bytes, the last of which may be nil")


def without_close(answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the replies of an answer that has several, or one that closes the connection."""
    return answer[:-1] if answer and answer[-1] is None else answer


def _unpack_batch(body: bytes) -> tuple[Any, ...]:
    batch = _unpack(body, "body")
    if type(batch) is not tuple:
        raise EnvelopeError("the body is not an array")
    return batch


def _unpack(frame: bytes, part: str) -> Any:
    try:
        return msgpack.unpackb(frame, use_list=False, raw=False, strict_map_key=False, max_array_len=MAX_ARRAY)
    except _DECODE_ERRORS as error:
        raise EnvelopeError(f"the {part} is not msgpack: {error}") from error
