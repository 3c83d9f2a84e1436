"""The workers that have credit, the least loaded first: a heap, so finding one takes a time of O(log workers).

An entry is never changed. What a worker holds changes all the time, and each change makes a new entry, whose ticket
says that it is the one that counts; the others are dropped when they come to the top, or when there are too many. The
lowest ticket is of the worker that has been as it is for longest: so equals take turns. Not so those that are to be
filled up: their tickets are counted below 0, so the one that was at work last comes first, and the others sleep on.
"""

from __future__ import annotations

import heapq
import math
from itertools import count
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKABLE: Final = -1.0  # the load of a worker that is filled up before the next one is woken
STALE_ENTRIES: Final = 64  # kept beside as many as there are workers with credit, before the heap is made anew


class Loaded(Protocol):
    """What is asked of a worker."""

    ticket: int  # of the entry that counts; 0 for none

    @property
    def load(self) -> float:
        """How many requests it holds; math.inf when it may be given no more, PACKABLE while it is to be filled up."""


LoadedT = TypeVar("LoadedT", bound=Loaded)
# load, ticket, worker
Entry: TypeAlias = tuple[float, int, LoadedT]


class Ready(Generic[LoadedT]):
    """Workers with credit, in the order in which they get requests."""

    def __init__(self, tickets: Iterator[int] | None = None) -> None:
        """`tickets`, counted up from 1, are common to all heaps that a worker can move between."""
        self._heap: list[Entry[LoadedT]] = []
        self._tickets = tickets or count(1)
        self._most = STALE_ENTRIES

    def refresh(self, worker: LoadedT) -> None:
        """Note that what a worker holds, or may hold, has changed."""
        load = worker.load
        if load == math.inf:
            worker.ticket = 0
            return
        ticket = worker.ticket = next(self._tickets) if load >= 0 else -next(self._tickets)
        heap = self._heap
        if heap and heap[0][1] != heap[0][2].ticket:  # so that it hardly grows where few have something to do
            heapq.heapreplace(heap, (load, ticket, worker))
            return
        heapq.heappush(heap, (load, ticket, worker))
        if len(heap) > self._most:
            self._heap = list(self.entries())
            heapq.heapify(self._heap)
            self._most = 2 * len(self._heap) + STALE_ENTRIES

    def lowest(self) -> float:
        """Return the least that one of them holds; math.inf when nobody has credit."""
        heap = self._heap
        while heap:
            load, ticket, worker = heap[0]
            if ticket == worker.ticket:
                return load
            heapq.heappop(heap)
        return math.inf

    def first(self) -> LoadedT | None:
        """Return the one that is next, if anybody has credit."""
        return self._heap[0][2] if self.lowest() < math.inf else None

    def pop(self) -> LoadedT:
        """Take out the one that `lowest` has just found; `refresh` puts it back, or `put_back` where it was."""
        return heapq.heappop(self._heap)[2]

    def put_back(self, worker: LoadedT) -> None:
        """Put back one that was taken out and has not changed."""
        heapq.heappush(self._heap, (worker.load, worker.ticket, worker))

    def entries(self) -> Iterator[Entry[LoadedT]]:
        """Return the entries that count, in no order."""
        return (entry for entry in self._heap if entry[1] == entry[2].ticket)
