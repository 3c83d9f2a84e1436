"""KSR.rr: the Route that a request follows, and the Record-Route that has later ones come through us again.

What is done about them, the edge does (RFC 3261 16.4, 16.6), when the request goes on: it takes off the Routes that
name it, follows strict ones, and signs what it writes into Record-Route. Here is what a script sees of that.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker.errors import Reject
from slbroker.proxy.edits import are_params
from slbroker.sip.address import parse_address_list
from slbroker.sip.uri import text
from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.expressions import search
from slbroker_handlers.kemi.ourselves import is_own_uri
from slbroker_handlers.kemi.passage import first_place, put_lines
from slbroker_handlers.kemi.scriptlog import script_logger
from slbroker_handlers.kemi.uris import split_uri
from slbroker_handlers.kemi.variables.access import declare

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

logger = script_logger(__name__)

rr = Module("rr")

NOT_IN_DIALOG: Final = -3
_FOLLOWED: Final = (
    "the edge takes the Routes that name it off whether this is called or not; --kemi-param core.alias names others of"
    " ours"
)
_SIGNED: Final = "the edge's own, signed: in requests that may set up a dialog, and not in ACK, CANCEL and REGISTER"
DIRECTIONS: Final = ("downstream", "upstream")
NO_DIRECTION: Final = -6


# Following Route ------------------------------------------------------------------------------------------------


class Routes(NamedTuple):
    """What a request says of its way: the Request-URI from now on, and the Routes that are left.

    `mark` is the URI of ours that it came by, "" where there is none; `is_strict` says that it was the Request-URI.
    """

    uri: str
    left: list[str]
    mark: str
    is_strict: bool


def _read(call: Call) -> Routes | None:
    """Return what Route says, None where there is none or it cannot be read."""
    try:
        uris = [
            text(address.uri_bytes) for value in call.message.all(b"route") for address in parse_address_list(value)
        ]
    except Reject:
        return None
    if not uris or any(split_uri(uri) is None for uri in uris):
        return None
    uri, mark = text(call.message.uri), ""
    if is_strict := _has(uri, "lr") and is_own_uri(call, uri):
        mark, uri = uri, uris.pop()
    ours = 0
    while ours < len(uris) and (is_own_uri(call, uris[ours]) or (ours == 1 and _is_pair(*uris[:2]))):
        ours += 1
    return Routes(uri, uris[ours:], mark or (uris[0] if ours else ""), is_strict)


def _is_pair(first: str, second: str) -> bool:
    """Return whether two Routes are those of one proxy, for each of its sides one."""
    return _has(first, "r2") and _has(second, "r2")


def _has(uri: str, param: str) -> bool:
    parts = split_uri(uri)
    return parts is not None and parts.param(param) is not None


def _follow(call: Call) -> int:
    routes = _read(call)
    if routes is None:
        return -1
    if routes.is_strict:
        call.uri = routes.uri  # which the edge sees for itself: it is no change of the script's
    if not routes.left:
        return 1 if call.message.to_tag or routes.is_strict else NOT_IN_DIALOG
    if _has(routes.left[0], "lr"):
        call.destination = routes.left[0]
    else:
        call.uri = routes.left[0]
    return 1


@rr.export(partial=_FOLLOWED)
def loose_route(call: Call) -> int:
    """Follow Route: 1; -1 where there is none, -3 where none is left and the request is outside a dialog.

    The next Route becomes the destination URI; from and to a strict router, the Request-URI changes.
    """
    return _follow(call)


@rr.export(partial=_FOLLOWED)
def loose_route_mode(call: Call, mode: int) -> int:
    """Follow Route as loose_route does, whatever the mode."""
    del mode
    return _follow(call)


@rr.export(partial=_FOLLOWED)
def loose_route_preloaded(call: Call) -> int:
    """Follow Route: 1 outside a dialog where no Route but ours is there, else -1."""
    return 1 if _follow(call) == NOT_IN_DIALOG else -1


def _params(call: Call) -> str | None:
    """Return the parameters of the URI of ours that the request came by, None where it did not."""
    routes = _read(call)
    parts = split_uri(routes.mark) if routes is not None and routes.mark else None
    return parts.params if parts is not None else None


@rr.export
def check_route_param(call: Call, expression: str) -> int:
    """Return 1 when a regular expression matches in the parameters of the Route of ours, in any case, else -1."""
    params = _params(call)
    return 1 if params is not None and search(expression, params, re.IGNORECASE) else -1


@rr.export
def is_direction(call: Call, direction: str) -> int:
    """Return 1 for "downstream", as the request that set up the dialog, or "upstream"; else -1, and -6 for no word.

    The Route of ours says it by its ftag (rr.append_fromtag); without one it is downstream.
    """
    if direction.lower() not in DIRECTIONS:
        return NO_DIRECTION
    found = re.search(r";ftag=([^;]*)", _params(call) or "")
    is_upstream = found is not None and found[1] != text(call.message.from_tag)
    return 1 if is_upstream == (direction.lower() == "upstream") else -1


rr.answer(-1, {"next_hop_route()": "Return -1."}, partial="always -1; loose_route sets the destination URI")

# Record-Route ---------------------------------------------------------------------------------------------------


def _from_tag(call: Call) -> str:
    tag = text(call.message.from_tag)
    return f";ftag={tag}" if tag and call.state.params.numbers["rr.append_fromtag"] else ""


def _add_params(call: Call, params: str) -> bool:
    """Put parameters into our Record-Route; return whether they can stand there."""
    passage = call.passage
    together = f"{passage.rr_params or _from_tag(call)}{params}"
    if not are_params(together.encode(errors="surrogateescape")):
        logger.error("KSR.rr: %.80r cannot stand in a Record-Route; write ;name=value", params)
        return False
    passage.rr_params = together
    return True


@rr.export(partial=_SIGNED)
def record_route(call: Call) -> int:
    """Have the later requests of the dialog come through us: 1, -1 the second time."""
    return record_route_params(call, "")


@rr.export(partial=_SIGNED)
def record_route_params(call: Call, params: str) -> int:
    """Have the later requests of the dialog come through us, with these parameters in Record-Route."""
    if call.passage.wants_record or not _add_params(call, params):
        return -1
    call.passage.wants_record = True
    return 1


@rr.export(partial=_SIGNED)
def add_rr_param(call: Call, params: str) -> int:
    """Put parameters such as ;nat=yes into our Record-Route, before it is made or behind: 1; -1 for what are none."""
    return 1 if _add_params(call, params) else -1


@rr.export(partial="what it would take off is not put in")
def remove_record_route(call: Call) -> int:
    """Take our Record-Route off again."""
    call.passage.wants_record = False
    return 1


_PRESET: Final = "as it is written, with no token: where the address leads, later requests go"


@rr.export(partial=_PRESET)
def record_route_preset(call: Call, address: str, second: str) -> int:
    """Put a Record-Route with this address in, and another one: 1, -1 where there is one of ours already."""
    if call.passage.wants_record:
        return -1
    tag = _from_tag(call)
    lines = "".join(f"Record-Route: <sip:{each}{tag};lr>\r\n" for each in (address, second) if each)
    return put_lines(call, "rr.record_route_preset", lines, lambda: first_place(call))


@rr.export(partial=_PRESET)
def record_route_preset_one(call: Call, address: str) -> int:
    """Put a Record-Route with this address in."""
    return record_route_preset(call, address, "")


@rr.export(partial=_PRESET)
def record_route_advertised_address(call: Call, address: str) -> int:
    """Put a Record-Route with this address in."""
    return record_route_preset(call, address, "")


declare({"route_uri": lambda call, _: _first_route(call)})


def _first_route(call: Call) -> str | None:
    """Return the URI of the first Route."""
    for value in call.message.all(b"route")[:1]:
        try:
            return text(parse_address_list(value)[0].uri_bytes)
        except (Reject, IndexError):
            return None
    return None
