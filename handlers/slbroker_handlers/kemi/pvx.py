"""KSR.pvx: $var, $avp and $shv by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi import pv
from slbroker_handlers.kemi.exports import Module, Xval
from slbroker_handlers.kemi.pvstore import NULL, avp_name, expand_all

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

pvx = Module("pvx")

_LOCAL: Final = "local to a worker"


@pvx.export
def var_get(call: Call, name: str) -> Xval:
    """Return $var(name), 0 when it was never set."""
    return call.state.variables.get(name, 0)


@pvx.export
def var_seti(call: Call, name: str, value: int) -> int:
    """Set $var(name) to a number."""
    call.state.variables[name] = value
    return 1


@pvx.export
def var_sets(call: Call, name: str, value: str) -> int:
    """Set $var(name) to text."""
    call.state.variables[name] = value
    return 1


@pvx.export(partial=_LOCAL)
def shv_get(call: Call, name: str) -> Xval:
    """Return $shv(name), 0 when it was never set."""
    return call.state.shared.get(name, 0)


@pvx.export(partial=_LOCAL)
def shv_seti(call: Call, name: str, value: int) -> int:
    """Set $shv(name) to a number."""
    call.state.shared[name] = value
    return 1


@pvx.export(partial=_LOCAL)
def shv_sets(call: Call, name: str, value: str) -> int:
    """Set $shv(name) to text."""
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


def _avp(call: Call, name: str) -> Xval:
    values = call.avps.get(avp_name(name))
    return values[0] if values else None


@pvx.export
def avp_get(call: Call, name: str) -> Xval:
    """Return $avp(name), None when there is none."""
    return _avp(call, name)


@pvx.export
def avp_gete(call: Call, name: str) -> Xval:
    """Return $avp(name), "" when there is none."""
    value = _avp(call, name)
    return "" if value is None else value


@pvx.export
def avp_getw(call: Call, name: str) -> Xval:
    """Return $avp(name), "<null>" when there is none."""
    value = _avp(call, name)
    return NULL if value is None else value


@pvx.export
def avp_seti(call: Call, name: str, value: int) -> int:
    """Put a number before the values of $avp(name)."""
    call.avps.setdefault(avp_name(name), []).insert(0, value)
    return 1


@pvx.export
def avp_sets(call: Call, name: str, value: str) -> int:
    """Put text before the values of $avp(name)."""
    call.avps.setdefault(avp_name(name), []).insert(0, value)
    return 1


@pvx.export
def avp_rm(call: Call, name: str) -> int:
    """Take the newest value of $avp(name) out."""
    del call.avps.get(avp_name(name), [])[:1]
    return 1


@pvx.export(partial="-1 when there is one, where Kamailio 5.6 returns 1 either way")
def avp_is_null(call: Call, name: str) -> int:
    """Return 1 when there is no $avp(name)."""
    return 1 if _avp(call, name) is None else -1


@pvx.export
def evalx(call: Call, target: str, text: str) -> int:
    """Set a pseudo-variable to a text, the pseudo-variables in it replaced."""
    try:
        return 1 if pv.write(call, target, expand_all(call, text)) else -1
    except KeyError as error:
        call.state.count_unsupported(f"pseudo-variable {str(error.args[0])[:80]!r}")
        return -1
