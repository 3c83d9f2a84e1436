"""What an edge, or a broker, knows of one worker: what it offers, and how much of that is in use.

`Account` is what both have; an edge's accounts hold jobs, a broker's hold batches (`broker/batches`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

from slbroker.bus import keycheck, packing
from slbroker.bus.envelope import MAX_ARRAY, MAX_BATCH, decode_answered
from slbroker.bus.jobs import JobT, give
from slbroker.bus.keycheck import Labels
from slbroker.bus.packing import Record
from slbroker.bus.ready import PACKABLE
from slbroker.errors import EnvelopeError
from slbroker.twins import compiled_or_pure

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from slbroker.bus.envelope import Answer

MAX_CREDIT = 65_536  # requests one worker, or all workers behind one broker, may hold
MAX_NAME = 256  # characters of a worker's name and pool together; bytes of the methods it asks for


class Offer(NamedTuple):
    """What a worker says in HELLO. A broker says it of the workers behind it, whose number is `workers`."""

    name: str
    pool: str
    credit: int
    takes: frozenset[bytes]
    workers: int
    batch: int  # items it takes in one envelope
    labels: Labels = Labels()  # of its keys; of a broker's: what any of its workers signs with, what all of them have
    remembers: frozenset[bytes] = frozenset()  # methods of which decisions may be remembered, b"" for all
    generation: str = ""  # which version of its plugin it has, and how often it has loaded that
    record: Record = Record()  # what it has done lately

    @classmethod
    def read(cls, info: dict[str, Any]) -> Offer:
        """Return the offer in the map of a HELLO; raise EnvelopeError when that is not in order."""
        name, pool, takes = info.get("name"), info.get("pool"), info.get("takes")
        if not (isinstance(name, str) and name and isinstance(pool, str) and len(name) + len(pool) <= MAX_NAME):
            raise EnvelopeError("HELLO names no worker and pool")
        if not isinstance(takes, list | tuple) or not all(isinstance(method, bytes) for method in takes):
            raise EnvelopeError("HELLO's methods are no array of bytes")
        if sum(map(len, takes)) > MAX_NAME:
            raise EnvelopeError("HELLO asks for too many methods")
        remembers, generation = info.get("remembers", ()), info.get("generation", "")
        if not isinstance(remembers, list | tuple) or not all(isinstance(method, bytes) for method in remembers):
            raise EnvelopeError("HELLO's remembered methods are no array of bytes")
        if not isinstance(generation, str) or sum(map(len, remembers)) > MAX_NAME or len(generation) > MAX_NAME:
            raise EnvelopeError("HELLO says too much of what is remembered")
        credit = _number(info, "credit", None, MAX_CREDIT)
        workers, batch = _number(info, "workers", 1, MAX_CREDIT), _number(info, "batch", MAX_BATCH, MAX_CREDIT)
        labels = Labels(keycheck.read_labels(info, "signs"), keycheck.read_labels(info, "keys"))
        batch = min(batch, MAX_BATCH)
        record = Record.read(info["record"]) if "record" in info else Record()
        return cls(
            name, pool, credit, frozenset(takes), workers, batch, labels, frozenset(remembers), generation, record
        )

    def as_hello(self) -> dict[str, Any]:
        """Return the map of a HELLO that says this."""
        info = {**self._asdict(), "takes": sorted(self.takes)}
        labels, remembers, generation, record = (
            info.pop(key) for key in ("labels", "remembers", "generation", "record")
        )
        if remembers:
            info |= {"remembers": sorted(remembers), "generation": generation}
        return info | packing.as_words(record) | keycheck.as_words(signs=labels.signs, keys=labels.keys)


def _number(info: dict[str, Any], key: str, default: int | None, most: int) -> int:
    value = info.get(key, default)
    if type(value) is not int or not 0 < value <= most:
        raise EnvelopeError(f"HELLO offers a {key} of {value!r:.40}")
    return value


@compiled_or_pure("slbroker.bus._jobs")
def settle(
    body: bytes, held: dict[int, JobT], most: int, memos: list[tuple[JobT, Answer, bytes]]
) -> tuple[list[tuple[JobT, Answer]], list[int]]:
    """Take those out of `held` that a body of replies answers; return them with their answers, and numbers not held.

    Those that bring a memo come to `memos`, too. Raises EnvelopeError when it is no such body, or longer than `most`,
    and nothing is taken out then.
    """
    ended: list[tuple[JobT, Answer]] = []
    strangers = []
    for number, answer, *memo in decode_answered(body):
        job = held.pop(number, None)
        if job is None:
            strangers.append(number)
        else:
            ended.append((job, answer))
            memos += [(job, answer, one) for one in memo]
    return ended, strangers


class Account(ABC):
    """One worker, or one broker with the workers behind it."""

    __slots__ = (
        "answered", "batch", "credit", "fill", "generation", "heard", "identity", "is_broker", "labels", "leaving",
        "name", "open", "pool", "record", "remembers", "strikes", "takes", "ticket", "told", "workers",
    )  # fmt: skip
    open: dict[Any, Any]  # what it has been given and has not answered, the oldest first

    def __init__(self, identity: bytes, offer: Offer, now: float, *, is_broker: bool = False) -> None:
        self.identity = identity
        self.is_broker = is_broker
        self.name = offer.name
        self.pool = offer.pool
        self.fill = 1  # requests that it gets up to while it is idle, before others are woken; its pool says how many
        self.update(offer)
        self.heard = now
        self.open = {}
        self.answered = 0
        self.strikes = 0  # answers to what it was never given
        self.ticket = 0  # of its entry among those of its pool that have credit
        self.leaving = False
        self.told: dict[str, Any] = {}  # its own figures, as it told them last

    def update(self, offer: Offer) -> None:
        """Take over what the worker offers now: a reloaded plugin takes other methods, a broker has more workers."""
        self.credit = offer.credit
        self.takes = offer.takes
        self.workers = offer.workers
        self.batch = offer.batch
        self.labels = offer.labels
        self.remembers = offer.remembers
        self.generation = offer.generation
        self.record = offer.record

    @property
    @abstractmethod
    def held(self) -> int:
        """How many requests the worker holds: they use its credit."""

    @property
    def free(self) -> int:
        """How many more requests the worker may be given; below 0 when it has lowered its credit."""
        return 0 if self.leaving else self.credit - self.held

    @property
    def load(self) -> float:
        """How much the worker has to do: how many requests, or how often as many as fill it up.

        Each of those behind a broker. PACKABLE while it is to be filled up first, math.inf when it gets no more.
        """
        held, workers, fill = self.held, self.workers, self.fill
        if self.leaving or held >= self.credit:
            return math.inf
        if fill == 1:  # `width`, without asking for it: this is reckoned twice for each batch
            return held / workers
        return PACKABLE if held < workers else held / (workers * fill)

    @property
    def width(self) -> int:
        """How many requests make a load of 1."""
        return self.workers * self.fill

    @property
    def room(self) -> int:
        """How many requests it gets at once: what fills up the worker, or those that are idle for certain at a broker.

        Where none is idle they get as many on top of what they have.
        """
        held = self.held
        return min(self.fill * (self.workers - held if held < self.workers else self.workers), self.credit - held)

    def make_up(self, pause: float, now: float) -> None:
        """Let so many seconds, in which we did not run, have been none for this worker and what it holds."""
        self.heard = min(self.heard + pause, now)

    def figures(self) -> dict[str, Any]:
        """Return what the statistics show of the worker."""
        behind = {"workers": self.workers} if self.workers > 1 or self.is_broker else {}
        return {
            "name": self.name,
            "pool": self.pool,
            "credit": self.credit,
            "open": self.held,
            "answered": self.answered,
            **behind,
            **({"broker": True} if self.is_broker else {}),
            **({"told": self.told} if self.told else {}),
        }


class JobAccount(Account, Generic[JobT]):
    """A worker of an edge, or a broker, and the jobs it holds."""

    __slots__ = ("overdue",)
    open: dict[int, JobT]

    def __init__(self, identity: bytes, offer: Offer, now: float, *, is_broker: bool = False) -> None:
        super().__init__(identity, offer, now, is_broker=is_broker)
        self.overdue: dict[int, JobT] = {}  # taken away, but the worker may still be busy with them

    @property
    def held(self) -> int:
        """How many requests the worker holds, those included that were taken away as overdue."""
        return len(self.open) + len(self.overdue)

    @property
    def oldest(self) -> float:
        """When the oldest open job was given; math.inf without any."""
        return next(iter(self.open.values())).given if self.open else math.inf

    def has_had(self, job: JobT) -> bool:
        """Return whether `job` was given here. A worker may have said HELLO anew since; a broker may be another one."""
        last = job.last_worker
        again = last is self or (last is not None and last.identity == self.identity and not self.is_broker)
        return again or job.number in self.overdue

    def give(self, jobs: list[JobT], now: float, batch_id: bytes) -> None:
        """Note that the worker has been given `jobs` in one batch."""
        give(jobs, self, self.open, now, batch_id)

    def settle(
        self, body: bytes, now: float, memos: list[tuple[JobT, Answer, bytes]]
    ) -> tuple[list[tuple[JobT, Answer]], int]:
        """Return the jobs that a body of replies ends, with their answers, and how many answers end none.

        Those that may be remembered come to `memos`, too. Raises EnvelopeError when it is no such body, and nothing is
        settled then.
        """
        ended, strangers = settle(body, self.open, MAX_ARRAY, memos)
        self.heard = now
        for number in strangers:
            if self.overdue.pop(number, None) is None:
                self.strikes += 1
        self.answered += len(ended)
        return ended, len(strangers)

    def take_overdue(self, given_before: float) -> list[JobT]:
        """Take away and return the jobs given before that moment; their credit is not free until they are answered."""
        late = list(takewhile(lambda job: job.given < given_before, self.open.values()))
        for job in late:
            self.overdue[job.number] = self.open.pop(job.number)
        return late

    def make_up(self, pause: float, now: float) -> None:
        """Let so many seconds have been none, for the time that jobs are given, too."""
        super().make_up(pause, now)
        for job in self.open.values():
            job.given = min(job.given + pause, now)

    def take_unsent(self, now: float) -> list[JobT]:
        """Take away and return the jobs given at `now`: they have not left, and that was no try."""
        unsent = [job for job in self.open.values() if job.given == now]
        for job in unsent:
            del self.open[job.number]
            job.tries -= 1
        return unsent

    def release(self, jobs: Iterable[JobT]) -> None:
        """Let jobs be given here again: behind a broker there are other workers than the one that had them."""
        for job in jobs:
            self.overdue.pop(job.number, None)
            job.last_worker = None

    def take_batches(self, ids: Collection[bytes]) -> list[JobT]:
        """Take away and return the jobs of batches that will not be answered; overdue ones of them are forgotten."""
        lost = [job for job in self.open.values() if job.batch in ids]
        for job in lost:
            del self.open[job.number]
        self.overdue = {number: job for number, job in self.overdue.items() if job.batch not in ids}
        return lost
