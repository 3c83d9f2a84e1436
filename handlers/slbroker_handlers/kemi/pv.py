"""KSR.pv: pseudo-variables by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slbroker_handlers.kemi.exports import Module, Xval
from slbroker_handlers.kemi.pvars import METHOD_NUMBERS, OTHER_METHOD
from slbroker_handlers.kemi.pvspec import parse_spec
from slbroker_handlers.kemi.pvstore import GETTERS, NULL, SETTERS, read_variable

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.tables import Value

pv = Module("pv")


def read(call: Call, name: str) -> Xval:
    """Return a pseudo-variable's value; None, counted and logged, when there is none that is written so."""
    try:
        return read_variable(call, name)
    except KeyError as error:
        call.state.count_unsupported(f"pseudo-variable {str(error.args[0])[:80]!r}")
        return None


def write(call: Call, name: str, value: Value | None) -> bool:
    """Give a pseudo-variable a value; return whether that could be done."""
    spec = parse_spec(name)
    if spec is None or spec.name not in GETTERS:
        call.state.count_unsupported(f"pseudo-variable {name[:80]!r}")
        return False
    setter = SETTERS.get(spec.name)
    if setter is None:
        call.state.say_once(f"KSR.pv: {name[:80]} can only be read, so setting it changes nothing")
        return True
    try:
        return setter(call, spec, value)
    except KeyError:
        return False


_begins_with_number = re.compile(r"[+-]?[0-9]{1,18}").match


def number_of(text: str) -> int:
    """Return the number that a text begins with, within 32 bits; 0 where it begins with none."""
    found = _begins_with_number(text)
    return min(max(int(found[0]), -(2**31)), 2**31 - 1) if found else 0


@pv.export
def get(call: Call, name: str) -> Xval:
    """Return a pseudo-variable's value, None for null."""
    return read(call, name)


@pv.export
def gete(call: Call, name: str) -> Xval:
    """Return a pseudo-variable's value, "" for null."""
    value = read(call, name)
    return "" if value is None else value


@pv.export
def getw(call: Call, name: str) -> Xval:
    """Return a pseudo-variable's value, "<null>" for null."""
    value = read(call, name)
    return NULL if value is None else value


@pv.export
def geti(call: Call, name: str) -> int:
    """Return a pseudo-variable's value as a number, 0 for null and for what is none; a method has a number, too."""
    value = read(call, name)
    if isinstance(value, int):
        return value
    if name in ("$rm", "$(rm)") and value:
        return METHOD_NUMBERS.get(value, OTHER_METHOD)
    return number_of(value or "")


@pv.export
def getl(call: Call, name: str) -> Xval:
    """Return a pseudo-variable's value as a long number."""
    return geti(call, name)


@pv.export
def getvn(call: Call, name: str, default: int) -> Xval:
    """Return a pseudo-variable's value, `default` for null."""
    value = read(call, name)
    return default if value is None else value


@pv.export
def getvs(call: Call, name: str, default: str) -> Xval:
    """Return a pseudo-variable's value, `default` for null."""
    value = read(call, name)
    return default if value is None else value


@pv.export
def seti(call: Call, name: str, value: int) -> bool:
    """Set a pseudo-variable to a number."""
    return write(call, name, value)


@pv.export
def setl(call: Call, name: str, value: int) -> bool:
    """Set a pseudo-variable to a long number."""
    return write(call, name, value)


@pv.export
def sets(call: Call, name: str, value: str) -> bool:
    """Set a pseudo-variable to text."""
    return write(call, name, value)


@pv.export
def unset(call: Call, name: str) -> bool:
    """Set a pseudo-variable to null."""
    return write(call, name, None)


@pv.export
def is_null(call: Call, name: str) -> bool:
    """Return whether a pseudo-variable is null."""
    return read(call, name) is None
