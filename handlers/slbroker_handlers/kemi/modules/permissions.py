"""KSR.permissions: is an address in a list? The list is a file, that of Kamailio's `permissions.address_file`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.addresses import read_ip
from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.variables.stores import add_avp

if TYPE_CHECKING:
    from slbroker_handlers.kemi.addresses import Permitted
    from slbroker_handlers.kemi.call import Call

permissions = Module("permissions")

_FILE: Final = "from the file that permissions.address_file names, without a database; read again with the script"


def _find(call: Call, host: str, port: int, group: int | None = None) -> Permitted | None:
    """Return the line that permits an address, of a group or of any; its tag goes where peer_tag_avp says."""
    address = read_ip(host.strip("[]"))
    lines = (line for line in call.state.params.addresses if group in (None, line.group))
    found = next((line for line in lines if line.permits(address, host, port)), None)
    tag_avp = call.state.params.texts["permissions.peer_tag_avp"]
    if found is not None and found.tag and tag_avp:
        add_avp(call, tag_avp.removeprefix("$avp(").removesuffix(")"), found.tag)
    return found


@permissions.export(partial=_FILE)
def allow_source_address(call: Call, group: int) -> int:
    """Return 1 when the list's group has the address that the request came from, else -1."""
    return 1 if _find(call, call.source.host, call.source.port, group) else -1


@permissions.export(partial=_FILE)
def allow_source_address_group(call: Call) -> int:
    """Return the group that has the address that the request came from, -1 where none has it."""
    found = _find(call, call.source.host, call.source.port)
    return found.group if found else -1


@permissions.export(partial=_FILE)
def allow_address(call: Call, group: int, address: str, port: int) -> int:
    """Return 1 when the list's group has an address, or a domain, else -1."""
    return 1 if _find(call, address, port, group) else -1


@permissions.export(partial=_FILE)
def allow_address_group(call: Call, address: str, port: int) -> int:
    """Return the group that has an address, or a domain, -1 where none has it."""
    found = _find(call, address, port)
    return found.group if found else -1


permissions.answer(
    -1,
    {"allow_trusted()": "Return -1: nobody is trusted."},
    partial="there is no database with trusted peers: always -1, as in Kamailio without one",
)
