"""How long the loop is busy between two looks at what has come: what async handlers that block have cost the others."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Busy:
    """Measures the turns of a loop: from the moment that its selector has returned to when it is asked again.

    asyncio has no word for that. A loop without a selector of Python's own is not measured.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_turn_end: Callable[[float], None]) -> None:
        """`on_turn_end` is called with the time (monotonic) before the loop waits again."""
        self.since = time.monotonic()  # when the turn began, or its latest part that was accounted for
        self._on_turn_end = on_turn_end
        self._selector: Any = getattr(loop, "_selector", self)
        self._select: Any = getattr(self._selector, "select", None)
        if self._select is not None:
            self._selector.select = self._measured

    def _measured(self, timeout: float | None = None) -> Any:
        self._on_turn_end(time.monotonic())
        events = self._select(timeout)
        self.since = time.monotonic()
        return events

    def close(self) -> None:
        """Measure no more."""
        if self._select is not None:
            self._selector.select = self._select
