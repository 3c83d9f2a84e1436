"""KSR.xlog: log lines with pseudo-variables in them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.core import LEVELS, write_log
from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.pvstore import expand_all

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

xlog = Module("xlog")

_FUNCTIONS: Final = {
    "xdbg": "dbg", "xinfo": "info", "xnotice": "notice", "xwarn": "warn", "xerr": "err", "xalert": "alert",
    "xcrit": "crit",
}  # fmt: skip


def _write(call: Call, level: int, message: str) -> int:
    """Log a line; -1 when there is a pseudo-variable in it that does not exist, whose name then stands in the line."""
    unknown: list[str] = []
    write_log(level, expand_all(call, message, unknown))
    for name in unknown:
        call.state.count_unsupported(f"pseudo-variable {name[:80]!r}")
    return -1 if unknown else 1


def _declare(name: str, level: int) -> None:
    def write(call: Call, message: str) -> int:
        return _write(call, level, message)

    write.__doc__ = f"Log a line at level {logging.getLevelName(level).lower()}, pseudo-variables replaced."
    xlog.add(name, write)


for _name, _level in _FUNCTIONS.items():
    _declare(_name, LEVELS[_level])


@xlog.export(name="xlog")
def log(call: Call, level: str, message: str) -> int:
    """Log a line at a level by name, pseudo-variables replaced."""
    return _write(call, LEVELS.get(level.lower().removeprefix("l_"), logging.ERROR), message)


@xlog.export(partial="the facility changes nothing")
def xlog_facility(call: Call, facility: str, level: str, message: str) -> int:
    """Log a line at a level by name, pseudo-variables replaced."""
    del facility
    return log(call, level, message)
