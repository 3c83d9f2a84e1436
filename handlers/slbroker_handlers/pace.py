"""How many requests a worker asks for at once: no more than it can answer soon.

A handler that blocks runs one request at a time, and all others that the edge has given wait in the worker, where no
other worker can take them. The credit bounds how many they are; here it is chosen so that they wait for a bounded time.
Pure: how long requests took comes in.
"""

from __future__ import annotations

from typing import Final

LONGEST_QUEUE: Final = 0.5  # seconds of work: SIP's T1, after which a client repeats its request (RFC 3261 17.1.1.1)
LEAST: Final = 2  # one at work, and the next one here when that is answered
STEP: Final = 1.5  # a credit is told anew when it changes by this factor: a HELLO and a log line for each
MEMORY: Final = 64  # requests after which what was before counts half
FEW: Final = 4  # requests that say nothing yet: the first ones import and connect


class Pace:
    """The time that a request keeps the worker, on average, and the credit that follows from it."""

    def __init__(self, most: int) -> None:
        """`most` is the credit of a worker whose handlers take next to no time."""
        self.credit = most
        self._most = most
        self._seconds = 0.0
        self._count = 0.0

    @property
    def time(self) -> float:
        """Return how long one request keeps the worker, in seconds, averaged over recent ones."""
        return self._seconds / self._count if self._count else 0.0

    def note(self, seconds: float, count: float, edges: int = 1) -> bool:
        """Take in that `count` requests, more than 0, kept the worker for so long; return whether `credit` changes.

        The worker's time is shared by `edges`, each of which has that credit.
        """
        if self._count >= MEMORY:
            self._seconds /= 2
            self._count /= 2
        self._seconds += seconds
        self._count += count
        if self._count < FEW and self._seconds < LONGEST_QUEUE:
            return False
        wanted = self._wanted(edges)
        changed = wanted * STEP <= self.credit or wanted >= self.credit * STEP or self._most == wanted > self.credit
        if changed:
            self.credit = wanted
        return changed

    def _wanted(self, edges: int) -> int:
        share = LONGEST_QUEUE / edges
        if share >= self.time * self._most:
            return self._most
        return min(self._most, max(LEAST, int(share / self.time)))
