"""A request on its way through an edge: one object from its datagram to its reply."""

from __future__ import annotations

import struct
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final, TypeVar

from slbroker.counting import BOUNDS, WIDTH
from slbroker.twins import compiled_or_pure

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence

    from slbroker.bus.choice import Choice
    from slbroker.sip.reading import Reading

# What msgpack begins an array of 3 and a number of 8 bytes with.
_TRIPLE: Final = 0x93
_UINT64: Final = 0xCF
_item_head: Final = struct.Struct(">BBQ").pack
_array_head: Final = struct.Struct(">BH").pack
_ARRAY16: Final = 0xDC


@compiled_or_pure("slbroker.bus._jobs")
class Job:
    """One request from its arrival to its end."""

    __slots__ = (
        "asks", "batch", "choice", "data", "given", "key", "last_worker", "listener", "number", "queued", "reading",
        "reply_to", "size", "tries",
    )  # fmt: skip

    def __init__(
        self, reading: Reading, asks: bytes, choice: Choice, size: int, listener: Any = None, reply_to: Any = None,
        key: int = 0, data: bytes = b"",
    ) -> None:  # fmt: skip
        """`asks` is the method when only workers that asked for it may have the job (ACK, CANCEL), else b"".

        `choice` says which pools may have it; `size` is the request's, in bytes. Where its reply goes, `listener` and
        `reply_to`, is the edge's affair: no worker is told, and the bus looks at neither. `key` is what it has in
        common with its repeats (`request_key`), 0 where nobody looks for those. `data` is the request as it came, for
        when it goes on.
        """
        self.reading = reading
        self.key = key
        self.asks = asks
        self.choice = choice
        self.size = size
        self.listener = listener
        self.reply_to = reply_to
        self.data = data
        self.number = 0
        self.queued = 0.0
        self.given = 0.0
        self.tries = 0
        self.batch = b""  # the id of the batch it went out in, where that has one
        self.last_worker: Any = None  # its account


JobT = TypeVar("JobT", bound=Job)


@compiled_or_pure("slbroker.bus._jobs")
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


@compiled_or_pure("slbroker.bus._jobs")
def give(jobs: Sequence[JobT], account: Any, held: dict[int, JobT], now: float, batch_id: bytes) -> None:
    """Note that a worker has been given `jobs` in one batch: they are among those that it has `held` from now on."""
    for job in jobs:
        job.given = now
        job.tries += 1
        job.batch = batch_id
        job.last_worker = account
        held[job.number] = job


@compiled_or_pure("slbroker.bus._jobs")
def pack_jobs(jobs: Sequence[Job]) -> bytes:
    """Return the body of a batch of requests, 65,535 at most."""
    count = len(jobs)
    parts = [bytes((0x90 | count,)) if count < 16 else _array_head(_ARRAY16, count)]
    for job in jobs:
        parts += (_item_head(_TRIPLE, _UINT64, job.number), job.reading.packed)
    return b"".join(parts)


@compiled_or_pure("slbroker.bus._jobs")
def observe(ended: Sequence[tuple[Job, Any]], now: float, places: array[int], sums: array[float]) -> None:
    """Take in that jobs were answered at `now`; `places` and `sums` are those of a `slbroker.counting.Clock`."""
    for job, _answer in ended:
        for at, seconds in enumerate((job.given - job.queued, now - job.given, now - job.queued)):
            places[at * WIDTH + bisect_left(BOUNDS, seconds)] += 1
            sums[at] += seconds
