"""Up to how many requests a worker is filled before the next one is woken.

To wake a worker costs more than a cheap request does. So an edge fills one that is idle up to a bounded time of work,
if it may rely on that: a worker tells how many requests it has served lately, how many of them were slow, and how long
one takes it, and what packing costs others is held against that. Where nothing is known yet, or requests are slow, or
await something, workers get one request at a time, and all of them are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from slbroker.errors import EnvelopeError

if TYPE_CHECKING:
    from collections.abc import Sequence

WORK: Final = 0.001  # seconds that an idle worker is filled up to
LONG: Final = 0.000_25  # seconds of a request that weighs by its own length in how long one takes
SLOW: Final = 0.002  # seconds of a request that others should not wait for; hiccups of a virtual machine are shorter
HELD_UP: Final = 0.002  # of all requests: the share that may be behind a slow one for being packed
FEWEST: Final = 8  # that are worth packing: less saves little, and p99 of cheap requests among slow ones shows it
MOST: Final = 2**20  # a worker is not believed that it has served more lately


class Record(NamedTuple):
    """What a worker, or all of a pool together, has done lately."""

    served: int = 0  # requests
    slow: int = 0  # of them: they kept the worker, or took themselves, longer than SLOW
    micros: int = 1  # microseconds of a worker for one that others wait for, times the edges that share the worker

    @classmethod
    def read(cls, words: object) -> Record:
        """Return what HELLO says; raise EnvelopeError when that is not in order."""
        if not isinstance(words, list | tuple) or not all(type(word) is int and word >= 0 for word in words):
            raise EnvelopeError("HELLO's record is no array of numbers")
        if len(words) < len(cls._fields):
            raise EnvelopeError("HELLO's record is too short")
        served, slow, micros = words[: len(cls._fields)]
        return cls(min(served, MOST), min(slow, served, MOST), min(max(micros, 1), MOST))

    @classmethod
    def together(cls, records: Sequence[Record]) -> Record:
        """Return what several workers have done."""
        tally = Tally()
        for record in records:
            tally.count(record, 1)
        return tally.record

    def fill(self, pool: Record) -> int:
        """Return up to how many requests an idle worker with this record is filled: 8, 12, 16, 24, 32, ...

        Those of a worker for which that is 1 are spread.

        A worker that has had slow ones goes by its own record, any other one by its `pool`'s if that says more.
        Of a batch of n the other n - 1 are behind each one half of the time. So of requests of which a share s is slow,
        packing holds up s * (n - 1) / 2. Taking one more slow one for granted makes that no more than HELD_UP on
        average for whatever share there may be in truth, however few have been seen.
        """
        by_time = WORK * 1e6 / max(self.micros, pool.micros)
        requests = self.served / (self.slow + 1)  # to each slow one
        if not self.slow:
            requests = max(requests, pool.served / (pool.slow + 1))
        by_share = 1 + 2 * HELD_UP * requests
        most = int(min(by_time, by_share))
        step = 1 << max(0, most.bit_length() - 2)  # so that it changes seldom
        return most // step * step if most >= FEWEST else 1


class Tally:
    """The records of a pool's workers, added up."""

    __slots__ = ("_micros", "_served", "_slow")

    def __init__(self) -> None:
        self._served = self._slow = self._micros = 0

    def count(self, record: Record, change: int) -> None:
        """Count a record once more or (-1) once less."""
        self._served += change * record.served
        self._slow += change * record.slow
        self._micros += change * record.served * record.micros

    @property
    def record(self) -> Record:
        """What all have done together."""
        return Record(self._served, self._slow, self._micros // self._served if self._served else 1)


def as_words(record: Record) -> dict[str, Any]:
    """Return what HELLO says of a record; nothing as long as there is none."""
    return {"record": list(record)} if record.served else {}
