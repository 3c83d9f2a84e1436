"""KSR.x: functions of kamailio.cfg by their names there, arguments written as there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.exports import MODULES, Module, bind, find_export
from slbroker_handlers.kemi.scriptlog import script_logger
from slbroker_handlers.kemi.variables.access import expand_all

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.exports import Export

logger = script_logger(__name__)

x = Module("x")

# The functions of kamailio.cfg whose names there, or whose arguments, are not those of KEMI.
_OTHERWISE: Final = {
    ("append_hf", 1): ("hdr", "append"),
    ("append_to_reply", 1): ("hdr", "append_to_reply"),
    ("has_body", 1): ("textops", "has_body_type"),
    ("insert_hf", 1): ("hdr", "insert"),
    ("is_method", 1): ("", "is_method"),
    ("mf_process_maxfwd_header", 1): ("maxfwd", "process_maxfwd"),
    ("xlog", 1): ("xlog", "xerr"),
}  # fmt: skip
# Modules whose functions kamailio.cfg has not, or not by these names.
_KEMI_ONLY: Final = ("", "hdr", "kx", "pv", "pvx", "uuid")


def _find(name: str, count: int) -> Export | None:
    """Return what a function of kamailio.cfg with so many arguments is here; None when it does not work here."""
    if (name, count) in _OTHERWISE:
        return find_export(*_OTHERWISE[name, count])
    exports = (find_export(module, name) for module in MODULES if module not in _KEMI_ONLY)
    return next((export for export in exports if export is not None and len(export.params) == count), None)


def call_by_name(call: Call, name: str, arguments: tuple[str, ...]) -> int | None:
    """Call a function of kamailio.cfg; return what it returns, None when there is none here."""
    export = _find(name, len(arguments))
    if export is None or export.result not in ("int", "bool"):
        call.state.count_unsupported(f"{name} of kamailio.cfg, with {len(arguments)} arguments,")
        return None
    given: list[str | int] = []
    try:
        for (param, kind), argument in zip(export.params, arguments, strict=True):
            # The name of a pseudo-variable that gets the result is no value.
            text = argument if param == "target" else expand_all(call, argument)
            given.append(int(text) if kind == "int" else text)
    except (KeyError, ValueError) as error:
        logger.error("%s of kamailio.cfg: an argument that is none: %s", name, error)
        return -1
    result = bind(export, lambda: call)(*given)
    return (1 if result else -1) if export.result == "bool" else int(result or 0)


@x.export(partial="the functions that work here, with their arguments as texts; any other: -1")
def modf(call: Call, name: str, *arguments: str) -> int:
    """Call a function of kamailio.cfg by its name."""
    result = call_by_name(call, name, arguments)
    return -1 if result is None else result
