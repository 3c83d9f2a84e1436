"""How long handlers took, for the statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker.counting import Spread

if TYPE_CHECKING:
    from collections.abc import Sequence


class Spent(Spread):
    """Seconds that requests took: those of async handlers from the envelope that brought them to their answer."""

    __slots__ = ()

    def take(self, done: int, seconds: float, long: Sequence[float]) -> None:
        """Take in a turn of so many requests: each that was `long` by itself, the others as long as their mean."""
        long = long[:done]  # an async handler that has begun and was long about it counts when it has ended
        for each in long:
            self.note(each)
        short = done - len(long)
        if short:
            self.note(max(0.0, seconds - sum(long)) / short, short)
