"""What scripts log, and what KSR's functions log of their calls: with the script's file and line behind it."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import slbroker

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import FrameType

_OWN: Final = str(Path(__file__).parent) + os.sep
_PACKAGES: Final = (str(Path(slbroker.__file__).parent) + os.sep, str(Path(__file__).parents[1]) + os.sep)

_of_scripts = logging.getLogger("slbroker.kemi.script")
# Kamailio's levels; it has more than Python.
LEVELS: Final = {
    "dbg": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warn": logging.WARNING,
    "err": logging.ERROR,
    "alert": logging.CRITICAL,
    "crit": logging.CRITICAL,
}


def write_log(level: int, message: str) -> None:
    """Write a script's line; it brings the line's end itself."""
    _of_scripts.log(level, "%s", message.rstrip("\r\n"))


def script_place() -> str:
    """Return FILE:LINE of the line of a script that has called KSR, "" where none has."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (frame.f_code.co_filename.startswith(_OWN) or _is_of_logging(frame)):
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename.startswith((*_PACKAGES, "<")):
        return ""
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_of_logging(frame: FrameType) -> bool:
    return frame.f_code.co_filename == logging.__file__


class ScriptLogger(logging.LoggerAdapter[logging.Logger]):
    """Logs what a function of KSR has to say, with the script's line behind it."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Return the message with the place."""
        place = script_place()
        return (f"{msg} ({place.replace('%', '%%')})" if place else msg), kwargs


def script_logger(name: str) -> ScriptLogger:
    """Return the logger of a module of functions that scripts call."""
    return ScriptLogger(logging.getLogger(name), {})
