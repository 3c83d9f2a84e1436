"""What KSR's modules export, and how a script's call reaches a function: checked, with the current request.

A function of KSR is written `def name(call: Call, first: str, ...) -> int`, and declared by its module. The
annotations are its signature: `int` and `str` are checked at each call, as Kamailio does, and the result's kind says
what a call that fails returns.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, overload

from slbroker_handlers.kemi.scriptlog import script_logger
from slbroker_handlers.kemi.values import NULL

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.values import Xval

logger = script_logger(__name__)

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])

# What `partial` says of a function that changes what is forwarded, and may not change all that Kamailio lets it.
LEFT_ALONE: Final = "-1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*"
# ... and of one that would change the body.
BODY_STAYS: Final = "the body goes on as it came: answered as if it had been changed"
# ... and of one that asks for a transaction.
NO_TRANSACTIONS: Final = "there are no transactions: as Kamailio answers where it holds none"
# ... and of one that counts.
COUNTED_HERE: Final = "local to a worker, which logs them when it stops; names need no declaration"
# What a function answers that has failed, or that cannot work here, by the kind of its result.
FAILURES: Final[dict[str, Xval]] = {"int": -1, "bool": False, "Xval": None, "None": 0}
_KINDS: Final[dict[str, type]] = {"int": int, "str": str}


class Export(NamedTuple):
    """A function of KSR. `partial` says what is not as in Kamailio, "" where all is.

    One that `relays` works where --kemi-relay says so.
    """

    module: str
    name: str
    params: tuple[tuple[str, str], ...]  # (name, "int" or "str"); the last one may be "*name": any number of these
    result: str  # a key of FAILURES
    partial: str
    function: Callable[..., Xval]
    relays: bool = False

    @property
    def title(self) -> str:
        """Return the name that scripts write."""
        return ksr_name(self.module, self.name)


def ksr_name(module: str, name: str) -> str:
    """Return a function of KSR as scripts write it; the core's module is ""."""
    return f"KSR.{module}.{name}" if module else f"KSR.{name}"


class Module:
    """A module of KSR; the core's name is ""."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.exports: dict[str, Export] = {}
        MODULES[name] = self

    @overload
    def export(self, function: AnyFunction) -> AnyFunction: ...
    @overload
    def export(
        self, *, partial: str = "", name: str = "", relays: bool = False
    ) -> Callable[[AnyFunction], AnyFunction]: ...
    def export(
        self, function: AnyFunction | None = None, *, partial: str = "", name: str = "", relays: bool = False
    ) -> Any:
        """Declare a function of this module; `partial` says what differs from Kamailio's, `name` what `add` is told."""

        def declare(declared: AnyFunction) -> AnyFunction:
            self.add(name or declared.__name__, declared, partial=partial)
            if relays:
                self.let_relay(declared.__name__)
            return declared

        return declare if function is None else declare(function)

    def add(
        self, name: str, function: Callable[..., Xval], says: str = "", *, partial: str = "", result: str = ""
    ) -> None:
        """Declare `function` under a name. Of one without annotations, which takes the call alone, `result` is said.

        With {} in `name` several are declared, and {} in what it `says` is how they differ: get, gete and getw, which
        return None, "" and "<null>" for null; or seti and sets, which take a number and text where a `Value` is taken.
        """
        params, returned = ((), result) if result else _signature(function)
        says = says or function.__doc__ or ""
        if "{}" not in name:
            self._keep(Export(self.name, name, params, returned, partial, _copied(function, says)))
        elif "Value" in dict(params).values():
            for letter, taken, words in (("i", "int", "a number"), ("s", "str", "text")):
                own = tuple((param, taken if kind == "Value" else kind) for param, kind in params)
                form = _copied(function, says.format(words))
                self._keep(Export(self.name, name.format(letter), own, returned, partial, form))
        else:
            for letter, null in {"": None, "e": "", "w": NULL}.items():
                form = _copied(function, says.format("None")) if null is None else _without_null(function, null, says)
                self._keep(Export(self.name, name.format(letter), params, returned, partial, form))

    def let_relay(self, *names: str) -> None:
        """Say that functions work where --kemi-relay says so, and there alone."""
        for name in names:
            export = self.exports[name]
            self.exports[name] = export._replace(relays=True, function=_only_relaying(export))

    def answer(self, answer: Xval, functions: dict[str, str], *, partial: str = "") -> None:
        """Declare functions, such as `append(text: str)`, that always answer the same; with what each would do."""
        result = type(answer).__name__ if isinstance(answer, int) else "Xval"
        for written, says in functions.items():
            name, _, taken = written.removesuffix(")").partition("(")
            pairs = (param.partition(": ") for param in taken.split(", ") if param)
            params = tuple((param, kind) for param, _, kind in pairs)
            self._keep(Export(self.name, name, params, result, partial, _make_answer(answer, says)))

    def _keep(self, export: Export) -> None:
        assert export.result in FAILURES, export
        assert all(kind in _KINDS for _, kind in export.params), export
        self.exports[export.name] = export


# Those of KSR, by their names; each is there as soon as its file was imported.
MODULES: Final[dict[str, Module]] = {}


def find_export(module: str, name: str) -> Export | None:
    """Return what KSR.MODULE.NAME is; None when it does not work here."""
    return MODULES[module].exports.get(name) if module in MODULES else None


def _signature(function: Callable[..., Xval]) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return what a function takes behind the call, and what it returns, as its annotations say."""
    code, kinds = function.__code__, function.__annotations__
    params = [(name, str(kinds[name])) for name in code.co_varnames[1 : code.co_argcount]]
    if code.co_flags & inspect.CO_VARARGS:
        more = code.co_varnames[code.co_argcount]
        params.append((f"*{more}", str(kinds[more])))
    return tuple(params), str(kinds["return"])


def _copied(function: Callable[..., Xval], says: str) -> Callable[..., Xval]:
    """Return a function with another docstring: it may be exported under several names."""
    assert isinstance(function, FunctionType)
    if says == function.__doc__:
        return function
    copy = FunctionType(function.__code__, function.__globals__, None, function.__defaults__, function.__closure__)
    copy.__doc__ = says
    return copy


def _without_null(function: Callable[..., Xval], null: str, says: str) -> Callable[..., Xval]:
    def read(*args: Any) -> Xval:
        value = function(*args)
        return null if value is None else value

    read.__doc__ = says.format(f'"{null}"')
    return read


def _only_relaying(export: Export) -> Callable[..., Xval]:
    """Return a function that answers as one that cannot work, unless the script's t_relay forwards."""
    function = export.function

    def run(call: Call, *args: Any) -> Xval:
        if call.state.relays:
            return function(call, *args)
        call.state.count_unsupported(export.title)
        return FAILURES[export.result]

    run.__doc__ = function.__doc__
    return run


def _make_answer(answer: Xval, says: str) -> Callable[..., Xval]:
    def function(*_args: Any) -> Xval:
        return answer

    function.__doc__ = says
    return function


# Calls ----------------------------------------------------------------------------------------------------------


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
