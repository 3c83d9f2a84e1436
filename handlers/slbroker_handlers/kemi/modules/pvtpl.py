"""KSR.pvtpl: files with pseudo-variables in them, read when the script is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.scriptlog import script_logger
from slbroker_handlers.kemi.variables.access import expand_known, put

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
    return put(call, target, expand_known(call, template))
