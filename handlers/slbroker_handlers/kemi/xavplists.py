"""KSR.pvx's functions that copy $xavp and fill it from lists, parameters and $var; and those that log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slbroker_handlers.kemi.place import script_logger
from slbroker_handlers.kemi.pvx import pvx
from slbroker_handlers.kemi.xavpfunctions import read_params

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.xavps import Fields, Item, Lists

logger = script_logger(__name__)


def _copied(item: Item) -> Item:
    return {name: list(values) for name, values in item.items()} if isinstance(item, dict) else item


@pvx.export
def xavp_copy(call: Call, source: str, index: int, target: str) -> int:
    """Put a copy of $xavp(source[index]) behind what is called `target`; -1 when it is not there."""
    found = call.xavps.xavp.find(source, index) if index >= 0 else None
    if found is None:
        return -1
    call.xavps.xavp.append(target, _copied(found))
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
    values = [token.strip(" \t\r\n") if "t" in mode else token for token in tokens]
    kept = [value for value in values if value]
    if kept:
        call.xavps.xavp.put(name, {"v": list(kept)})
    return 1


@pvx.export
def xavp_xparams_explode(call: Call, params: str, separator: str, name: str) -> int:
    """Make $xavp(name) of parameters with another character than ";" between them."""
    fields = read_params(params, separator[:1] or ";")
    call.xavps.xavp.put(name, fields)
    return 1 if fields else -1


@pvx.export
def pv_var_to_xavp(call: Call, variable: str, name: str) -> int:
    """Make $xavp(name) of a $var, of all of them for *; what was called so is gone."""
    variables = call.state.variables
    chosen = variables if variable == "*" else {variable: variables[variable]} if variable in variables else {}
    fields: Fields = {key: [value] for key, value in chosen.items() if value is not None}
    call.xavps.xavp.remove_all(name)
    if not fields:
        return -1
    call.xavps.xavp.put(name, fields)
    return 1


@pvx.export
def pv_xavp_to_var(call: Call, name: str) -> int:
    """Give each $var the value of the field of $xavp(name) that is called so."""
    fields = call.xavps.xavp.fields(name)
    if fields is None:
        return -1
    call.state.variables.update({key: values[0] for key, values in fields.items() if values})
    return 1


def _log(kind: str, lists: Lists) -> int:
    for name, items in lists.all().items():
        for at, item in enumerate(items):
            logger.info("$%s(%.80s[%d]) is %.400r", kind, name, at, item)
    return 1


@pvx.export
def pv_xavp_print(call: Call) -> int:
    """Log all of $xavp."""
    return _log("xavp", call.xavps.xavp)


@pvx.export
def pv_xavi_print(call: Call) -> int:
    """Log all of $xavi."""
    return _log("xavi", call.xavps.xavi)


@pvx.export
def pv_xavu_print(call: Call) -> int:
    """Log all of $xavu."""
    return _log("xavu", call.xavps.xavu)
