"""The workers of one pool behind a broker, and the batches that wait for one of them.

A batch goes whole to the worker with the most free credit. Finding it takes a time that grows with the logarithm of
the number of workers.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from slbroker.bus.account import MAX_CREDIT, MAX_NAME, Offer
from slbroker.bus.envelope import MAX_BATCH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slbroker.broker.batches import Batch

STALE_ENTRIES: Final = 64  # of the heap that are kept, beside as many as there are workers, before it is made anew


class Worker:
    """One worker: what it offers, and the batches it holds."""

    __slots__ = ("answered", "batches", "heard", "identity", "leaving", "offer", "strikes", "ticket", "turn", "used")

    def __init__(self, identity: bytes, offer: Offer, now: float) -> None:
        self.identity = identity
        self.offer = offer
        self.heard = now
        self.batches: dict[bytes, Batch] = {}  # by the route that the worker knows them by
        self.used = 0  # requests in them that are not answered
        self.answered = 0
        self.strikes = 0  # answers to what it does not hold
        self.leaving = False
        self.turn = 0
        self.ticket = 0  # of its valid entry in the heap

    @property
    def free(self) -> int:
        """Return how many more requests it may be given; below 0 when it has lowered its credit."""
        return 0 if self.leaving else self.offer.credit - self.used

    def figures(self) -> dict[str, Any]:
        """Return what the statistics show of it."""
        return {
            "name": self.offer.name,
            "pool": self.offer.pool,
            "credit": self.offer.credit,
            "open": self.used,
            "answered": self.answered,
        }


class Team:
    """The workers of one pool."""

    def __init__(self, pool: str) -> None:
        self.pool = pool
        self.workers: dict[bytes, Worker] = {}
        self.waiting: deque[Batch] = deque()  # the oldest first
        self.waiting_size = 0  # requests in them
        self.waiting_bytes = 0
        self.largest = 0  # credit of the worker that has most
        self.next_offer = 0.0  # when edges may be told again what the team offers
        self._free: list[tuple[int, int, int, Worker]] = []  # a heap: -free, turn, ticket, worker
        self._ticket = 0
        self._turn = 0

    # Workers come and go ----------------------------------------------------------------------------------------

    def add(self, worker: Worker) -> None:
        """Take a worker in, or what one offers anew."""
        is_new = worker.identity not in self.workers
        self.workers[worker.identity] = worker
        if is_new:
            self.largest = max(self.largest, worker.offer.credit)
        else:
            self._changed()
        self.refresh(worker)

    def retire(self, worker: Worker) -> None:
        """Give a worker nothing more."""
        worker.leaving = True
        self._changed()
        self.refresh(worker)

    def remove(self, worker: Worker) -> None:
        """Let a worker go; its batches are the caller's affair."""
        del self.workers[worker.identity]
        worker.ticket = 0
        self._changed()

    def _changed(self) -> None:
        self.largest = max((worker.offer.credit for worker in self.staying()), default=0)

    def staying(self) -> Iterable[Worker]:
        """Return the workers that have not said GOODBYE."""
        return (worker for worker in self.workers.values() if not worker.leaving)

    def offer(self, name: str) -> Offer | None:
        """Return what a broker called `name` offers edges in the name of these workers; None when there are none.

        A batch is half the smallest credit, so that a worker can have the next one while it is busy with the last.
        """
        offers = [worker.offer for worker in self.staying()]
        if not offers:
            return None
        credit = min(sum(offer.credit for offer in offers), MAX_CREDIT)
        batch = max(1, min(MAX_BATCH, *(min(offer.credit // 2, offer.batch) for offer in offers)))
        takes = _first_bytes(frozenset[bytes]().union(*(offer.takes for offer in offers)))
        of_pool = f"{name}/{self.pool}"[: MAX_NAME - len(self.pool)]  # an edge has one account for each pool of ours
        return Offer(of_pool, self.pool, credit, takes, len(offers), batch)

    # Credit -----------------------------------------------------------------------------------------------------

    def refresh(self, worker: Worker) -> None:
        """Note that a worker's free credit has changed."""
        free = worker.free
        if free <= 0:
            worker.ticket = 0
            return
        self._ticket = worker.ticket = self._ticket + 1
        heapq.heappush(self._free, (-free, worker.turn, worker.ticket, worker))
        if len(self._free) > 2 * len(self.workers) + STALE_ENTRIES:
            self._free = [entry for entry in self._free if entry[2] == entry[3].ticket]
            heapq.heapify(self._free)

    def freest(self, size: int) -> Worker | None:
        """Return the worker with the most free credit if that is enough for `size` requests; equals take turns."""
        heap = self._free
        while heap:
            free, _turn, ticket, worker = heap[0]
            if ticket == worker.ticket:
                return worker if -free >= size else None
            heapq.heappop(heap)
        return None

    def give(self, worker: Worker, batch: Batch) -> None:
        """Note that `worker` gets `batch`, which has its route already."""
        self._turn = worker.turn = self._turn + 1
        worker.batches[batch.route] = batch
        worker.used += batch.left
        batch.worker = worker
        self.refresh(worker)

    def take_back(self, worker: Worker, batch: Batch) -> None:
        """Note that `worker` no longer holds `batch`."""
        del worker.batches[batch.route]
        worker.used -= batch.left
        batch.worker = None
        self.refresh(worker)

    # Batches wait -----------------------------------------------------------------------------------------------

    def put(self, batch: Batch, *, first: bool = False) -> None:
        """Let a batch wait, behind the others or before them."""
        if first:
            self.waiting.appendleft(batch)
        else:
            self.waiting.append(batch)
        self.waiting_size += batch.left
        self.waiting_bytes += len(batch.body)

    def pop(self) -> Batch:
        """Take away and return the batch that waits longest."""
        batch = self.waiting.popleft()
        self.waiting_size -= batch.left
        self.waiting_bytes -= len(batch.body)
        return batch

    def take_aged(self, queued_before: float) -> list[Batch]:
        """Take away and return what waits since before that moment."""
        aged = []
        while self.waiting and self.waiting[0].queued < queued_before:
            aged.append(self.pop())
        return aged

    def take_hopeless(self) -> list[Batch]:
        """Take away and return what would wait in vain: nobody who stays has the credit for it."""
        hopeless = []
        for _ in range(len(self.waiting)):
            batch = self.pop()
            if batch.left > self.largest:
                hopeless.append(batch)
            else:
                self.put(batch)
        return hopeless


def _first_bytes(methods: frozenset[bytes]) -> frozenset[bytes]:
    """Return as many of `methods` as a HELLO may name; a broker does not fail for a plugin with strange ones."""
    room = MAX_NAME
    kept = []
    for method in sorted(methods):
        room -= len(method)
        if room < 0:
            break
        kept.append(method)
    return frozenset(kept)
