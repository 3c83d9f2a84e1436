"""What app_python3 gave scripts before there was KEMI: the `msg` of a route, and the module Router, for the log."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Final

from slbroker.sip.uri import text
from slbroker_handlers.kemi.modules.x import call_by_name
from slbroker_handlers.kemi.scriptlog import LEVELS, write_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from slbroker_handlers.kemi.call import Call

ROUTER_UNTIL: Final = (6, 0)  # the release that took Router away
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


def install_router(folder: Path) -> None:
    """Make Router importable, unless a script brings a module of that name in its `folder`."""
    if "Router" in sys.modules or (folder / "Router.py").exists() or (folder / "Router").exists():
        return
    router = ModuleType("Router", "What app_python3 had before KEMI.")
    named = {f"LM_{name.upper()}": _at(level) for name, level in LEVELS.items()}
    logger = {**_LEVELS, **named, "LM_GEN1": _general, "LM_GEN2": _of_facility, "DEFAULT_FACILITY": 0}
    contents: dict[str, dict[str, object]] = {"Logger": logger, "Ranks": dict(_RANKS), "Core": {}}
    for name, content in contents.items():
        part = ModuleType(f"Router.{name}")
        vars(part).update(content)
        setattr(router, name, part)
        sys.modules[part.__name__] = part
    sys.modules["Router"] = router


def _at(level: int) -> Callable[[str], None]:
    return lambda message: write_log(level, message)


def _general(level: int, message: str) -> None:
    """Log at one of Kamailio's levels."""
    write_log(_NUMBERED.get(level, LEVELS["err"]), message)


def _of_facility(facility: int, level: int, message: str) -> None:
    """Log at one of Kamailio's levels; the facility means nothing here."""
    del facility
    _general(level, message)


class LegacyMessage:
    """A request by its old names. Scripts use KSR; a few still ask this one."""

    __slots__ = ("_call",)

    Type = "SIP_REQUEST"
    Status = None

    def __init__(self, call: Call) -> None:
        self._call = call

    @property
    def Method(self) -> str:  # noqa: N802 - its name
        """Return the method."""
        return self._call.method

    @property
    def RURI(self) -> str:  # noqa: N802 - its name
        """Return the Request-URI as it came."""
        return text(self._call.message.uri)

    @property
    def src_address(self) -> tuple[str, int]:
        """Return the peer's address and port."""
        return self._call.source.host, self._call.source.port

    @property
    def dst_address(self) -> tuple[str, int]:
        """Return the address and port that the request came to."""
        return self._call.local.host, self._call.local.port

    def getHeader(self, name: str) -> str | None:  # noqa: N802 - its name
        """Return the first header called `name`, None where there is none."""
        return next(iter(self._call.all(name)), None)

    def rewrite_ruri(self, uri: str) -> None:
        """Change the Request-URI."""
        self._call.set_uri(uri)

    def set_dst_uri(self, uri: str) -> None:
        """Set the destination URI; nothing is forwarded here."""
        self._call.destination = uri

    def call_function(self, name: str, *arguments: str) -> int:
        """Call a function of kamailio.cfg, as KSR.x.modf does; raises RuntimeError for one that does not work here."""
        if not all(isinstance(argument, str) for argument in (name, *arguments)):
            raise TypeError("call_function takes texts")
        result = call_by_name(self._call, name, arguments)
        if result is None:
            raise RuntimeError(f"no function {name} with {len(arguments)} arguments works here")
        return result
