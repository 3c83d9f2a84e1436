"""What a process counts of replies and of times, made to cost next to nothing for each message.

A tally is an array of 64 bit counters with a place for each method and status; a clock is one with a place for each
length of time, for each stage on a request's way. Pure: times are differences, in seconds, of a monotonic clock.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Any, Final

# Those of the RFCs that SIP proxies know. A peer may make up others: they are counted together, under OTHER.
METHODS: Final = (
    b"INVITE", b"OPTIONS", b"REGISTER", b"BYE", b"CANCEL", b"SUBSCRIBE", b"NOTIFY", b"MESSAGE", b"INFO", b"UPDATE",
    b"PRACK", b"REFER", b"PUBLISH", b"ACK",
)  # fmt: skip
OTHER: Final = "other"
LOWEST: Final = 100  # the first status, and
STATUSES: Final = 600  # how many there are
PLACES: Final = {method: at * STATUSES - LOWEST for at, method in enumerate(METHODS)}
OTHERS: Final = len(METHODS) * STATUSES - LOWEST

# Seconds up to which an observation belongs to a place; behind the last one there is a place for all that is longer.
BOUNDS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
STAGES: Final = ("queue", "worker", "whole")
WIDTH: Final = len(BOUNDS) + 1
# Items of a batch, as BOUNDS.
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def new_tally() -> array[int]:
    """Return the counters of replies, all 0."""
    return array("Q", bytes(8 * STATUSES * (len(METHODS) + 1)))


def place_of(method: bytes, reply: bytes) -> int:
    """Return where in a tally a reply to `method` is counted; it has a status line with a status from 100 to 699."""
    return PLACES.get(method, OTHERS) + int(reply[8:11])


def tally_figures(tally: array[int]) -> dict[str, dict[str, int]]:
    """Return what was counted: by method, then by status."""
    figures: dict[str, dict[str, int]] = {}
    for at, count in enumerate(tally):
        if count:
            row, column = divmod(at, STATUSES)
            name = METHODS[row].decode() if row < len(METHODS) else OTHER
            figures.setdefault(name, {})[str(LOWEST + column)] = count
    return figures


class Clock:
    """How long requests took, by stage: from the socket to a worker (queue), from there to the answer, and both."""

    __slots__ = ("places", "sums")  # which `bus.jobs.observe` counts in

    def __init__(self) -> None:
        self.places = array("Q", bytes(8 * len(STAGES) * WIDTH))
        self.sums = array("d", bytes(8 * len(STAGES)))

    def figures(self) -> dict[str, dict[str, Any]]:
        """Return, by stage, how many there were at each place, and their sum in seconds."""
        return {
            stage: {"counts": list(self.places[at * WIDTH : (at + 1) * WIDTH]), "sum": self.sums[at]}
            for at, stage in enumerate(STAGES)
        }


class Spread:
    """How often something had which size, and what all of it was together; for what happens once a batch."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...] = BOUNDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def note(self, size: float, count: int = 1) -> None:
        """Take in something of that size, or `count` things of it."""
        self.counts[bisect_left(self.bounds, size)] += count
        self.sum += size * count

    def figures(self) -> dict[str, Any]:
        """Return how many there were at each place, and their sum."""
        return {"counts": list(self.counts), "sum": self.sum}
