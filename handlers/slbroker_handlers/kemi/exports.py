"""What KSR's modules export, and how a script's call reaches a function: checked, with the current request.

A function of KSR is written `def name(call: Call, first: str, ...) -> int`, and declared by its module. The
annotations are its signature: `int` and `str` are checked at each call, as Kamailio does, and the result's kind says
what a call that fails returns.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, overload

from slbroker_handlers.kemi.place import script_logger
from slbroker_handlers.kemi.tables import Xval

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

logger = script_logger(__name__)

__all__ = ["FORWARDED", "Export", "Module", "Xval"]

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])

# What `partial` says of a function that is a proxy's.
FORWARDED: Final = "it changes the request that is forwarded, and nothing is forwarded here"
# What a function answers that has failed, or that cannot work here, by the kind of its result.
FAILURES: Final[dict[str, Xval]] = {"int": -1, "bool": False, "Xval": None, "None": 0}
_KINDS: Final[dict[str, type]] = {"int": int, "str": str}


class Export(NamedTuple):
    """A function of KSR. `partial` says what is not as in Kamailio, "" where all is."""

    module: str
    name: str
    params: tuple[tuple[str, str], ...]  # (name, "int" or "str"); the last one may be "*name": any number of these
    result: str  # a key of FAILURES
    partial: str
    function: Callable[..., Xval]

    @property
    def title(self) -> str:
        """Return the name that scripts write."""
        return f"KSR.{self.module}.{self.name}" if self.module else f"KSR.{self.name}"


class Module:
    """A module of KSR; the core's name is ""."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.exports: dict[str, Export] = {}

    @overload
    def export(self, function: AnyFunction) -> AnyFunction: ...
    @overload
    def export(self, *, partial: str = "", name: str = "") -> Callable[[AnyFunction], AnyFunction]: ...
    def export(self, function: AnyFunction | None = None, *, partial: str = "", name: str = "") -> Any:
        """Declare a function of this module; `partial` says what differs from Kamailio's."""

        def declare(declared: AnyFunction) -> AnyFunction:
            self.add(name or declared.__name__, declared, partial)
            return declared

        return declare if function is None else declare(function)

    def add(self, name: str, function: Callable[..., Xval], partial: str = "") -> None:
        """Declare `function` under another name than its own."""
        params = tuple(
            (f"*{p.name}" if p.kind is p.VAR_POSITIONAL else p.name, str(p.annotation))
            for p in inspect.signature(function).parameters.values()
        )[1:]
        result = str(function.__annotations__["return"])
        assert result in FAILURES, f"{name} returns {result}"
        assert all(kind in _KINDS for _, kind in params), f"{name} takes {params}"
        self.exports[name] = Export(self.name, name, params, result, partial, function)


def bind(export: Export, current: Callable[[], Call]) -> Callable[..., Xval]:
    """Return what stands in KSR for `export`: it checks the arguments and hands the current request on.

    With the wrong number of arguments, or one of the wrong kind, the call is logged and returns False. Nobody looks at
    the arguments of a function that takes none.
    """
    function = export.function
    kinds = tuple(_KINDS[kind] for _, kind in export.params)
    count = len(kinds)
    if export.params and export.params[-1][0].startswith("*"):
        bound = _bind_open(export, kinds, current)

    elif not count:

        def bound(*_args: object) -> Xval:  # whatever is given is ignored, as in Kamailio
            return function(current())

    elif count == 1:
        kind = kinds[0]

        def bound(*args: object) -> Xval:
            if len(args) == 1 and isinstance(args[0], kind):
                return function(current(), args[0])
            return refuse(export, args)

    elif count == 2:
        bound = _bind_pair(export, kinds[0], kinds[1], current)

    else:

        def bound(*args: object) -> Xval:
            if len(args) == count and all(map(isinstance, args, kinds)):
                return function(current(), *args)
            return refuse(export, args)

    bound.__name__ = bound.__qualname__ = export.name
    bound.__doc__ = function.__doc__
    return bound


def _bind_pair(export: Export, first: type, second: type, current: Callable[[], Call]) -> Callable[..., Xval]:
    """Bind a function that takes two arguments."""
    function = export.function

    def bound(*args: object) -> Xval:
        if len(args) == 2 and isinstance(args[0], first) and isinstance(args[1], second):
            return function(current(), *args)
        return refuse(export, args)

    return bound


def _bind_open(export: Export, kinds: tuple[type, ...], current: Callable[[], Call]) -> Callable[..., Xval]:
    """Bind a function that takes any number of arguments of its last kind."""

    def bound(*args: object) -> Xval:
        given = (*kinds[:-1], *[kinds[-1]] * (len(args) - len(kinds) + 1))
        if len(args) == len(given) and all(map(isinstance, args, given)):
            return export.function(current(), *args)
        return refuse(export, args)

    return bound


def refuse(export: Export, args: tuple[object, ...]) -> bool:
    """Say that a script called a function in a way that it cannot be called."""
    wanted = ", ".join(f"{name}: {kind}" for name, kind in export.params)
    given = ", ".join(type(argument).__name__ for argument in args)
    logger.error("%s(%s) was called with (%s)", export.title, wanted, given)
    return False
