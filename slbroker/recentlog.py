"""The last warnings and errors of this process, kept for who asks it over the bus: few, short, and printable."""

from __future__ import annotations

import logging
from collections import deque
from typing import Final

from slbroker.logline import LOGGERS

KEPT: Final = 8
LONGEST: Final = 240  # characters: a worker may tell 8,192 bytes in all


class RecentLog(logging.Handler):
    """Listens to our own loggers from `begin` to `end`."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: deque[tuple[float, str, str]] = deque(maxlen=KEPT)

    def begin(self) -> None:
        """Listen."""
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self)

    def end(self) -> None:
        """Do not, any more."""
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        try:
            words = record.getMessage()
        except Exception:  # as logging's own handlers have it
            self.handleError(record)
            return
        short = words[:LONGEST]
        shown = short if short.isascii() and short.isprintable() else ascii(short)[1:-1][:LONGEST]
        self._lines.append((round(record.created, 3), record.levelname, shown))

    def lines(self) -> list[tuple[float, str, str]]:
        """Return the last ones, the oldest first: unix seconds, level, words."""
        return list(self._lines)
