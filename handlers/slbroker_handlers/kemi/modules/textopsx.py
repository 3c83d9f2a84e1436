"""KSR.textopsx: shell patterns, values in headers that list them, and headers one by one."""

from __future__ import annotations

import fnmatch as patterns
import re
from typing import TYPE_CHECKING, Final

from slbroker.sip.uri import text
from slbroker_handlers.kemi import iterators
from slbroker_handlers.kemi.exports import BODY_STAYS, LEFT_ALONE, Module
from slbroker_handlers.kemi.passage import lines_to_leave, put_lines, remove_lines, restate
from slbroker_handlers.kemi.sdp import lines_of

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.draft import Line
    from slbroker_handlers.kemi.values import Xval

textopsx = Module("textopsx")


def _matches(subject: str, pattern: str) -> bool:
    """Return whether a shell pattern matches; a backslash takes the meaning from what is behind it."""
    return patterns.fnmatchcase(subject, _escaped(lambda found: f"[{found[1]}]", pattern))


_escaped = re.compile(r"\\([*?\[\\])").sub


@textopsx.export
def fnmatch(_call: Call, subject: str, pattern: str) -> int:
    """Return 0 when a shell pattern matches, else -1."""
    return 0 if _matches(subject, pattern) else -1


@textopsx.export(partial="with the flag i in any case, where Kamailio 5.6 matches nothing; other flags change nothing")
def fnmatch_ex(_call: Call, subject: str, pattern: str, flags: str) -> int:
    """Return 0 when a shell pattern matches, else -1."""
    if "i" in flags:
        subject, pattern = subject.lower(), pattern.lower()
    return 0 if _matches(subject, pattern) else -1


@textopsx.export
def hf_value_exists(call: Call, name: str, value: str) -> int:
    """Return 1 when a header that lists values with commas has this one, in any case."""
    values = (word.strip().lower() for line in call.all(name) for word in line.split(","))
    return 1 if value.strip().lower() in values else -1


# Replies --------------------------------------------------------------------------------------------------------

_OF_CLASS: Final = "within the class of the reply: any other is -1"


@textopsx.export(partial=_OF_CLASS)
def change_reply_status(call: Call, code: int, reason: str) -> int:
    """Give the reply that goes back another status and reason."""
    if not restate(call, code, reason):
        return -1
    call.status = code
    return 1


@textopsx.export(partial=_OF_CLASS)
def change_reply_status_code(call: Call, code: int) -> int:
    """Give the reply that goes back another status."""
    return change_reply_status(call, code, call.passage.status[1] if call.passage.status else call.reason)


# Headers one by one ---------------------------------------------------------------------------------------------


@textopsx.export
def hf_iterator_start(call: Call, name: str) -> int:
    """Begin to go through the headers."""
    call.iterators[name] = -1
    return 1


@textopsx.export
def hf_iterator_next(call: Call, name: str) -> int:
    """Go to the next header; -1 behind the last one."""
    return _move(call, name, 1)


@textopsx.export
def hf_iterator_prev(call: Call, name: str) -> int:
    """Go to the header before; -1 before the first one."""
    return _move(call, name, -1)


def _move(call: Call, name: str, step: int) -> int:
    at = call.iterators.get(name)
    if at is None or not 0 <= at + step < len(call.headers) // 2:
        return -1
    call.iterators[name] = at + step
    return 1


@textopsx.export
def hf_iterator_end(call: Call, name: str) -> int:
    """Stop going through the headers."""
    call.iterators.pop(name, None)
    return 1


@textopsx.export(partial="the long name")
def hf_iterator_hname(call: Call, name: str) -> Xval:
    """Return the name of the header that the iterator is at, None when it is at none."""
    return iterators.header_at(call, name)[0]


@textopsx.export
def hf_iterator_hbody(call: Call, name: str) -> Xval:
    """Return the value of the header that the iterator is at, None when it is at none."""
    return iterators.header_at(call, name)[1]


def _line_at(call: Call, name: str) -> Line | None:
    at = call.iterators.get(name, -1)
    lines = lines_to_leave(call)
    return lines[at] if 0 <= at < len(lines) else None


@textopsx.export(partial=LEFT_ALONE)
def hf_iterator_append(call: Call, name: str, text: str) -> int:
    """Put header lines behind the header that the iterator is at."""
    line = _line_at(call, name)
    return put_lines(call, "textopsx.hf_iterator_append", text, lambda: line.behind) if line is not None else -1


@textopsx.export(partial=LEFT_ALONE)
def hf_iterator_insert(call: Call, name: str, text: str) -> int:
    """Put header lines before the header that the iterator is at."""
    line = _line_at(call, name)
    return put_lines(call, "textopsx.hf_iterator_insert", text, lambda: line.before) if line is not None else -1


@textopsx.export(partial=LEFT_ALONE)
def hf_iterator_rm(call: Call, name: str) -> int:
    """Take the header out that the iterator is at."""
    line = _line_at(call, name)
    return 1 if line is not None and remove_lines("textopsx.hf_iterator_rm", [line]) else -1


@textopsx.export
def msg_apply_changes(call: Call) -> int:
    """Let the script see what it has changed of the headers; the Request-URI counts as that which came."""
    call.show(call.passage.draft.apply(call.message.headers))
    if call.hops is not None:
        call.set_header(b"max-forwards", b"%d" % call.hops)
    if call.changed:
        call.message = call.message._replace(uri=call.uri.encode(errors="surrogateescape"))
    return 1


iterators.declare(textopsx, "bl", "body", lambda call: lines_of(text(call.message.body)))
textopsx.answer(1, {"remove_body()": "Take the body out."}, partial=BODY_STAYS)
textopsx.answer(
    1,
    {
        "append_hf_value(name: str, value: str)": "Put a value behind those of a header.",
        "insert_hf_value(name: str, value: str)": "Put a value before those of a header.",
        "include_hf_value(name: str, value: str)": "Put a value into a header unless it is there.",
        "exclude_hf_value(name: str, value: str)": "Take a value out of a header.",
    },
    partial="the header goes on as it came: answered as if it had been changed",
)
