"""KSR.pvx's functions for $xavp, $xavi and $xavu: the same ones for each, by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker_handlers.kemi import pv
from slbroker_handlers.kemi.pvstore import NULL
from slbroker_handlers.kemi.pvx import pvx
from slbroker_handlers.kemi.strings import STRINGS
from slbroker_handlers.kemi.transform import split_params
from slbroker_handlers.kemi.xavps import Lists, Path

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.exports import Xval
    from slbroker_handlers.kemi.xavps import Fields

_FOR_NULL = {"get": None, "gete": "", "getw": NULL}


def _add(name: str, function: Callable[..., Xval], says: str) -> None:
    function.__doc__ = says
    pvx.add(name, function)


def _declare_readers(kind: str, of: Callable[[Call], Lists], suffix: str) -> None:
    null = _FOR_NULL[suffix]
    words = {"get": "None", "gete": '""', "getw": '"<null>"'}[suffix]

    def read(call: Call, name: str) -> Xval:
        value = of(call).get(Path(name, None, "", None))
        return null if value is None else value

    def read_field(call: Call, name: str, field: str) -> Xval:
        value = of(call).field(name, 0, field)
        return null if value is None else value

    _add(f"{kind}_{suffix}", read, f"Return ${kind}(name), {words} where there is none.")
    _add(f"{kind}_child_{suffix}", read_field, f"Return ${kind}(name=>field), {words} where there is none.")


def _declare_writers(kind: str, of: Callable[[Call], Lists]) -> None:
    def set_number(call: Call, name: str, value: int) -> int:
        of(call).put(name, value)
        return 1

    def set_text(call: Call, name: str, value: str) -> int:
        of(call).put(name, value)
        return 1

    def set_field_number(call: Call, name: str, field: str, value: int) -> int:
        of(call).set_field(name, field, value)
        return 1

    def set_field_text(call: Call, name: str, field: str, value: str) -> int:
        of(call).set_field(name, field, value)
        return 1

    _add(f"{kind}_seti", set_number, f"Put a number before the values of ${kind}(name).")
    _add(f"{kind}_sets", set_text, f"Put text before the values of ${kind}(name).")
    _add(f"{kind}_child_seti", set_field_number, f"Give ${kind}(name=>field) a number.")
    _add(f"{kind}_child_sets", set_field_text, f"Give ${kind}(name=>field) text.")


def _declare_others(kind: str, of: Callable[[Call], Lists]) -> None:
    def is_null(call: Call, name: str) -> int:
        return 1 if of(call).find(name) is None else -1

    def is_field_null(call: Call, name: str, field: str) -> int:
        return 1 if of(call).field(name, 0, field) is None else -1

    def remove(call: Call, name: str) -> int:
        of(call).remove(name)
        return 1

    def remove_field(call: Call, name: str, field: str) -> int:
        of(call).remove(name, 0, field)
        return 1

    _add(f"{kind}_is_null", is_null, f"Return 1 when there is no ${kind}(name), else -1.")
    _add(f"{kind}_child_is_null", is_field_null, f"Return 1 when there is no ${kind}(name=>field), else -1.")
    _add(f"{kind}_rm", remove, f"Take the first value of ${kind}(name) out.")
    _add(f"{kind}_child_rm", remove_field, f"Take the first value of ${kind}(name=>field) out.")


def read_params(params: str, mark: str = ";") -> Fields:
    """Return parameters by their names, quotes taken off the values."""
    pairs = (piece.strip().partition("=") for piece in split_params(params, mark) if piece.strip())
    return {key.strip(): [str(STRINGS["s.unquote"](value.strip()))] for key, _, value in pairs}


def _declare_params(kind: str, of: Callable[[Call], Lists]) -> None:
    def explode(call: Call, params: str, name: str) -> int:
        fields = read_params(params)
        of(call).put(name, fields)
        return 1 if fields else -1

    def implode(call: Call, name: str, target: str) -> int:
        fields = of(call).fields(name)
        if fields is None:
            return -1
        pieces = (f"{key}={values[0]};" if values[0] != "" else f"{key};" for key, values in fields.items() if values)
        return 1 if pv.write(call, target, "".join(pieces)) else -1

    _add(f"{kind}_params_explode", explode, f"Make ${kind}(name) of parameters, `a=b;c=d`.")
    _add(f"{kind}_params_implode", implode, f"Set a pseudo-variable to the fields of ${kind}(name) as parameters.")


def _declare_rm_all(kind: str, of: Callable[[Call], Lists]) -> None:
    def remove_all(call: Call, name: str) -> int:
        return 1 if of(call).remove_all(name) else -1

    _add(f"{kind}_rm_all", remove_all, f"Take everything out that is called ${kind}(name).")


def _xavp(call: Call) -> Lists:
    return call.xavps.xavp


def _xavi(call: Call) -> Lists:
    return call.xavps.xavi


def _xavu(call: Call) -> Lists:
    return call.xavps.xavu


for _kind, _of in {"xavp": _xavp, "xavi": _xavi, "xavu": _xavu}.items():
    for _suffix in _FOR_NULL:
        _declare_readers(_kind, _of, _suffix)
    _declare_writers(_kind, _of)
    _declare_others(_kind, _of)
    if _kind != "xavi":
        _declare_params(_kind, _of)
    if _kind != "xavu":
        _declare_rm_all(_kind, _of)
