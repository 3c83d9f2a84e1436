"""The module `Router`: what app_python3 had for logging before there was KEMI. Kamailio 6.0 took it away."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.core import LEVELS, write_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LEVELS: Final = {
    "L_ALERT": -5, "L_BUG": -4, "L_CRIT2": -3, "L_CRIT": -2, "L_ERR": -1, "L_WARN": 0, "L_NOTICE": 1, "L_INFO": 2,
    "L_DBG": 3,
}  # fmt: skip
_RANKS: Final = {
    "PROC_MAIN": 0, "PROC_TIMER": -1, "PROC_RPC": -2, "PROC_FIFO": -2, "PROC_TCP_MAIN": -4, "PROC_UNIXSOCK": -5,
    "PROC_ATTENDANT": -10, "PROC_INIT": -127, "PROC_NOCHLDINIT": -128, "PROC_MIN": -128, "PROC_SIPINIT": 1,
    "PROC_SIPRPC": 127,
}  # fmt: skip
_NUMBERED: Final = {number: LEVELS[name[2:].lower()] for name, number in _LEVELS.items() if name[2:].lower() in LEVELS}


def install(folder: Path) -> None:
    """Make Router importable, unless a script brings a module of that name in its `folder`."""
    if "Router" in sys.modules or (folder / "Router.py").exists() or (folder / "Router").exists():
        return
    router = ModuleType("Router", "What app_python3 had before KEMI.")
    contents: dict[str, dict[str, object]] = {"Logger": _logger(), "Ranks": dict(_RANKS), "Core": {}}
    for name, content in contents.items():
        part = ModuleType(f"Router.{name}")
        vars(part).update(content)
        setattr(router, name, part)
        sys.modules[part.__name__] = part
    sys.modules["Router"] = router


def _logger() -> dict[str, object]:
    names = ("alert", "crit", "err", "warn", "notice", "info", "dbg")
    return {
        **_LEVELS, **{f"LM_{name.upper()}": _at(LEVELS[name]) for name in names}, "LM_GEN1": _general,
        "LM_GEN2": _of_facility, "DEFAULT_FACILITY": 0,
    }  # fmt: skip


def _at(level: int) -> Callable[[str], None]:
    return lambda message: write_log(level, message)


def _general(level: int, message: str) -> None:
    """Log at one of Kamailio's levels."""
    write_log(_NUMBERED.get(level, LEVELS["err"]), message)


def _of_facility(facility: int, level: int, message: str) -> None:
    """Log at one of Kamailio's levels; the facility means nothing here."""
    del facility
    _general(level, message)
