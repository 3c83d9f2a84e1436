"""How many replies of its own an edge may send a second when it sheds."""

from __future__ import annotations


class Budget:
    """So many a second, and at most one second's worth at once."""

    def __init__(self, rate: float) -> None:
        """`rate` is what may be spent a second."""
        self._rate = rate
        self._left = rate
        self._seen = 0.0

    def spend(self, now: float) -> bool:
        """Return whether one more is within the budget, and take it from there if so."""
        if now > self._seen:
            self._left = min(self._rate, self._left + (now - self._seen) * self._rate)
            self._seen = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
