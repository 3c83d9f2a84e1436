"""What becomes of a request that a script lets go on: where to, with which changes, through which routes of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker.plugin.passing import check_next_hop
from slbroker.plugin.reply import DROP, Drop, Reply
from slbroker.proxy.decision import Amended, Forward
from slbroker.proxy.edits import Edits
from slbroker.proxy.nexthop import Said
from slbroker_handlers.kemi.draft import check_name, read_lines
from slbroker_handlers.kemi.scriptlog import script_logger
from slbroker_handlers.kemi.uris import split_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.draft import Line, Passage

logger = script_logger(__name__)


AS_PASSED: Final = "as the edge's --pass says"  # in place of a URI

# Going on -------------------------------------------------------------------------------------------------------


def go_on(call: Call, uri: str = "") -> int:
    """Let the request go on to `uri`, else to the destination URI, else to its Request-URI: 1, or -1.

    The edge is told when the route has ended; what is changed behind this changes nothing any more, as in Kamailio.
    """
    to = "" if uri is AS_PASSED else uri or call.next_hop
    passage = call.passage
    try:
        if not call.message.method or call.status:
            raise ValueError("it is no request")
        if call.forwarded is not None:
            raise ValueError("it goes on already, once, since there are no branches here")
        _check_next_hop(to)
        call.forwarded = Forward(to, _edits(call, passage), passage.wants_record or None, passage.path or None)
    except ValueError as error:
        logger.error("%s cannot go on to %.80r: %s", call.title, to, error)
        return -1
    if call.state.on_send is not None:
        passage.to = to
        call.state.on_send(call)
        passage.to = ""
    return 1


def restate(call: Call, status: int, reason: str) -> bool:
    """Give a reply that goes back another status line; return whether that can be: within its class."""
    try:
        if not call.status:
            raise ValueError("it is no reply")
        if status // 100 != call.status // 100:
            raise ValueError("a reply stays within its class")
        call.passage.status = (status, Reply(status, reason or None).reason)
    except ValueError as error:
        logger.error("%s cannot become %d %.80r: %s", call.title, status, reason, error)
        return False
    return True


def go_back(call: Call) -> Amended | Drop:
    """Return what becomes of a reply that a script has looked at; raise ValueError for changes that cannot be."""
    passage = call.passage
    if passage.is_dropped and not passage.is_sent:
        return DROP
    status, reason = passage.status or (0, "")
    return Amended(status, reason, _edits(call, passage))


def _check_next_hop(to: str) -> None:
    if to not in (Said.TARGET.value, Said.USUAL.value) and not to.startswith("group:"):
        parts = split_uri(to)
        if parts is None or parts.scheme not in ("sip", "sips"):
            raise ValueError("it is no SIP URI")
    check_next_hop(to)


def _edits(call: Call, passage: Passage) -> Edits | None:
    """Return what is changed, None for nothing; raise ValueError for what cannot be."""
    uri = call.uri.encode(errors="surrogateescape") if call.changed else None
    places = list(passage.draft.changes())
    params = passage.rr_params.encode(errors="surrogateescape") if passage.wants_record else b""
    if uri is None and call.hops is None and not (places or params or passage.draft.removed):
        return None
    return Edits(uri, passage.draft.removed, places=places, hops=call.hops, rr_params=params)


# Headers --------------------------------------------------------------------------------------------------------


def lines_to_leave(call: Call) -> list[Line]:
    """Return the headers as they will leave."""
    return call.passage.draft.list_lines(call.message.headers)


def named(call: Call, name: bytes) -> list[Line]:
    """Return those called `name`, which is canonical."""
    return [line for line in lines_to_leave(call) if line.name == name]


def change(call: Call, what: str, make: Callable[[], object]) -> bool:
    """Make a change, and return whether that could be; log why where not."""
    try:
        make()
    except ValueError as error:
        logger.error("KSR.%s: %s", what, error)
        return False
    return True


def put_lines(call: Call, what: str, text: str, where: Callable[[], list[bytes]]) -> int:
    """Put the header lines in a text into a list of `Draft`'s: 1, -1 where they are none."""
    return 1 if change(call, what, lambda: where().extend(read_lines(text.encode(errors="surrogateescape")))) else -1


def first_place(call: Call) -> list[bytes]:
    """Return the list of lines that stand before all headers."""
    lines = lines_to_leave(call)
    return lines[0].before if lines else call.passage.draft.tail


def remove_named(call: Call, what: str, name: bytes) -> int:
    """Take the headers called `name` out: 1, also where there are none; -1 for those that are left alone."""

    def make() -> None:
        check_name(name)
        if name:
            call.passage.draft.remove(name)

    return 1 if change(call, what, make) else -1


def remove_lines(what: str, lines: Iterable[Line]) -> int:
    """Take these headers out, but those that are left alone; return how many went."""
    count = 0
    for line in lines:
        try:
            check_name(line.name)
        except ValueError as error:
            logger.error("KSR.%s: %s", what, error)
            continue
        line.gone = True
        count += 1
    return count


def set_value(what: str, line: Line, value: str) -> bool:
    """Give a header another value; return whether that can be."""
    try:
        check_name(line.name)
        written = value.encode(errors="surrogateescape")
        if any(end in written for end in (b"\r", b"\n", b"\0")):
            raise ValueError(f"a line end or NUL in {value!r:.80}")
    except ValueError as error:
        logger.error("KSR.%s: %s", what, error)
        return False
    line.new = written
    return True
