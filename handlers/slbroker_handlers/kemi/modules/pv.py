"""KSR.pv: pseudo-variables by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.variables.access import count_unknown, read_variable, write

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.values import Value, Xval

pv = Module("pv")

# Kamailio's numbers of methods, what `geti("$rm")` gives.
METHOD_NUMBERS: Final = {
    "INVITE": 1, "CANCEL": 2, "ACK": 4, "BYE": 8, "INFO": 16, "REGISTER": 32, "SUBSCRIBE": 64, "NOTIFY": 128,
    "MESSAGE": 256, "OPTIONS": 512, "PRACK": 1024, "UPDATE": 2048, "REFER": 4096, "PUBLISH": 8192,
}  # fmt: skip
OTHER_METHOD: Final = 524_288
_begins_with_number = re.compile(r"[+-]?[0-9]{1,18}").match


def number_of(text: str) -> int:
    """Return the number that a text begins with, within 32 bits; 0 where it begins with none."""
    found = _begins_with_number(text)
    return min(max(int(found[0]), -(2**31)), 2**31 - 1) if found else 0


@pv.export(name="get{}")
def get(call: Call, name: str) -> Xval:
    """Return a pseudo-variable's value, {} for null."""
    try:
        return read_variable(call, name)
    except KeyError as error:
        count_unknown(call, error.args[0])
        return None


@pv.export
def geti(call: Call, name: str) -> int:
    """Return a pseudo-variable's value as a number, 0 for null and for what is none; a method has a number, too."""
    value = get(call, name)
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
    value = get(call, name)
    return default if value is None else value


@pv.export
def getvs(call: Call, name: str, default: str) -> Xval:
    """Return a pseudo-variable's value, `default` for null."""
    value = get(call, name)
    return default if value is None else value


@pv.export(name="set{}")
def put(call: Call, name: str, value: Value) -> bool:
    """Set a pseudo-variable to {}."""
    return write(call, name, value)


@pv.export
def setl(call: Call, name: str, value: int) -> bool:
    """Set a pseudo-variable to a long number."""
    return write(call, name, value)


@pv.export
def unset(call: Call, name: str) -> bool:
    """Set a pseudo-variable to null."""
    return write(call, name, None)


@pv.export
def is_null(call: Call, name: str) -> bool:
    """Return whether a pseudo-variable is null."""
    return get(call, name) is None
