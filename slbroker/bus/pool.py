"""One pool of workers: the requests that wait for it, and which of its workers gets the next ones.

The worker that holds the fewest requests comes first, and a turn's requests are shared so that all workers that get
some hold the same number then, as far as their credit goes. So a worker that is slow, or hangs, gets no more than the
others are behind with, whatever credit it offers. Behind a broker the requests are counted for each of its workers.
Finding who is next takes a time that grows with the logarithm of the number of workers.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Generic, TypeAlias

from slbroker.bus.account import Account
from slbroker.bus.envelope import MAX_BATCH, MAX_BATCH_BYTES
from slbroker.bus.jobs import JobT, size_of
from slbroker.bus.ready import Ready
from slbroker.bus.sharing import share

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sized

    from slbroker.bus.account import Offer

# A batch and who gets it.
Assignment: TypeAlias = tuple[Account[JobT], list[JobT]]
# A worker that may have a job which not everybody may have: load, ticket, free credit, worker.
Taker: TypeAlias = tuple[float, int, int, Account[JobT]]


class Pool(Generic[JobT]):
    """Workers of one name, and the jobs that wait for them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.accounts: dict[bytes, Account[JobT]] = {}
        self.waiting: deque[JobT] = deque()  # what any worker here may have, the next one first
        self.picky: deque[JobT] = deque()  # what only some may have
        self.waiting_bytes = 0
        self._offered: Counter[frozenset[bytes]] = Counter()  # methods asked for, and by how many workers
        self._common: frozenset[bytes] = frozenset()  # those that all asked for
        self.ready: Ready[Account[JobT]] = Ready()

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

    def add(self, account: Account[JobT]) -> None:
        """Take a worker in."""
        self.accounts[account.identity] = account
        self.ready.refresh(account)
        self._offered[account.takes] += 1
        self._sort_anew()

    def change(self, account: Account[JobT], offer: Offer) -> None:
        """Go by what a worker offers now."""
        self._offered[account.takes] -= 1
        account.update(offer)
        self._offered[account.takes] += 1
        self.ready.refresh(account)
        self._sort_anew()

    def remove(self, account: Account[JobT]) -> None:
        """Let a worker go; its jobs are the caller's affair."""
        del self.accounts[account.identity]
        self.ready.remove(account)
        self._offered[account.takes] -= 1
        self._sort_anew()

    def _sort_anew(self) -> None:
        """Sort the waiting jobs again when what all workers take has changed."""
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
        out: list[JobT] = []
        for queue in (self.picky, self.waiting):
            found = [job for job in queue if job.queued < queued_before]
            if found:
                kept = [job for job in queue if job.queued >= queued_before]
                queue.clear()
                queue.extend(kept)
                out += found
        self.waiting_bytes -= sum(job.size for job in out)
        return out

    # Jobs go out ------------------------------------------------------------------------------------------------

    def assign(self) -> Iterator[Assignment[JobT]]:
        """Yield batches of waiting jobs and who gets them, as far as there is credit; note each before the next."""
        if self.picky:
            yield from self._assign_picky()
        waiting = self.waiting
        if waiting:
            for account, count in self._share(len(waiting)):
                if count == len(waiting):
                    batch = list(waiting)
                    waiting.clear()
                else:
                    batch = [waiting.popleft() for _ in range(count)]
                yield from self._cut(account, batch)

    def _cut(self, account: Account[JobT], jobs: list[JobT]) -> Iterator[Assignment[JobT]]:
        """Cut one worker's share into batches: behind a broker there are several workers, and SIP can be large."""
        size = size_of(jobs)
        self.waiting_bytes -= size
        most = min(MAX_BATCH, account.batch)
        if account.workers > 1:
            most = min(most, -(-len(jobs) // account.workers))
        if size > MAX_BATCH_BYTES:
            yield from ((account, batch) for batch in _cut_by_bytes(jobs, most))
        elif len(jobs) <= most:
            yield account, jobs
        else:
            yield from ((account, jobs[start : start + most]) for start in range(0, len(jobs), most))
        self.ready.refresh(account)

    def _share(self, count: int) -> list[tuple[Account[JobT], int]]:
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
            yield from self._cut(self.accounts[identity], batch)

    def _takers(self, asks: bytes, batches: Mapping[bytes, Sized]) -> list[Taker[JobT]]:
        """Return a heap of the workers that take `asks`, with `batches` counted as theirs already."""
        takers = []
        for load, ticket, account in self.ready.entries():
            more = len(batches.get(account.identity, ()))
            if account.free > more and (not asks or asks in account.takes):
                takers.append((load + more / account.workers, ticket, account.free - more, account))
        heapq.heapify(takers)
        return takers

    # What others may know ---------------------------------------------------------------------------------------

    def figures(self) -> dict[str, Any]:
        """Return what the statistics show of the pool."""
        return {"workers": len(self.accounts), "waiting": len(self), "open": self.open}


def _pop_fitting(takers: list[Taker[JobT]], job: JobT) -> Account[JobT] | None:
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
                passed.append((load + 1 / account.workers, ticket, free - 1, account))
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
