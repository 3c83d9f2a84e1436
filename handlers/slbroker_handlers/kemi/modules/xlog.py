"""KSR.xlog: log lines with pseudo-variables in them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.scriptlog import LEVELS, write_log
from slbroker_handlers.kemi.variables.access import count_unknown, expand_all

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

xlog = Module("xlog")


def _write(call: Call, level: int, message: str) -> int:
    """Log a line; -1 when there is a pseudo-variable in it that does not exist, whose name then stands in the line."""
    unknown: list[str] = []
    write_log(level, expand_all(call, message, unknown))
    for name in unknown:
        count_unknown(call, name)
    return -1 if unknown else 1


def _declare(name: str, level: int) -> None:
    def write(call: Call, message: str) -> int:
        return _write(call, level, message)

    level_name = logging.getLevelName(level).lower()
    xlog.add(name, write, f"Log a line at level {level_name}, pseudo-variables replaced.")


for _name, _level in LEVELS.items():
    _declare(f"x{_name}", _level)


@xlog.export(name="xlog")
def log(call: Call, level: str, message: str) -> int:
    """Log a line at a level by name, pseudo-variables replaced."""
    return _write(call, LEVELS.get(level.lower().removeprefix("l_"), logging.ERROR), message)


@xlog.export(partial="the facility changes nothing")
def xlog_facility(call: Call, facility: str, level: str, message: str) -> int:
    """Log a line at a level by name, pseudo-variables replaced."""
    del facility
    return log(call, level, message)
