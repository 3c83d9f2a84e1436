"""One pool of workers: the requests that wait for it, and which of its workers gets the next ones.

The worker with the most free credit comes first, and a turn's requests are shared so that the same credit is left
free at all that get some. So a worker that is slow, or hangs, gets no more than the others are behind with.
Finding it takes a time that grows with the logarithm of the number of workers.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Generic, TypeAlias

from slbroker.bus.account import Account, JobT
from slbroker.bus.envelope import MAX_BATCH, MAX_BATCH_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from slbroker.bus.account import Offer

# A batch and who gets it.
Assignment: TypeAlias = tuple[Account[JobT], list[JobT]]


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
        self._free: list[tuple[int, int, int, Account[JobT]]] = []  # a heap: -free, turn, ticket, worker
        self._ticket = 0
        self._turn = 0

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
        self.refresh(account)
        self._offered[account.takes] += 1
        self._sort_anew()

    def change(self, account: Account[JobT], offer: Offer) -> None:
        """Go by what a worker offers now."""
        self._offered[account.takes] -= 1
        account.update(offer)
        self._offered[account.takes] += 1
        self.refresh(account)
        self._sort_anew()

    def remove(self, account: Account[JobT]) -> None:
        """Let a worker go; its jobs are the caller's affair."""
        del self.accounts[account.identity]
        account.ticket = 0
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

    def refresh(self, account: Account[JobT]) -> None:
        """Note that a worker's free credit has changed."""
        free = account.free
        if free <= 0:
            account.ticket = 0
            return
        self._ticket = account.ticket = self._ticket + 1
        heapq.heappush(self._free, (-free, account.turn, account.ticket, account))
        if len(self._free) > 2 * len(self.accounts) + 64:  # mostly entries that hold no longer
            self._free = [entry for entry in self._free if entry[2] == entry[3].ticket]
            heapq.heapify(self._free)

    # Jobs wait --------------------------------------------------------------------------------------------------

    def put(self, job: JobT) -> None:
        """Let a job wait, behind the others."""
        self._queue_of(job).append(job)
        self.waiting_bytes += job.size

    def put_back(self, jobs: list[JobT]) -> None:
        """Let jobs that a worker had wait before all others, in their order."""
        for job in reversed(jobs):
            self._queue_of(job).appendleft(job)
            self.waiting_bytes += job.size

    def _queue_of(self, job: JobT) -> deque[JobT]:
        """Return where a job waits. A worker that had it and is still here sits on it, and must not have it again."""
        if job.asks and job.asks not in self._common:
            return self.picky
        last = job.last_worker
        if last is not None and (last.identity in self.accounts or job.tries > 1):
            return self.picky
        return self.waiting

    def take_aged(self, queued_before: float) -> list[JobT]:
        """Take away and return the jobs that wait since before that moment; the oldest need not be in front."""
        return self._sift(lambda job: job.queued < queued_before)

    def take_all(self) -> list[JobT]:
        """Take away and return all jobs that wait."""
        return self._sift(lambda _job: True)

    def _sift(self, unwanted: Callable[[JobT], bool]) -> list[JobT]:
        out: list[JobT] = []
        for queue in (self.picky, self.waiting):
            found = [job for job in queue if unwanted(job)]
            if found:
                kept = [job for job in queue if not unwanted(job)]
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
        if not waiting:
            return
        self._turn += 1
        for account, count in self._share(len(waiting)):
            account.turn = self._turn
            batch = [waiting.popleft() for _ in range(count)]
            yield from self._cut(account, batch)

    def _cut(self, account: Account[JobT], jobs: list[JobT]) -> Iterator[Assignment[JobT]]:
        """Cut one worker's share into batches: behind a broker there are several workers, and SIP can be large."""
        size = sum([job.size for job in jobs])
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
        self.refresh(account)

    def _share(self, count: int) -> list[tuple[Account[JobT], int]]:
        """Return who gets how many of `count` jobs, the freest worker first."""
        chosen: list[Account[JobT]] = []
        free = level = 0  # credit of the chosen ones; what the next one has, and they will be left with
        while len(chosen) < count and (account := self._pop_freest()) is not None:
            chosen.append(account)
            free += account.free
            level = self._highest_free()
            if free - level * len(chosen) >= count:
                break
        left, remainder = divmod(max(0, free - count), len(chosen) or 1)
        shares = []
        for position, account in enumerate(chosen):
            share = account.free - left - (position >= len(chosen) - remainder)
            if share > 0:
                shares.append((account, share))
            else:
                self.refresh(account)
        return shares

    def _pop_freest(self) -> Account[JobT] | None:
        if not self._highest_free():
            return None
        return heapq.heappop(self._free)[3]

    def _highest_free(self) -> int:
        """Return the most free credit that a worker in the heap has; drop what no longer holds from its top."""
        heap = self._free
        while heap:
            free, _turn, ticket, account = heap[0]
            if ticket == account.ticket:
                return -free
            heapq.heappop(heap)
        return 0

    def _assign_picky(self) -> Iterator[Assignment[JobT]]:
        """Look for a worker for each job that not everybody may have; the others stay."""
        jobs = list(self.picky)
        self.picky.clear()
        batches: dict[bytes, list[JobT]] = {}
        for job in jobs:
            fitting = [account for account in self.accounts.values() if _fits(job, account, batches)]
            if fitting:
                account = max(fitting, key=lambda each: each.free - len(batches.get(each.identity, ())))
                batches.setdefault(account.identity, []).append(job)
            else:
                self.picky.append(job)
        for identity, batch in batches.items():
            yield from self._cut(self.accounts[identity], batch)

    # What others may know ---------------------------------------------------------------------------------------

    def figures(self) -> dict[str, Any]:
        """Return what the statistics show of the pool."""
        return {"workers": len(self.accounts), "waiting": len(self), "open": self.open}


def _fits(job: JobT, account: Account[JobT], batches: dict[bytes, list[JobT]]) -> bool:
    return (
        account.free > len(batches.get(account.identity, ()))
        and (not job.asks or job.asks in account.takes)
        and job.last_worker is not account
        and job.number not in account.overdue
    )


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
