"""Log lines on standard error, which a plugin's own configuration of `logging` leaves as they are."""

from __future__ import annotations

import io
import logging
import sys
from typing import Final

_OURS: Final = ("slbroker", "slbroker_edge", "slbroker_handlers")
FORMAT: Final = "%(asctime)s %(levelname)-7s [%(process)d] %(message)s"


class OwnLogger(logging.Logger):
    """A logger that neither `logging.config` puts off, which disables those that it does not name, nor `disable`."""

    @property
    def disabled(self) -> bool:
        """False: without our lines nobody knows what became of a request."""
        return False

    @disabled.setter
    def disabled(self, _value: bool) -> None:
        pass

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        """Return whether our own level lets a record pass, whatever `logging.disable` has said to all."""
        return level >= self.getEffectiveLevel()


def set_up_logging(level: str) -> None:
    """Log to standard error, a line a record, from `level` (debug, info, warning, error) on.

    What a plugin prints leaves with each line, too: a buffer would be lost with a process that is killed.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)  # for libraries, and plugins without own
    for name in _OURS:
        top = logging.getLogger(name)
        top.handlers[:] = [handler]
        top.setLevel(level.upper())
        top.propagate = False  # what a plugin does with the root's handlers is its own affair
    keep_own()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def keep_own() -> None:
    """Make all our loggers there are `OwnLogger`s; called again when a plugin has been loaded."""
    for name, logger in logging.Logger.manager.loggerDict.items():
        if name.partition(".")[0] in _OURS and type(logger) is logging.Logger:
            logger.__class__ = OwnLogger
