"""The module `KSR` itself: what a script gets when it says `import KSR as KSR`."""

from __future__ import annotations

import sys
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi import catalogue, modules
from slbroker_handlers.kemi.call import current, current_state
from slbroker_handlers.kemi.catalogue import OLDEST, find_known
from slbroker_handlers.kemi.exports import FAILURES, MODULES, bind, find_export, ksr_name
from slbroker_handlers.kemi.release import NEWEST, name_release

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.values import Xval

assert modules  # importing them puts them into MODULES


def is_module(name: str) -> bool:
    """Return whether KSR has a module called `name`, or some release of Kamailio has."""
    return name in MODULES or name in catalogue.modules()


def install() -> ModuleType:
    """Make KSR importable; return it. There is one for the process: it knows no script, only the current request.

    What every release has is there from the beginning. Anything else is looked up when a script asks for it: the answer
    is the current script's, by the release that it follows and by whether it may call what there is not.
    """
    known = sys.modules.get("KSR")
    if known is not None and getattr(known, "__slbroker__", False):
        return known
    ksr = ModuleType("KSR", "Kamailio's KEMI interface, for scripts that slbroker runs.")
    vars(ksr)["__slbroker__"] = True
    for name in sorted({*MODULES, *catalogue.modules()} - {""}):
        setattr(ksr, name, _make_module(name))
    _fill(ksr, "")
    sys.modules["KSR"] = ksr
    return ksr


def _make_module(name: str) -> ModuleType:
    """Return KSR.name, which can be imported, too."""
    module = ModuleType(f"KSR.{name}")
    _fill(module, name)
    sys.modules[module.__name__] = module
    return module


def _fill(target: ModuleType, name: str) -> None:
    for function, known in catalogue.modules().get(name, {}).items():
        if known.since == OLDEST and known.until is None:
            setattr(target, function, _bound(name, function))
    vars(target)["__getattr__"] = lambda function: _look_up(name, function)


def _look_up(module: str, name: str) -> object:
    """Return what stands in KSR for what not every release has; raise AttributeError where there is none."""
    title = f"KSR.{module}" if module else "KSR"
    if name.startswith("__"):  # Python asks for these itself
        raise AttributeError(f"module {title!r} has no attribute {name!r}")
    state = current_state()
    release = state.release if state is not None else NEWEST
    known = find_known(module, name)
    if known is not None and known.is_in(release):
        return _remember_bound(module, name)
    if state is not None and state.allow_missing:
        return _make_failing(module, name) if module else _Absent(name)
    because = f": Kamailio {name_release(release)} has none" if known is not None else ""
    raise AttributeError(f"module {title!r} has no attribute {name!r}{because}")


class _Absent:
    """What no Kamailio has in KSR itself, a function or a module of functions: it answers as if it had failed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *args: object) -> Xval:
        return _make_failing("", self._name)(*args)

    def __getattr__(self, name: str) -> Callable[..., Xval]:
        if name.startswith("__"):
            raise AttributeError(name)
        return _make_failing(self._name, name)


def _bound(module: str, name: str) -> Callable[..., Xval]:
    """Return a function of Kamailio's as scripts get it."""
    export = find_export(module, name)
    return bind(export, current) if export else _make_failing(module, name)


_remember_bound: Final = lru_cache(maxsize=1_024)(_bound)


@lru_cache(maxsize=4_096)
def _make_failing(module: str, name: str) -> Callable[..., Xval]:
    """Return a function that cannot work here, or that nobody has: it answers as if it had failed."""
    title = ksr_name(module, name)
    answer = FAILURES[catalogue.result_of(module, name)]

    def fail(*_args: object) -> Xval:
        current().state.count_unsupported(title)
        return answer

    fail.__name__ = fail.__qualname__ = name
    fail.__doc__ = f"Cannot work here: {catalogue.reason_for(module)}."
    return fail
