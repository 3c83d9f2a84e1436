"""Three other ways to choose a worker, to compare the pool's own with. All keep to the workers' credit."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Final

from slbroker.bus.choice import DEFAULT_POOL
from slbroker.bus.jobs import Job
from slbroker.bus.pool import JobPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.account import JobAccount
    from slbroker.bus.packing import Record


class SpreadingPool(JobPool[Job]):
    """Requests to those that hold the fewest, however quick they are."""

    def _fill_of(self, _account: JobAccount[Job], _record: Record) -> int:
        return 1


class RoundRobinPool(SpreadingPool):
    """One request to each worker in turn; those without credit are passed over."""

    _next = 0

    def _share(self, count: int) -> list[tuple[JobAccount[Job], int]]:
        accounts = list(self.accounts.values())
        room = {account.identity: account.free for account in accounts}
        shares: Counter[bytes] = Counter()
        passed = 0
        while count and passed < len(accounts):
            identity = accounts[self._next % len(accounts)].identity
            self._next += 1
            if shares[identity] < room[identity]:
                shares[identity] += 1
                count -= 1
                passed = 0
            else:
                passed += 1
        return [(self.accounts[identity], share) for identity, share in shares.items() if share]


class RandomPool(SpreadingPool):
    """Each request to any worker that has credit."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._rng = Random(7)

    def _share(self, count: int) -> list[tuple[JobAccount[Job], int]]:
        room = {account.identity: account.free for account in self.accounts.values() if account.free > 0}
        open_to = list(room)
        shares: Counter[bytes] = Counter()
        while count and open_to:
            at = self._rng.randrange(len(open_to))
            identity = open_to[at]
            shares[identity] += 1
            count -= 1
            if shares[identity] == room[identity]:
                open_to[at] = open_to[-1]
                open_to.pop()
        return [(self.accounts[identity], share) for identity, share in shares.items()]


POLICIES: Final[dict[str, Callable[[], JobPool[Job]]]] = {
    "packed, or fewest open requests": lambda: JobPool(DEFAULT_POOL),
    "fewest open requests": lambda: SpreadingPool(DEFAULT_POOL),
    "random": lambda: RandomPool(DEFAULT_POOL),
    "round robin": lambda: RoundRobinPool(DEFAULT_POOL),
}
