"""The workers of one pool behind a broker, and the batches that wait for one of them.

A batch goes whole to a worker with credit for all of it: to an idle one that is known to be quick, the one that was
at work last, or else to the one that holds the fewest requests; an edge does the same (`bus/sharing`). Finding it takes
a time that grows with the logarithm of the number of workers, and with the number of different credits they offer.
"""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import TYPE_CHECKING

from slbroker.broker.batches import BatchAccount
from slbroker.bus.account import MAX_CREDIT, MAX_NAME, Offer
from slbroker.bus.envelope import MAX_BATCH
from slbroker.bus.generations import together
from slbroker.bus.keycheck import Labels
from slbroker.bus.pool import Pool
from slbroker.bus.ready import Ready

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence

    from slbroker.broker.batches import Batch


class BatchPool(Pool[BatchAccount]):
    """Workers of a broker, and the batches that wait for them."""

    waiting: deque[Batch]

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.waiting_size = 0  # requests that wait
        self.largest = 0  # credit of the worker that has most
        self.has_changed = False  # edges may not know what is offered now
        self.next_offer = 0.0  # when edges may be told again what the pool offers
        self._is_doubtful = False  # what waits may wait in vain
        self._tickets = count(1)
        self._credits: Counter[int] = Counter()  # offered, and by how many workers that stay
        self._ready: dict[int, Ready[BatchAccount]] = {}  # by the credit they offer

    # Workers come and go ----------------------------------------------------------------------------------------

    def _count(self, account: BatchAccount, change: int) -> None:
        super()._count(account, change)
        self._credits[account.credit] += 0 if account.leaving else change

    def _changed(self) -> None:
        """Go by what the workers that stay offer now."""
        super()._changed()
        self._credits = +self._credits
        self._ready = {credit: ready for credit, ready in self._ready.items() if credit in self._credits}
        largest, self.largest = self.largest, max(self._credits, default=0)
        self._is_doubtful |= self.largest < largest
        self.has_changed = True

    def offer(self, broker: str) -> Offer | None:
        """Return what the broker of that name offers edges on behalf of these workers; None when there are none.

        A batch is half the smallest credit, so that a worker can have the next one while it is busy with the last.
        """
        staying = [account for account in self.accounts.values() if not account.leaving]
        if not staying:
            return None
        credit = min(sum(account.credit for account in staying), MAX_CREDIT)
        batch = max(1, min(MAX_BATCH, *(min(account.credit // 2, account.batch) for account in staying)))
        takes = _first_bytes(frozenset[bytes]().union(*(account.takes for account in staying)))
        of_pool = f"{broker}/{self.name}"[: MAX_NAME - len(self.name)]  # an edge has one account for each pool of ours
        labels = _in_common([account.labels for account in staying])
        remembers = _first_bytes(frozenset[bytes]().union(*(account.remembers for account in staying)))
        generation = together([account.generation for account in staying]) if remembers else ""
        record = self.record
        return Offer(of_pool, self.name, credit, takes, len(staying), batch, labels, remembers, generation, record)

    # Credit -----------------------------------------------------------------------------------------------------

    def refresh(self, account: BatchAccount) -> None:
        """Note that what a worker holds, or may hold, has changed."""
        ready = self._ready.get(account.credit)
        if ready is None:
            ready = self._ready[account.credit] = Ready(self._tickets)
        ready.refresh(account)

    def least_loaded(self, size: int) -> BatchAccount | None:
        """Return who is to be packed, or holds the fewest requests, of those with credit for `size` more.

        Equals take turns. Of those that offer the same credit the least loaded has room for it, or none has.
        """
        firsts = [first for ready in self._ready.values() if (first := ready.first()) and first.free >= size]
        return min(firsts, key=lambda each: (each.load, each.ticket), default=None)

    def give(self, account: BatchAccount, batch: Batch) -> None:
        """Note that a worker gets `batch`, which has its id already."""
        account.open[batch.id] = batch
        account.held += batch.left
        batch.account = account
        self.refresh(account)

    def take_back(self, account: BatchAccount, batch: Batch) -> None:
        """Let a batch that has not reached its worker wait again, before the others."""
        del account.open[batch.id]
        account.held -= batch.left
        batch.account = None
        self.refresh(account)
        self.waiting.appendleft(batch)
        self._weigh(batch, 1)
        self._is_doubtful = True

    # Batches wait -----------------------------------------------------------------------------------------------

    def put(self, batch: Batch) -> None:
        """Let a batch wait behind the others."""
        self.waiting.append(batch)
        self._weigh(batch, 1)

    def pop(self) -> Batch:
        """Take away and return the batch that waits longest."""
        batch = self.waiting.popleft()
        self._weigh(batch, -1)
        return batch

    def _weigh(self, batch: Batch, change: int) -> None:
        self.waiting_size += change * batch.left
        self.waiting_bytes += change * len(batch.body)

    def take_aged(self, queued_before: float) -> list[Batch]:
        """Take away and return what waits since before that moment."""
        aged = []
        while self.waiting and self.waiting[0].queued < queued_before:
            aged.append(self.pop())
        return aged

    def take_hopeless(self) -> list[Batch]:
        """Take away and return what would wait in vain: nobody who stays has the credit for it."""
        hopeless = []
        for _ in range(len(self.waiting) if self._is_doubtful else 0):
            batch = self.pop()
            if batch.left > self.largest:
                hopeless.append(batch)
            else:
                self.put(batch)
        self._is_doubtful = False
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


def _in_common(told: Sequence[Labels]) -> Labels:
    """Return all keys that any of the workers signs with, and those that all have, of those that tell."""
    signs = [labels.signs for labels in told if labels.signs is not None]
    keys = [labels.keys for labels in told if labels.keys is not None]
    return Labels(frozenset.union(*signs) if signs else None, frozenset.intersection(*keys) if keys else None)
