"""KSR.pvtpl: files with pseudo-variables in them, read when the script is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker_handlers.kemi import pv
from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.place import script_logger
from slbroker_handlers.kemi.pvstore import expand_all

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

logger = script_logger(__name__)

pvtpl = Module("pvtpl")


@pvtpl.export(partial="from the files that pvtpl.tpl names; bsize means nothing")
def pvtpl_render(call: Call, name: str, target: str) -> int:
    """Set a pseudo-variable to a template, the pseudo-variables in it replaced; -1 where there is no such template."""
    template = call.state.params.templates.get(name)
    if template is None:
        logger.error("KSR.pvtpl.pvtpl_render: no --kemi-param pvtpl.tpl defines a template %.80r", name)
        return -1
    try:
        return 1 if pv.write(call, target, expand_all(call, template)) else -1
    except KeyError as error:
        call.state.count_unsupported(f"pseudo-variable {str(error.args[0])[:80]!r}")
        return -1
