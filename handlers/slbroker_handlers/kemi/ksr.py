"""The module `KSR` itself: what a script gets when it says `import KSR as KSR`."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi import (
    auth,
    corex,
    elsewhere,
    flags,
    hdr,
    htable,
    ipops,
    kx,
    maxfwd,
    nathelper,
    pike,
    pv,
    pvx,
    sanity,
    siputils,
    sl,
    small,
    textops,
    textopsx,
    xlog,
)
from slbroker_handlers.kemi.call import current
from slbroker_handlers.kemi.core import core
from slbroker_handlers.kemi.exports import FAILURES, Export, Module, Xval, bind

if TYPE_CHECKING:
    from collections.abc import Callable

assert flags  # its functions are the core's

MODULES: Final[dict[str, Module]] = {
    module.name: module
    for module in (
        core, sl.sl, pv.pv, pvx.pvx, hdr.hdr, kx.kx, maxfwd.maxfwd, sanity.sanity, siputils.siputils, corex.corex,
        textops.textops, textopsx.textopsx, htable.htable, pike.pike, xlog.xlog, auth.auth, ipops.ipops,
        small.statistics, small.counters, small.uuid, small.regex, small.cfgutils, nathelper.nathelper,
    )
}  # fmt: skip


def find(module: str, name: str) -> Export | None:
    """Return what KSR.MODULE.NAME is; None when it does not work here."""
    found = MODULES.get(module)
    return found.exports.get(name) if found else None


def is_module(name: str) -> bool:
    """Return whether KSR has a module called `name`, or Kamailio has."""
    return name in MODULES or elsewhere.is_known_module(name)


def install() -> ModuleType:
    """Make KSR importable; return it. There is one for the process: it knows no script, only the current request."""
    known = sys.modules.get("KSR")
    if known is not None and getattr(known, "__slbroker__", False):
        return known
    ksr = ModuleType("KSR", "Kamailio's KEMI interface, for scripts that slbroker runs.")
    vars(ksr)["__slbroker__"] = True
    for name in sorted({*MODULES, *elsewhere.LISTED, *elsewhere.UNLISTED} - {""}):
        setattr(ksr, name, _make_module(name))
    _fill(ksr, "")
    sys.modules["KSR"] = ksr
    return ksr


def _make_module(name: str) -> ModuleType:
    module = ModuleType(f"KSR.{name}")
    _fill(module, name)
    return module


def _fill(target: ModuleType, name: str) -> None:
    if name in MODULES:
        for export in MODULES[name].exports.values():
            setattr(target, export.name, bind(export, current))
    for kind, names in elsewhere.LISTED.get(name, {}).items():
        for function in names.split():
            setattr(target, function, _make_failing(name, function, kind))
    if name in elsewhere.UNLISTED:
        vars(target)["__getattr__"] = lambda function: _make_failing(name, function, "int")


def _make_failing(module: str, name: str, kind: str) -> Callable[..., Xval]:
    """Return a function that cannot work here: it answers as if it had failed."""
    title = f"KSR.{module}.{name}" if module else f"KSR.{name}"
    answer = FAILURES[kind]

    def fail(*_args: object) -> Xval:
        current().state.count_unsupported(title)
        return answer

    fail.__name__ = fail.__qualname__ = name
    fail.__doc__ = f"Cannot work here: {elsewhere.reason_for(module)}."
    return fail
