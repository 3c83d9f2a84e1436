"""What a worker adds to an answer: for how long and to whom its edge may give it again; who has made it.

It names the fields that the decision was made by, not their values (docs/remember.md): the edge has the request that
was answered, and takes them from there. So what is remembered goes by what came in, whatever a worker says of it.

Both are maps, and one of both together is both. Which of them an edge wants is in the request's number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgpack

from slbroker.errors import EnvelopeError

if TYPE_CHECKING:
    from slbroker.bus.envelope import Answer

# An id with its highest bit set: the edge would remember the answer. Other ids are below.
WANTED: Final = 1 << 63
NAMED: Final = 1 << 62  # ... with the next one: it would know who has decided. Ids begin below, and rise slowly
MAX_MAKER: Final = 256  # characters of a worker's name, and of a handler's
MAX_FIELDS: Final = 16  # that a decision goes by, the method aside
MAX_KEY: Final = 2_048  # bytes of a request's values of these; who has more gets nothing remembered
MAX_NAMES: Final = 2_048  # characters in their names together
LONGEST: Final = 3_600.0  # seconds that a decision is remembered
_DECODE_ERRORS: Final = (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException)


class Memo(NamedTuple):
    """For how many seconds a decision is good, and by which fields beside the method.

    `tail` is how many bytes of the reply, at its end, are the same for all who get it; 0 where the decision is silence.
    """

    seconds: float
    fields: tuple[str, ...]
    tail: int


class Kept:
    """An answer, and what is packed behind it: a `Memo`, a `Maker` or both."""

    __slots__ = ("answer", "memo")

    def __init__(self, answer: Answer, memo: bytes) -> None:
        self.answer = answer
        self.memo = memo

    @property
    def words(self) -> tuple[Answer, bytes]:
        """Return both, as they stand in REPLIES."""
        return self.answer, self.memo


class Maker(NamedTuple):
    """Who has decided: a worker, and the handler of its plugin, as statistics have their names."""

    worker: str
    handler: str
    failed: bool = False  # it raised, or returned what is no decision


def pack_maker(maker: Maker, memo: bytes = b"") -> bytes:
    """Return who made an answer as it stands behind it, together with what `pack_memo` returned."""
    known = msgpack.unpackb(memo) if memo else {}
    packed: bytes = msgpack.packb({**known, **maker._asdict()})
    return packed


def unpack_maker(packed: bytes) -> tuple[Maker, bool] | None:
    """Return what `pack_maker` was given, and whether there is a memo in it; None where it names nobody."""
    try:
        info = msgpack.unpackb(packed, use_list=False, raw=False, max_array_len=MAX_FIELDS, max_map_len=64)
    except _DECODE_ERRORS:
        return None
    if type(info) is not dict:
        return None
    worker, handler = info.get("worker"), info.get("handler")
    if type(worker) is not str or type(handler) is not str or max(len(worker), len(handler)) > MAX_MAKER:
        return None
    return Maker(worker, handler, info.get("failed") is True), "ttl" in info


def pack_memo(memo: Memo) -> bytes:
    """Return a memo as it stands behind its answer."""
    packed: bytes = msgpack.packb({"ttl": memo.seconds, "by": memo.fields, "tail": memo.tail})
    return packed


def unpack_memo(packed: bytes) -> Memo:
    """Return what `pack_memo` was given; keys that are not known are passed over. Raises EnvelopeError."""
    try:
        info = msgpack.unpackb(packed, use_list=False, raw=False, max_array_len=MAX_FIELDS, max_map_len=64)
    except _DECODE_ERRORS as error:
        raise EnvelopeError(f"a memo is not msgpack: {error}") from error
    if type(info) is not dict:
        raise EnvelopeError("a memo is no map")
    seconds, fields, tail = info.get("ttl", 0), info.get("by"), info.get("tail", 0)
    if not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST or type(tail) is not int or tail < 0:
        raise EnvelopeError("a memo says no seconds, or no tail")
    if type(fields) is not tuple or not all(type(field) is str for field in fields):
        raise EnvelopeError("a memo names no fields")
    if sum(map(len, fields)) > MAX_NAMES:
        raise EnvelopeError("a memo names too much")
    return Memo(float(seconds), fields, tail)
