"""Log lines about workers and the requests they lost or kept too long: one for each, but only so many of a cause.

Pure: `now` is an argument, in seconds, monotonic.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from slbroker.logline import MOST_LINES, WINDOW, event, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_COUNTED: Final = {"counted": True}  # for `slbroker.logs`, which counts those that nobody has counted


class Losses:
    """Writes the lines, and says how many it left out."""

    def __init__(self, logger: logging.Logger) -> None:
        """`logger` is whose lines they are."""
        self._logger = logger
        self._said: dict[str, int] = {}
        self._window = float("-inf")

    def tell(
        self, level: int, cause: str, now: float, words: str, *arguments: object, about: Mapping[str, Any] | None = None
    ) -> None:
        """Log `words` with `arguments`, unless `cause`, one of a few, has had its share; `about` is an `event`."""
        self.look(now)
        said = self._said[cause] = self._said.get(cause, 0) + 1
        if said <= MOST_LINES:
            self._logger.log(level, words, *arguments, extra={**_COUNTED, **(about or event(cause.replace(" ", "-")))})

    def request(
        self, cause: str, now: float, method: bytes, call_id: bytes, words: str, /, *arguments: object,
        happened: str = "request-lost", **fields: object,
    ) -> None:  # fmt: skip
        """Log what became of one request; `happened` and `fields` are for `logline.event`."""
        about = event(happened, **({"method": method, "call_id": call_id, "cause": cause} | fields))
        arguments = shown(method), shown(call_id), *arguments
        self.tell(logging.WARNING, cause, now, f"%s, Call-ID %s: {words}", *arguments, about=about)

    def look(self, now: float) -> None:
        """Begin another window when it is time, and say what was left out in the last one."""
        if now - self._window < WINDOW:
            return
        self._window = now
        said, self._said = self._said, {}
        for cause, count in said.items():
            if count > MOST_LINES:
                about = event("lines-left-out", cause=cause)
                self._logger.warning("%s: %d more such lines were left out", cause, count - MOST_LINES, extra=about)
