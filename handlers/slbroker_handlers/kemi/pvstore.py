"""Pseudo-variables that keep something: $var, $avp, $shv, $sht; and those of the request that can be set."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Final, TypeAlias

from slbroker_handlers.kemi import core, morepvars
from slbroker_handlers.kemi.pvars import READERS, Getter
from slbroker_handlers.kemi.pvspec import Spec, expand, parse_spec
from slbroker_handlers.kemi.transform import is_known, transform

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.exports import Xval
    from slbroker_handlers.kemi.release import Release
    from slbroker_handlers.kemi.tables import Table, Value

Setter: TypeAlias = "Callable[[Call, Spec, Value | None], bool]"

NULL: Final = "<null>"


# Reading any ----------------------------------------------------------------------------------------------------


def read_variable(call: Call, written: str) -> Xval:
    """Return the value of a pseudo-variable; raise KeyError when there is none that is written so."""
    spec = parse_spec(written)
    if spec is None:
        raise KeyError(written)
    if spec.name in SINCE and call.state.release < SINCE[spec.name]:
        raise KeyError(written)
    value = GETTERS[spec.name](call, spec)
    for transformation in spec.transformations:
        value = transform(value, transformation, lambda inner: read_variable(call, inner), call.state.release)
    return value


def expand_all(call: Call, text: str, unknown: list[str] | None = None) -> str:
    """Return `text` with the values of the pseudo-variables in it.

    What is none stays as written, and is put into `unknown`; without that, KeyError is raised.
    """

    def value_of(written: str) -> str:
        try:
            value = read_variable(call, written)
        except KeyError:
            if unknown is None:
                raise
            unknown.append(written)
            return written
        return NULL if value is None else str(value)

    return expand(text, value_of)


# $var, $avp, $shv -----------------------------------------------------------------------------------------------


def _get_var(call: Call, spec: Spec) -> Xval:
    return call.state.variables.get(spec.inner, 0)


def _set_var(call: Call, spec: Spec, value: Value | None) -> bool:
    call.state.variables[spec.inner] = 0 if value is None else value
    return True


def _get_nullable(call: Call, spec: Spec) -> Xval:
    return call.state.nullable.get(spec.inner)


def _set_nullable(call: Call, spec: Spec, value: Value | None) -> bool:
    call.state.nullable[spec.inner] = value
    return True


def _get_shared(call: Call, spec: Spec) -> Xval:
    return call.state.shared.get(spec.inner, 0)


def _set_shared(call: Call, spec: Spec, value: Value | None) -> bool:
    call.state.shared[spec.inner] = 0 if value is None else value
    return True


def avp_name(inner: str) -> str:
    """Return an AVP's name; the old spelling s:name means the same."""
    return inner.removeprefix("s:")


def _get_avp(call: Call, spec: Spec) -> Xval:
    values = call.avps.get(avp_name(spec.inner), [])
    if spec.position == "*":
        return ", ".join(str(value) for value in values) if values else None
    at = int(spec.position or 0)
    return values[at] if 0 <= at < len(values) else None


def _set_avp(call: Call, spec: Spec, value: Value | None) -> bool:
    """Put a value before those that are there, with [*] in their place; null takes the first one out, or all."""
    values = call.avps.setdefault(avp_name(spec.inner), [])
    if spec.position == "*":
        values.clear()
    if value is not None:
        values.insert(0, value)
    elif values:
        del values[0]
    return True


# $sht -----------------------------------------------------------------------------------------------------------


def _entry(call: Call, spec: Spec) -> tuple[Table, str]:
    name, _, key = spec.inner.partition("=>")
    return call.state.table(name.strip()), expand_all(call, key.strip())


def _get_entry(call: Call, spec: Spec) -> Xval:
    table, key = _entry(call, spec)
    return table.get(key, call.state.now())


def _set_entry(call: Call, spec: Spec, value: Value | None) -> bool:
    table, key = _entry(call, spec)
    if value is not None:
        return table.set(key, value, call.state.now())
    table.remove(key)
    return True


def _entry_life(call: Call, spec: Spec) -> Xval:
    table, key = _entry(call, spec)
    return table.left(key, call.state.now())


def _set_entry_life(call: Call, spec: Spec, value: Value | None) -> bool:
    table, key = _entry(call, spec)
    if isinstance(value, int):
        table.touch(key, value, call.state.now())
    return isinstance(value, int)


def _adding(number: int) -> Getter:
    def read(call: Call, spec: Spec) -> Xval:
        table, key = _entry(call, spec)
        return table.add(key, number, call.state.now())

    return read


def _iterated(at: int) -> Getter:
    def read(call: Call, spec: Spec) -> Xval:
        item = call.state.iterator_items.get(spec.inner)
        return item[at] if item else None

    return read


# The Request-URI and the destination ----------------------------------------------------------------------------


def _set_uri(call: Call, _spec: Spec, value: Value | None) -> bool:
    return isinstance(value, str) and core.seturi(call, value)


def _set_user(call: Call, _spec: Spec, value: Value | None) -> bool:
    """Set the user; null or "" takes it out."""
    parts = call.parts
    if parts is None or isinstance(value, int):
        return False
    call.set_uri(parts.with_user(value or ""))
    return True


def _set_domain(call: Call, _spec: Spec, value: Value | None) -> bool:
    return isinstance(value, str) and core.sethost(call, value)


def _set_port(call: Call, _spec: Spec, value: Value | None) -> bool:
    parts = call.parts
    changed = parts.with_port("" if value is None else str(value)) if parts is not None else None
    if changed is None:
        return False
    call.set_uri(changed)  # which may be no URI any more
    return True


def _set_destination(call: Call, _spec: Spec, value: Value | None) -> bool:
    if isinstance(value, int):
        return False
    call.destination = value
    return True


def _set_flags(call: Call, spec: Spec, value: Value | None) -> bool:
    """Set the flags of the request, the first branch or the script; null clears them."""
    if isinstance(value, str):
        return False
    flags = (value or 0) & 0xFFFF_FFFF
    if spec.name in ("mf", "mF"):
        call.flags = flags
    elif spec.name in ("sf", "sF"):
        call.script_flags = flags
    else:
        call.branch_flags[0] = flags
    return True


SINCE: Final = morepvars.SINCE
GETTERS: Final[dict[str, Getter]] = {
    **READERS,
    **morepvars.GETTERS,
    "var": _get_var,
    "vz": _get_var,
    "vn": _get_nullable,
    "shv": _get_shared,
    "avp": _get_avp,
    "sht": _get_entry,
    "shtex": _entry_life,
    "shtinc": _adding(1),
    "shtdec": _adding(-1),
    "shtitkey": _iterated(0),
    "shtitval": _iterated(1),
    "env": lambda _call, spec: os.environ.get(spec.inner),
    "def": lambda _call, _spec: None,
    "_s": lambda call, spec: expand_all(call, spec.inner),
    "pp": lambda _call, _spec: os.getpid(),
    "RANDOM": lambda _call, _spec: secrets.randbelow(2**31),
}
SETTERS: Final[dict[str, Setter]] = {
    **morepvars.SETTERS,
    "var": _set_var,
    "vz": _set_var,
    "vn": _set_nullable,
    "shv": _set_shared,
    "avp": _set_avp,
    "sht": _set_entry,
    "shtex": _set_entry_life,
    "ru": _set_uri,
    "rU": _set_user,
    "rd": _set_domain,
    "rp": _set_port,
    "du": _set_destination,
    **dict.fromkeys(("mf", "mF", "sf", "sF", "bf", "bF"), _set_flags),
}


def is_readable(spec: Spec, release: Release) -> bool:
    """Return whether there is such a pseudo-variable here, and in a release of Kamailio's."""
    is_there = spec.name in GETTERS and SINCE.get(spec.name, release) <= release
    return is_there and all(is_known(part, release) for part in spec.transformations)
