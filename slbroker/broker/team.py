"""The workers of one pool behind a broker, and the batches that wait for one of them.

A batch goes whole to the worker that holds the fewest requests, of those with credit for all of it. Finding it takes a
time that grows with the logarithm of the number of workers, and with the number of different credits they offer.
"""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import TYPE_CHECKING

from slbroker.bus.account import MAX_CREDIT, MAX_NAME, Offer
from slbroker.bus.envelope import MAX_BATCH
from slbroker.bus.keycheck import Labels
from slbroker.bus.ready import Ready

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slbroker.broker.batches import Batch, Worker


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
        self._tickets = count(1)
        self._ready: dict[int, Ready[Worker]] = {}  # by the credit they offer

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
        offered = {worker.offer.credit for worker in self.staying()}
        self.largest = max(offered, default=0)
        self._ready = {credit: ready for credit, ready in self._ready.items() if credit in offered}

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
        return Offer(of_pool, self.pool, credit, takes, len(offers), batch, _labels_of(offers))

    # Credit -----------------------------------------------------------------------------------------------------

    def refresh(self, worker: Worker) -> None:
        """Note that what a worker holds, or may hold, has changed."""
        ready = self._ready.get(worker.offer.credit)
        if ready is None:
            ready = self._ready[worker.offer.credit] = Ready(self._tickets)
        ready.refresh(worker)

    def least_loaded(self, size: int) -> Worker | None:
        """Return who holds the fewest requests, of those with credit for `size` more; equals take turns.

        Of those that offer the same credit the least loaded has room for it, or none has.
        """
        firsts = [first for ready in self._ready.values() if (first := ready.first()) and first.free >= size]
        return min(firsts, key=lambda each: (each.used, each.ticket), default=None)

    def give(self, worker: Worker, batch: Batch) -> None:
        """Note that `worker` gets `batch`, which has its route already."""
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


def _labels_of(offers: Iterable[Offer]) -> Labels:
    """Return all keys that any of the workers signs with, and those that all have, of those that tell."""
    told = [offer.labels for offer in offers]
    signs = [labels.signs for labels in told if labels.signs is not None]
    keys = [labels.keys for labels in told if labels.keys is not None]
    return Labels(frozenset.union(*signs) if signs else None, frozenset.intersection(*keys) if keys else None)
