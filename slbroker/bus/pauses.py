"""A clock that jumps: a paused machine, a stopped process. What did not run could not hear anybody, nor be answered."""

from __future__ import annotations

import logging
from typing import Final

logger = logging.getLogger(__name__)

HELD_UP: Final = 1.0  # seconds between two looks at the clock that may be our own slowness
TOLD: Final = 1.0  # seconds of a pause that a log line is worth


class Pauses:
    """Notices that nobody looked at the clock for a while. Pure: `now` comes in, in seconds, monotonic.

    At most `HELD_UP` of it passes for those who are waited for: so time goes on, however slow we are.
    """

    def __init__(self, level: int = logging.WARNING) -> None:
        """`level` is that of the log line about a pause."""
        self._level = level
        self._looked: float | None = None

    def note(self, now: float) -> float:
        """Return for how many seconds, beyond what may be, nobody has looked since the last time; else 0.0."""
        before, self._looked = self._looked, now
        pause = 0.0 if before is None else max(0.0, now - before - HELD_UP)
        if pause > TOLD:
            logger.log(
                self._level, "this process was held up for %.3g s (a paused machine?); nobody is given up for it", pause
            )
        return pause
