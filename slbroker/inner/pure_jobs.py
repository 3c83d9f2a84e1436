"""The way of requests through an edge in pure Python: the definition that `jobs` and `ordinary.take_in` have to match.

A turn's requests are handled together here, so that what is done for each of them alone is little.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from slbroker.bus.choice import Choice
    from slbroker.bus.envelope import Answer
    from slbroker.inner.pure import Address, Mac
    from slbroker.sip.reading import Dialog, Reading

# What msgpack begins an array of 3 and a number of 8 bytes with.
_TRIPLE: Final = 0x93
_UINT64: Final = 0xCF
_item_head: Final = struct.Struct(">BBQ").pack
_array_head: Final = struct.Struct(">BH").pack
_ARRAY16: Final = 0xDC

MAX_REPLY: Final = 65_507  # bytes an IPv4 datagram carries
# RFC 3261 7.2: as much of a worker's reply as is looked at; the rest is the worker's affair.
match_status_line: Final = re.compile(rb"SIP/2\.0 [1-6][0-9]{2} [^\r\n]*\r\n").match


class Job:
    """One request from its arrival to its end."""

    __slots__ = (
        "asks", "batch", "choice", "given", "key", "last_worker", "listener", "number", "queued", "reading", "reply_to",
        "size", "tries",
    )  # fmt: skip

    def __init__(
        self, reading: Reading, asks: bytes, choice: Choice, size: int, listener: Any = None, reply_to: Any = None,
        key: int = 0,
    ) -> None:  # fmt: skip
        """`asks` is the method when only workers that asked for it may have the job (ACK, CANCEL), else b"".

        `choice` says which pools may have it; `size` is the request's, in bytes. Where its reply goes, `listener` and
        `reply_to`, is the edge's affair: no worker is told, and the bus looks at neither. `key` is what it has in
        common with its repeats (`request_key`), 0 where nobody looks for those.
        """
        self.reading = reading
        self.key = key
        self.asks = asks
        self.choice = choice
        self.size = size
        self.listener = listener
        self.reply_to = reply_to
        self.number = 0
        self.queued = 0.0
        self.given = 0.0
        self.tries = 0
        self.batch = b""  # the route of the batch it went out in, where that has one
        self.last_worker: Any = None  # its account


JobT = TypeVar("JobT", bound=Job)
# A reading of an ACK, the datagram, and where it came from.
Ack: TypeAlias = "tuple[Reading, bytes, Address]"


def take_in(
    datagrams: Sequence[tuple[bytes, Address]],
    _listener: Any,
    _listen: str,
    _choice: Choice,
    _is_answerable: Callable[[str, int], bool],
) -> tuple[list[Job], list[Ack], list[tuple[int, bytes, Address]]]:
    """Return jobs of the ordinary requests among `datagrams`, its ordinary ACKs, and what takes the whole grammar.

    The latter is all of them, here; each with how many of the jobs came before it, so that order can be kept. A twin
    may read what it likes, if only it reads it as `slbroker_edge.reader.read` does:
    requests that no worker has to ask for, from a source that `is_answerable` (host, port), each with `choice` and with
    the address that its reply goes to.
    """
    return [], [], [(0, data, address) for data, address in datagrams]


def unsigned(acks: Sequence[Ack], macs: Mapping[bytes, Mac], start: int, stop: int) -> list[Ack]:
    """Return the ACKs whose To-tag is none of `macs`; the bytes from `start` to `stop` of a tag say which it would be.

    The CSeq number of an ACK is within 0 to 2**32 - 1.
    """
    rest = []
    for ack in acks:
        reading = ack[0]
        tag = reading.to_tag
        mac = macs.get(tag[start:stop])
        if mac is None or not mac.matches(tag, reading.call_id, reading.from_tag, reading.cseq):
            rest.append(ack)
    return rest


def number_jobs(jobs: Sequence[Job], first: int, now: float) -> int:
    """Number jobs from `first` on, as queued at `now`; return how many bytes they have in all."""
    size = 0
    for number, job in enumerate(jobs, first):
        job.number = number
        job.queued = now
        size += job.size
    return size


def size_of(jobs: Sequence[Job]) -> int:
    """Return how many bytes jobs have in all."""
    return sum([job.size for job in jobs])


def give(jobs: Sequence[JobT], account: Any, held: dict[int, JobT], now: float, route: bytes) -> None:
    """Note that a worker has been given `jobs` in one batch: they are among those that it has `held` from now on."""
    for job in jobs:
        job.given = now
        job.tries += 1
        job.batch = route
        job.last_worker = account
        held[job.number] = job


def pack_jobs(jobs: Sequence[Job]) -> bytes:
    """Return the body of a batch of requests, 65,535 at most."""
    count = len(jobs)
    parts = [bytes((0x90 | count,)) if count < 16 else _array_head(_ARRAY16, count)]
    for job in jobs:
        parts += (_item_head(_TRIPLE, _UINT64, job.number), job.reading.packed)
    return b"".join(parts)


def settle(_body: bytes, _held: dict[int, JobT], _most: int) -> tuple[list[tuple[JobT, Answer]], list[int]] | None:
    """Take those out of `held` that a body of replies answers; return them with their answers, and numbers not held.

    Or return None where `envelope.decode_replies` has to look, and nothing was taken out: always, here. A twin may
    settle bodies of the usual form, with no array longer than `most`.
    """
    return None


def post_replies(
    ended: Sequence[tuple[Job, Answer]],
    start: int,
    outbox: dict[Any, list[tuple[bytes, Any]]],
    arming: dict[Any, list[Dialog]],
) -> int:
    """Put replies into the outboxes of their listeners, from `ended[start]` to the first answer that is anything else.

    Return where that is, or the end. For final replies to INVITE the listener gets an entry in `arming`, in which are
    those with the peer's own To-tag.
    """
    for at in range(start, len(ended)):
        job, answer = ended[at]
        if job.asks or type(answer) is not bytes or len(answer) > MAX_REPLY or not match_status_line(answer):
            return at
        post(job.reading, job.listener, job.reply_to, answer, outbox, arming)
    return len(ended)


def post(
    request: Any, listener: Any, reply_to: Any, reply: bytes,
    outbox: dict[Any, list[tuple[bytes, Any]]], arming: dict[Any, list[Dialog]],
) -> None:  # fmt: skip
    """Put one reply into the outbox of its listener; `request` is what it answers."""
    outbox.setdefault(listener, []).append((reply, reply_to))
    if request.method == b"INVITE" and reply[8:9] != b"1":
        with_own_tag = arming.setdefault(listener, [])
        if request.to_tag:
            with_own_tag.append(request)
