"""KSR.pvx: $var, $avp and $shv by name; $xavp, $xavi and $xavu with the same functions for each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.scriptlog import script_logger
from slbroker_handlers.kemi.variables.access import expand_known, put
from slbroker_handlers.kemi.variables.addressparts import split_params
from slbroker_handlers.kemi.variables.stores import add_avp, avp_name
from slbroker_handlers.kemi.variables.strings import unquote
from slbroker_handlers.kemi.xavps import Path

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.values import Value, Xval
    from slbroker_handlers.kemi.xavps import Fields, Item

logger = script_logger(__name__)

pvx = Module("pvx")

_LOCAL: Final = "local to a worker"


@pvx.export
def var_get(call: Call, name: str) -> Xval:
    """Return $var(name), 0 when it was never set."""
    return call.state.variables.get(name, 0)


@pvx.export(name="var_set{}")
def var_set(call: Call, name: str, value: Value) -> int:
    """Set $var(name) to {}."""
    call.state.variables[name] = value
    return 1


@pvx.export(partial=_LOCAL)
def shv_get(call: Call, name: str) -> Xval:
    """Return $shv(name), 0 when it was never set."""
    return call.state.shared.get(name, 0)


@pvx.export(partial=_LOCAL, name="shv_set{}")
def shv_set(call: Call, name: str, value: Value) -> int:
    """Set $shv(name) to {}."""
    call.state.shared[name] = value
    return 1


@pvx.export(partial=_LOCAL)
def shvinc_get(call: Call, name: str) -> Xval:
    """Add 1 to $shv(name) and return it; 0 where it is text."""
    value = call.state.shared.get(name, 0)
    if not isinstance(value, int):
        return 0
    call.state.shared[name] = value + 1
    return value + 1


@pvx.export(name="avp_get{}")
def avp_get(call: Call, name: str) -> Xval:
    """Return $avp(name), {} when there is none."""
    return next(iter(call.avps.get(avp_name(name), ())), None)


@pvx.export(name="avp_set{}")
def avp_set(call: Call, name: str, value: Value) -> int:
    """Put {} before the values of $avp(name)."""
    add_avp(call, name, value)
    return 1


@pvx.export
def avp_rm(call: Call, name: str) -> int:
    """Take the newest value of $avp(name) out."""
    del call.avps.get(avp_name(name), [])[:1]
    return 1


@pvx.export(partial="-1 when there is one, where Kamailio 5.6 returns 1 either way")
def avp_is_null(call: Call, name: str) -> int:
    """Return 1 when there is no $avp(name)."""
    return 1 if avp_get(call, name) is None else -1


@pvx.export
def evalx(call: Call, target: str, text: str) -> int:
    """Set a pseudo-variable to a text, the pseudo-variables in it replaced."""
    return put(call, target, expand_known(call, text))


# $xavp, $xavi, $xavu --------------------------------------------------------------------------------------------


def read_params(params: str, mark: str = ";") -> Fields:
    """Return parameters by their names, quotes taken off the values."""
    pairs = (piece.strip().partition("=") for piece in split_params(params, mark) if piece.strip())
    return {key.strip(): [unquote(value.strip())] for key, _, value in pairs}


def _declare_values(kind: str) -> None:
    """Declare what reads and writes values and fields."""

    def read(call: Call, name: str) -> Xval:
        return call.xavps[kind].get(Path(name, None, "", None))

    def read_field(call: Call, name: str, field: str) -> Xval:
        return call.xavps[kind].field(name, 0, field)

    def write(call: Call, name: str, value: Value) -> int:
        call.xavps[kind].put(name, value)
        return 1

    def write_field(call: Call, name: str, field: str, value: Value) -> int:
        call.xavps[kind].set_field(name, field, value)
        return 1

    pvx.add(f"{kind}_get{{}}", read, f"Return ${kind}(name), {{}} where there is none.")
    pvx.add(f"{kind}_child_get{{}}", read_field, f"Return ${kind}(name=>field), {{}} where there is none.")
    pvx.add(f"{kind}_set{{}}", write, f"Put {{}} before the values of ${kind}(name).")
    pvx.add(f"{kind}_child_set{{}}", write_field, f"Give ${kind}(name=>field) {{}}.")


def _declare_removers(kind: str) -> None:
    """Declare what asks whether something is there, and what takes it out."""

    def is_null(call: Call, name: str) -> int:
        return 1 if call.xavps[kind].find(name) is None else -1

    def is_field_null(call: Call, name: str, field: str) -> int:
        return 1 if call.xavps[kind].field(name, 0, field) is None else -1

    def remove(call: Call, name: str) -> int:
        call.xavps[kind].remove(name)
        return 1

    def remove_field(call: Call, name: str, field: str) -> int:
        call.xavps[kind].remove(name, 0, field)
        return 1

    def remove_all(call: Call, name: str) -> int:
        return 1 if call.xavps[kind].remove_all(name) else -1

    pvx.add(f"{kind}_is_null", is_null, f"Return 1 when there is no ${kind}(name), else -1.")
    pvx.add(f"{kind}_child_is_null", is_field_null, f"Return 1 when there is no ${kind}(name=>field), else -1.")
    pvx.add(f"{kind}_rm", remove, f"Take the first value of ${kind}(name) out.")
    pvx.add(f"{kind}_child_rm", remove_field, f"Take the first value of ${kind}(name=>field) out.")
    if kind != "xavu":
        pvx.add(f"{kind}_rm_all", remove_all, f"Take everything out that is called ${kind}(name).")


def _declare_params(kind: str) -> None:
    def explode(call: Call, params: str, name: str) -> int:
        fields = read_params(params)
        call.xavps[kind].put(name, fields)
        return 1 if fields else -1

    def implode(call: Call, name: str, target: str) -> int:
        fields = call.xavps[kind].fields(name)
        if fields is None:
            return -1
        pieces = (f"{key}={values[0]};" if values[0] != "" else f"{key};" for key, values in fields.items() if values)
        return put(call, target, "".join(pieces))

    pvx.add(f"{kind}_params_explode", explode, f"Make ${kind}(name) of parameters, `a=b;c=d`.")
    pvx.add(f"{kind}_params_implode", implode, f"Set a pseudo-variable to the fields of ${kind}(name) as parameters.")


def _declare_print(kind: str) -> None:
    def log(call: Call) -> int:
        for name, items in call.xavps[kind].all().items():
            for at, item in enumerate(items):
                logger.info("$%s(%.80s[%d]) is %.400r", kind, name, at, item)
        return 1

    pvx.add(f"pv_{kind}_print", log, f"Log all of ${kind}.")


for _kind in ("xavp", "xavi", "xavu"):
    _declare_values(_kind)
    _declare_removers(_kind)
    _declare_print(_kind)
    if _kind != "xavi":
        _declare_params(_kind)


# $xavp alone ----------------------------------------------------------------------------------------------------


def _copied(item: Item) -> Item:
    return {name: list(values) for name, values in item.items()} if isinstance(item, dict) else item


@pvx.export
def xavp_copy(call: Call, source: str, index: int, target: str) -> int:
    """Put a copy of $xavp(source[index]) behind what is called `target`; -1 when it is not there."""
    found = call.xavps["xavp"].find(source, index) if index >= 0 else None
    if found is None:
        return -1
    call.xavps["xavp"].append(target, _copied(found))
    return 1


@pvx.export
def xavp_copy_dst(call: Call, source: str, index: int, target: str, place: int) -> int:
    """Put a copy of $xavp(source[index]) behind what is called `target`; `place` changes nothing, as in Kamailio."""
    del place
    return xavp_copy(call, source, index, target)


@pvx.export
def xavp_slist_explode(call: Call, text: str, separators: str, mode: str, name: str) -> int:
    """Make $xavp(name=>v[0]) and so on of what stands between characters of `separators`; t in `mode` trims it."""
    if not text or not separators or not name:
        return -1
    tokens = re.split(f"[{re.escape(separators)}]", text)
    kept: list[Value] = [value for token in tokens if (value := token.strip(" \t\r\n") if "t" in mode else token)]
    if kept:
        call.xavps["xavp"].put(name, {"v": kept})
    return 1


@pvx.export
def xavp_xparams_explode(call: Call, params: str, separator: str, name: str) -> int:
    """Make $xavp(name) of parameters with another character than ";" between them."""
    fields = read_params(params, separator[:1] or ";")
    call.xavps["xavp"].put(name, fields)
    return 1 if fields else -1


@pvx.export
def pv_var_to_xavp(call: Call, variable: str, name: str) -> int:
    """Make $xavp(name) of a $var, of all of them for *; what was called so is gone."""
    variables = call.state.variables
    chosen = variables if variable == "*" else {variable: variables.get(variable)}
    fields: Fields = {key: [value] for key, value in chosen.items() if value is not None}
    call.xavps["xavp"].remove_all(name)
    if not fields:
        return -1
    call.xavps["xavp"].put(name, fields)
    return 1


@pvx.export
def pv_xavp_to_var(call: Call, name: str) -> int:
    """Give each $var the value of the field of $xavp(name) that is called so."""
    fields = call.xavps["xavp"].fields(name)
    if fields is None:
        return -1
    call.state.variables.update({key: values[0] for key, values in fields.items() if values})
    return 1
