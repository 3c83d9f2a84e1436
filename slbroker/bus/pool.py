"""One pool of workers: the requests that wait for it, and which of its workers gets the next ones.

`Pool` is what an edge's pool of jobs has in common with a broker's pool of batches (`broker/batchpool`).

In a pool of jobs idle workers that are known to be quick are packed, so that others sleep on (`sharing`, `packing`).
Else the worker that holds the fewest requests comes first, and a turn's requests are shared so that all workers that
get some hold the same number then, as far as their credit goes. So a worker that is slow, or hangs, gets no more than
the others are behind with, whatever credit it offers. Behind a broker the requests are counted for each of its workers.
Finding who is next takes a time that grows with the logarithm of the number of workers.
"""

from __future__ import annotations

import heapq
import math
from abc import ABC, abstractmethod
from collections import Counter, deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from slbroker.bus.account import Account, JobAccount
from slbroker.bus.envelope import MAX_BATCH, MAX_BATCH_BYTES
from slbroker.bus.jobs import JobT, size_of
from slbroker.bus.packing import Record, Tally
from slbroker.bus.ready import Ready
from slbroker.bus.sharing import pack, share

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sized

    from slbroker.bus.account import Offer

# A batch and who gets it.
Assignment: TypeAlias = tuple[JobAccount[JobT], list[JobT]]
# A worker that may have a job which not everybody may have: load, ticket, free credit, worker.
Taker: TypeAlias = tuple[float, int, int, JobAccount[JobT]]
AccountT = TypeVar("AccountT", bound=Account)


class Pool(ABC, Generic[AccountT]):
    """The workers of one name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.accounts: dict[bytes, AccountT] = {}
        self.waiting: deque[Any] = deque()  # the next one first
        self.waiting_bytes = 0
        self._tally = Tally()
        self._fill = 1  # of a worker that has had no slow requests
        self._quick = 0  # workers that are packed

    @property
    def record(self) -> Record:
        """What all workers together have done lately."""
        return self._tally.record

    def add(self, account: AccountT) -> None:
        """Take a worker in."""
        self.accounts[account.identity] = account
        self._count(account, 1)
        self._changed()
        self._rate(account, self.record)
        self.refresh(account)

    def change(self, account: AccountT, offer: Offer | None) -> None:
        """Go by what a worker offers now; with None it leaves, and gets nothing more."""
        self._count(account, -1)
        account.leaving = offer is None
        if offer is not None:
            account.update(offer)
        self._count(account, 1)
        self._changed()
        self._rate(account, self.record)
        self.refresh(account)

    def remove(self, account: AccountT) -> None:
        """Let a worker go; what it holds is the caller's affair."""
        del self.accounts[account.identity]
        account.ticket = 0  # its entry among those with credit counts no more
        self._quick -= account.fill > 1
        account.fill = 1
        self._count(account, -1)
        self._changed()

    def make_up(self, pause: float, now: float) -> None:
        """Let so many seconds, in which we did not run, have been none for what waits."""
        for each in self.waiting:
            each.queued = min(each.queued + pause, now)

    @abstractmethod
    def refresh(self, account: AccountT) -> None:
        """Note that what a worker holds, or may hold, has changed."""

    def _count(self, account: AccountT, change: int) -> None:
        """Count what a worker offers, as it stands, once more or (-1) once less."""
        self._tally.count(account.record, change)

    def _changed(self) -> None:
        """Go by what the workers offer together now."""
        record = self.record
        fill = Record().fill(record)
        if fill != self._fill:  # seldom: it goes in steps
            self._fill = fill
            for account in self.accounts.values():
                self._rate(account, record)
                self.refresh(account)

    def _rate(self, account: AccountT, record: Record) -> None:
        """Say how far a worker is filled, in a pool with that `record`."""
        self._quick -= account.fill > 1
        account.fill = self._fill_of(account, record)
        self._quick += account.fill > 1

    def _fill_of(self, account: AccountT, record: Record) -> int:
        """Return how many requests a worker gets up to while it is idle, in a pool with that `record`."""
        return account.record.fill(record)


class JobPool(Pool[JobAccount[JobT]], Generic[JobT]):
    """Workers of an edge, and the jobs that wait for them."""

    waiting: deque[JobT]  # what any worker here may have

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.picky: deque[JobT] = deque()  # what only some may have
        self._offered: Counter[frozenset[bytes]] = Counter()  # methods asked for, and by how many workers
        self._common: frozenset[bytes] = frozenset()  # those that all asked for
        self.ready: Ready[JobAccount[JobT]] = Ready()

    def __len__(self) -> int:
        """Return how many jobs wait."""
        return len(self.waiting) + len(self.picky)

    @property
    def open(self) -> int:
        """Return how many jobs are at workers."""
        return sum(len(account.open) for account in self.accounts.values())

    def takes(self, method: bytes) -> bool:
        """Return whether a worker asked for `method`."""
        return any(method in offered for offered in self._offered)

    # Workers come and go ----------------------------------------------------------------------------------------

    def refresh(self, account: JobAccount[JobT]) -> None:
        """Note that what a worker holds, or may hold, has changed."""
        self.ready.refresh(account)

    def _count(self, account: JobAccount[JobT], change: int) -> None:
        super()._count(account, change)
        self._offered[account.takes] += change

    def _changed(self) -> None:
        """Sort the waiting jobs again when what all workers take has changed."""
        super()._changed()
        self._offered = +self._offered  # without those that nobody offers any more
        common = frozenset.intersection(*self._offered) if self._offered else frozenset()
        if common != self._common:
            self._common = common
            everything = [*self.picky, *self.waiting]
            self.picky.clear()
            self.waiting.clear()
            for job in everything:
                self._queue_of(job).append(job)

    # Jobs wait --------------------------------------------------------------------------------------------------

    def put(self, job: JobT) -> None:
        """Let a job wait, behind the others."""
        self._queue_of(job).append(job)
        self.waiting_bytes += job.size

    def put_all(self, jobs: list[JobT], size: int) -> None:
        """Let jobs wait that any worker may have, `size` bytes in all."""
        self.waiting.extend(jobs)
        self.waiting_bytes += size

    def put_back(self, jobs: list[JobT]) -> None:
        """Let jobs that a worker had wait before all others, in their order."""
        for job in reversed(jobs):
            self._queue_of(job).appendleft(job)
            self.waiting_bytes += job.size

    def _queue_of(self, job: JobT) -> deque[JobT]:
        """Return where a job waits. A worker that had it must not have it again, even if it says HELLO anew."""
        if (job.asks and job.asks not in self._common) or job.tries or job.last_worker is not None:
            return self.picky
        return self.waiting

    def take_aged(self, queued_before: float) -> list[JobT]:
        """Take away and return the jobs that wait since before that moment; the oldest need not be in front."""
        aged = [job for job in (*self.picky, *self.waiting) if job.queued < queued_before]
        if aged:
            self.picky = deque(job for job in self.picky if job.queued >= queued_before)
            self.waiting = deque(job for job in self.waiting if job.queued >= queued_before)
            self.waiting_bytes -= size_of(aged)
        return aged

    def make_up(self, pause: float, now: float) -> None:
        """Let so many seconds have been none for the picky jobs, too."""
        super().make_up(pause, now)
        for job in self.picky:
            job.queued = min(job.queued + pause, now)

    # Jobs go out ------------------------------------------------------------------------------------------------

    def assign(self) -> Iterator[Assignment[JobT]]:
        """Yield batches of waiting jobs and who gets them, as far as there is credit; note each before the next."""
        if self.picky:
            yield from self._assign_picky()
        waiting = self.waiting
        if waiting:
            packed = pack(self.ready, len(waiting)) if self._quick else []
            for account, count in packed or self._share(len(waiting)):
                if count == len(waiting):
                    batch = list(waiting)
                    waiting.clear()
                    size = size_of(batch) if self.picky else self.waiting_bytes
                else:
                    batch = [waiting.popleft() for _ in range(count)]
                    size = size_of(batch)
                yield from self._cut(account, batch, size)

    def _cut(self, account: JobAccount[JobT], jobs: list[JobT], size: int) -> Iterator[Assignment[JobT]]:
        """Cut a worker's share, `size` bytes, into batches: behind a broker there are several, and SIP can be large."""
        self.waiting_bytes -= size
        most = min(MAX_BATCH, account.batch)
        if account.workers > 1:
            most = min(most, max(-(-len(jobs) // account.workers), account.fill))
        if size > MAX_BATCH_BYTES:
            yield from ((account, batch) for batch in _cut_by_bytes(jobs, most))
        elif len(jobs) <= most:
            yield account, jobs
        else:
            yield from ((account, jobs[start : start + most]) for start in range(0, len(jobs), most))
        self.ready.refresh(account)

    def _share(self, count: int) -> list[tuple[JobAccount[JobT], int]]:
        """Return who gets how many of `count` jobs."""
        return share(self.ready, count)

    def _assign_picky(self) -> Iterator[Assignment[JobT]]:
        """Look for a worker for each job that not everybody may have; the others stay."""
        if self.ready.lowest() == math.inf:
            return
        jobs = list(self.picky)
        batches: dict[bytes, list[JobT]] = {}
        for asks in dict.fromkeys(job.asks for job in jobs):
            takers = self._takers(asks, batches)
            for job in jobs:
                if job.asks == asks and (found := _pop_fitting(takers, job)) is not None:
                    batches.setdefault(found.identity, []).append(job)
        given = {job.number for batch in batches.values() for job in batch}
        self.picky = deque(job for job in jobs if job.number not in given)
        for identity, batch in batches.items():
            yield from self._cut(self.accounts[identity], batch, size_of(batch))

    def _takers(self, asks: bytes, batches: Mapping[bytes, Sized]) -> list[Taker[JobT]]:
        """Return a heap of the workers that take `asks`, with `batches` counted as theirs already."""
        takers = []
        for load, ticket, account in self.ready.entries():
            more = len(batches.get(account.identity, ()))
            if account.free > more and (not asks or asks in account.takes):
                takers.append((load + more / account.width, ticket, account.free - more, account))
        heapq.heapify(takers)
        return takers

    # What others may know ---------------------------------------------------------------------------------------

    def figures(self) -> dict[str, Any]:
        """Return what the statistics show of the pool."""
        return {"workers": len(self.accounts), "waiting": len(self), "open": self.open}

    def demand(self, now: float) -> dict[str, Any]:
        """Return what all its workers may hold together, and for how many seconds the first that waits has waited."""
        oldest = min((job.queued for job in (*islice(self.waiting, 1), *self.picky)), default=now)
        credit = sum(account.credit for account in self.accounts.values() if not account.leaving)
        return {"credit": credit, "oldest": max(0.0, now - oldest)}


def _pop_fitting(takers: list[Taker[JobT]], job: JobT) -> JobAccount[JobT] | None:
    """Return the least loaded worker that has not had `job`, and count it as its own; None when there is none."""
    passed: list[Taker[JobT]] = []
    found = None
    while takers and found is None:
        load, ticket, free, account = heapq.heappop(takers)
        if account.has_had(job):
            passed.append((load, ticket, free, account))
        else:
            found = account
            if free > 1:
                passed.append((load + 1 / account.width, ticket, free - 1, account))
    for taker in passed:
        heapq.heappush(takers, taker)
    return found


def _cut_by_bytes(jobs: Iterable[JobT], most: int) -> Iterator[list[JobT]]:
    batch: list[JobT] = []
    size = 0
    for job in jobs:
        if batch and (len(batch) == most or size + job.size > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(job)
        size += job.size
    yield batch
