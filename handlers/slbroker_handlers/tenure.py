"""How long a worker serves: until it has had its share of requests (`--max-requests`) and another is in its place."""

from __future__ import annotations

import logging
import os
import secrets
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from slbroker.supervisor import Parent

logger = logging.getLogger(__name__)

SPREAD: Final = 0.1  # of the number, more or less: workers that began together do not end together
LONGEST_GREETING: Final = 5.0  # seconds after which a worker is ready that some of its edges have not welcomed


def draw(most: int) -> int:
    """Return how many requests a worker is to have where `most` was said: a tenth more or less, and one at least."""
    spread = int(most * SPREAD)
    return max(1, most - spread + secrets.randbelow(2 * spread + 1))


class Tenure:
    """Counts requests, and asks for the end in time.

    A process with a parent asks that for a successor and serves on until it is told to stop; one without ends as by
    SIGTERM, for whoever started it to start another.
    """

    def __init__(self, most: int, parent: Parent | None) -> None:
        """`most` is what was said, 0 for no end."""
        self.served = 0
        self._limit = draw(most) if most else 0
        self._parent = parent
        self._is_over = False
        self._is_ready = False
        self._since: float | None = None

    def look(self, now: float, welcomed: int, edges: int) -> None:
        """Do what is due at `now`, in seconds, monotonic, when so many of our edges have welcomed us."""
        self._since = now if self._since is None else self._since
        if self._parent is not None and not self._is_ready and welcomed:
            self._is_ready = welcomed == edges or now - self._since > LONGEST_GREETING
            if self._is_ready:
                self._parent.is_ready()
        if self._limit and self.served >= self._limit and not self._is_over:
            self._is_over = True
            self._leave()

    def _leave(self) -> None:
        if self._parent is not None:
            self._parent.is_weary(self.served)
        else:
            logger.info("leaving after %d requests, to be started again (--max-requests)", self.served)
            os.kill(os.getpid(), signal.SIGTERM)
