"""Log lines about workers and the requests they lost or kept too long: one for each, but only so many of a cause.

Pure: `now` is an argument, in seconds, monotonic.
"""

from __future__ import annotations

import logging
from typing import Final

MOST: Final = 100  # lines about one cause in a window: what a worker that is killed had, and no flood
WINDOW: Final = 10.0  # seconds
LONGEST: Final = 100  # characters of a peer's that are shown


def shown(said: bytes | str) -> str:
    """Return a peer's bytes or text as a log can bear them: printable ASCII as it is, all else escaped, on one line."""
    raw = said.encode(errors="backslashreplace") if isinstance(said, str) else said
    short = raw[:LONGEST]
    return repr(short)[2:-1] + ("..." if len(raw) > LONGEST else "")


class Losses:
    """Writes the lines, and says how many it left out."""

    def __init__(self, logger: logging.Logger) -> None:
        """`logger` is whose lines they are."""
        self._logger = logger
        self._said: dict[str, int] = {}
        self._window = float("-inf")

    def tell(self, level: int, cause: str, now: float, words: str, *arguments: object) -> None:
        """Log `words` with `arguments`, unless `cause`, one of a few, has had its share."""
        self.look(now)
        said = self._said[cause] = self._said.get(cause, 0) + 1
        if said <= MOST:
            self._logger.log(level, words, *arguments)

    def request(self, cause: str, now: float, method: bytes, call_id: bytes, words: str, *arguments: object) -> None:
        """Log what became of one request."""
        self.tell(logging.WARNING, cause, now, f"%s, Call-ID %s: {words}", shown(method), shown(call_id), *arguments)

    def look(self, now: float) -> None:
        """Begin another window when it is time, and say what was left out in the last one."""
        if now - self._window < WINDOW:
            return
        self._window = now
        said, self._said = self._said, {}
        for cause, count in said.items():
            if count > MOST:
                self._logger.warning("%s: %d more such lines were left out", cause, count - MOST)
