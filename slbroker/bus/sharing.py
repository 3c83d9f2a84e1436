"""Who gets how many of the requests of one turn.

Workers that can be relied on are packed: an idle one is filled up to a bounded time of work, then the next one is woken
(`packing` says who, and how far). When none is idle, the one that has least to do gets as much on top. Where there are
none to rely on, or everybody would have to get some, requests are spread: those that hold the fewest are filled up to
one level, like water; who is filled up with more is so much the wider. Exact, in whole numbers, and in a time of
O(n log workers) for the n workers that get some.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slbroker.bus.account import JobAccount
    from slbroker.bus.jobs import JobT
    from slbroker.bus.ready import Ready


def pack(ready: Ready[JobAccount[JobT]], count: int) -> list[tuple[JobAccount[JobT], int]]:
    """Return who gets how many of `count` jobs, each no more than fills it up once; nothing when that is not enough."""
    shares = []
    rest = count
    while rest and ready.lowest() < math.inf:
        account = ready.pop()
        part = min(account.room, rest)
        shares.append((account, part))
        rest -= part
    if not rest:
        return shares
    for account, _part in shares:
        ready.put_back(account)
    return []


def share(ready: Ready[JobAccount[JobT]], count: int) -> list[tuple[JobAccount[JobT], int]]:
    """Return who gets how many of `count` jobs: what fills all that get some up to one level, or their credit."""
    if count == 1:  # most often there is nothing to share
        return [(ready.pop(), 1)] if ready.lowest() < math.inf else []
    chosen, total, width = _choose(ready, count)
    if not width or len(chosen) == 1:  # all are full, or there is but one
        return [(account, min(count, account.credit - held)) for account, held in chosen]
    parts = [min(account.credit, total * account.width // width) - held for account, held in chosen]
    rest = count - sum(parts)  # the level mostly lies between two whole numbers
    shares = []
    for (account, held), part in zip(chosen, parts, strict=True):
        if rest and held + part < account.credit:
            shares.append((account, part + 1))
            rest -= 1
        elif part:
            shares.append((account, part))
        else:
            ready.put_back(account)
    return shares


def _choose(ready: Ready[JobAccount[JobT]], count: int) -> tuple[list[tuple[JobAccount[JobT], int]], int, int]:
    """Take out the workers that `count` jobs go to; return them, and what each holds, and the level: a fraction.

    The level is what those whose credit is not used up will hold, by their width. Like water it rises over the
    least loaded worker first; the next one is reached by it, or is not, and whoever is full lets it rise faster.
    """
    lowest, pop = ready.lowest, ready.pop
    chosen: list[tuple[JobAccount[JobT], int]] = []
    rising: list[tuple[float, int]] = []  # a heap of those that are not full: at which level they are, which one
    total, width, level = count, 0, math.inf  # of these, with the jobs
    while True:
        while len(rising) < count and lowest() < level:
            account = pop()
            held = account.held
            heapq.heappush(rising, (account.credit / account.width, len(chosen)))
            chosen.append((account, held))
            total += held
            width += account.width
            level = total / width
        if not rising or rising[0][0] >= level:
            return chosen, total, width
        account, held = chosen[heapq.heappop(rising)[1]]
        count -= account.credit - held
        total -= account.credit
        width -= account.width
        level = total / width if width else math.inf
