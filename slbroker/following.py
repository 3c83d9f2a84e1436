"""Several processes that are followed by those of another parent, one after the other within moments, or not at all.

Each says that it is followed, by whom; or that this one has gone, and it serves on. These words cross.
Pure: `now` (seconds, monotonic) is an argument.
"""

from __future__ import annotations

from typing import Final

FOLLOWING: Final = 2.0  # seconds in which all are followed, once one is
NOBODY: Final = -1


class Following:
    """What a parent knows of the process that takes its place."""

    def __init__(self) -> None:
        self.heir = NOBODY  # the process that is in the place of some child; 0 where it is of another container
        self._until = 0.0  # when it is in those of all
        self._gone, self._gone_at = NOBODY, 0.0

    def follow(self, process: int, now: float) -> bool:
        """Note that it is in a child's place; return False where it is known to have gone since, so that nobody is."""
        if process == self._gone and now <= self._gone_at + FOLLOWING:
            return False
        self.heir, self._until = process, now + FOLLOWING
        return True

    def fail(self, process: int, now: float) -> bool:
        """Note that it has gone, before it was in the place of all; return whether it was in that of some."""
        self._gone, self._gone_at = process, now
        was = self.heir == process
        if was:
            self.heir = NOBODY
        return was

    def wait(self, now: float) -> float | None:
        """Return for how many seconds those that have not been followed may be yet; None where nobody is."""
        return None if self.heir == NOBODY else max(0.0, self._until - now)
