"""What scripts keep: $var, $vn, $shv in the worker, $sht in its hash tables, $avp and $xavp with the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker_handlers.kemi.values import pick
from slbroker_handlers.kemi.variables.access import declare, expand_all
from slbroker_handlers.kemi.variables.specs import parse_spec
from slbroker_handlers.kemi.xavps import read_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.htables import Table
    from slbroker_handlers.kemi.memory import State
    from slbroker_handlers.kemi.values import Value, Xval
    from slbroker_handlers.kemi.variables.access import Getter, Setter
    from slbroker_handlers.kemi.variables.specs import Spec

# $var, $avp, $shv -----------------------------------------------------------------------------------------------


def _keeping(store: Callable[[State], dict[str, Xval]], null: Xval) -> Setter:
    """Return the setter of variables that are kept by name; `null` is what null becomes."""

    def put(call: Call, spec: Spec, value: Value | None) -> bool:
        store(call.state)[spec.inner] = null if value is None else value
        return True

    return put


def avp_name(inner: str) -> str:
    """Return an AVP's name; the old spelling s:name means the same."""
    return inner.removeprefix("s:")


def add_avp(call: Call, name: str, value: Value) -> None:
    """Put a value before those that $avp(name) has."""
    call.avps.setdefault(avp_name(name), []).insert(0, value)


def _get_avp(call: Call, spec: Spec) -> Xval:
    values = call.avps.get(avp_name(spec.inner), [])
    if spec.position == "*":
        return ", ".join(str(value) for value in values) if values else None
    at = int(spec.position or 0)
    return pick(values, at) if at >= 0 else None


def _set_avp(call: Call, spec: Spec, value: Value | None) -> bool:
    """Put a value before those that are there, with [*] in their place; null takes the first one out, or all."""
    values = call.avps.setdefault(avp_name(spec.inner), [])
    if spec.position == "*":
        values.clear()
    if value is not None:
        values.insert(0, value)
    else:
        del values[:1]
    return True


# $sht -----------------------------------------------------------------------------------------------------------


def _entry(call: Call, spec: Spec) -> tuple[Table, str, float]:
    """Return the table and the name of $sht(table=>name), and the time."""
    name, _, key = spec.inner.partition("=>")
    return call.state.table(name.strip()), expand_all(call, key.strip()), call.state.now()


def _get_entry(call: Call, spec: Spec) -> Xval:
    table, key, now = _entry(call, spec)
    return table.get(key, now)


def _set_entry(call: Call, spec: Spec, value: Value | None) -> bool:
    table, key, now = _entry(call, spec)
    if value is not None:
        return table.set(key, value, now)
    table.remove(key)
    return True


def _entry_life(call: Call, spec: Spec) -> Xval:
    table, key, now = _entry(call, spec)
    return table.left(key, now)


def _set_entry_life(call: Call, spec: Spec, value: Value | None) -> bool:
    table, key, now = _entry(call, spec)
    if isinstance(value, int):
        table.touch(key, value, now)
    return isinstance(value, int)


def _adding(number: int) -> Getter:
    def read(call: Call, spec: Spec) -> Xval:
        table, key, now = _entry(call, spec)
        return table.add(key, number, now)

    return read


def _iterated(at: int) -> Getter:
    def read(call: Call, spec: Spec) -> Xval:
        walk = call.state.walks.get(spec.inner)
        return walk.item[at] if walk and walk.item else None

    return read


# $xavp and its relatives ----------------------------------------------------------------------------------------


def _get_xavp(call: Call, spec: Spec) -> Xval:
    path = read_path(spec.inner)
    return call.xavps[spec.name].get(path) if path is not None and spec.position in (None, "0", "*") else None


def _set_xavp(call: Call, spec: Spec, value: Value | None) -> bool:
    path = read_path(spec.inner)
    return path is not None and call.xavps[spec.name].set(path, value)


def _count(call: Call, spec: Spec) -> Xval:
    """Return how many values there are of the $avp or $xavp that is written inside."""
    inner = parse_spec(spec.inner)
    if inner is not None and inner.name == "avp":
        return len(call.avps.get(avp_name(inner.inner), []))
    return call.xavps["xavp"].count(inner.inner) if inner is not None and inner.name == "xavp" else None


declare(
    {
        **dict.fromkeys(("var", "vz"), lambda call, spec: call.state.variables.get(spec.inner, 0)),
        "vn": lambda call, spec: call.state.nullable.get(spec.inner),
        "shv": lambda call, spec: call.state.shared.get(spec.inner, 0),
        "avp": _get_avp,
        "sht": _get_entry,
        "shtex": _entry_life,
        "shtinc": _adding(1),
        "shtdec": _adding(-1),
        "shtitkey": _iterated(0),
        "shtitval": _iterated(1),
        **dict.fromkeys(("xavp", "xavi", "xavu"), _get_xavp),
        "cnt": _count,
        "_s": lambda call, spec: expand_all(call, spec.inner),
    },
    {
        **dict.fromkeys(("var", "vz"), _keeping(lambda state: state.variables, 0)),
        "vn": _keeping(lambda state: state.nullable, None),
        "shv": _keeping(lambda state: state.shared, 0),
        "avp": _set_avp,
        "sht": _set_entry,
        "shtex": _set_entry_life,
        **dict.fromkeys(("xavp", "xavi", "xavu"), _set_xavp),
    },
)
