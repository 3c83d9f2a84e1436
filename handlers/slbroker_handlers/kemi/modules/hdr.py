"""KSR.hdr: headers by name, those of the replies, and those of the request that goes on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slbroker.plugin.reply import header_lines
from slbroker.sip.grammar import canonical_name
from slbroker_handlers.kemi.exports import LEFT_ALONE, Module
from slbroker_handlers.kemi.expressions import holds
from slbroker_handlers.kemi.passage import first_place, named, put_lines, remove_named
from slbroker_handlers.kemi.remembering import remembering
from slbroker_handlers.kemi.scriptlog import script_logger
from slbroker_handlers.kemi.values import pick

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.draft import Line
    from slbroker_handlers.kemi.values import Xval

logger = script_logger(__name__)

hdr = Module("hdr")

_split_lines = re.compile(r"\r\n|\n").split


@hdr.export
def is_present(call: Call, name: str) -> int:
    """Return 1 when the request has such a header, else -1."""
    return 1 if call.all(name) else -1


@hdr.export(name="get{}")
def get(call: Call, name: str) -> Xval:
    """Return the first such header's value, {} where there is none."""
    return next(iter(call.all(name)), None)


@hdr.export(name="get{}_idx")
def get_idx(call: Call, name: str, index: int) -> Xval:
    """Return the value of the header at `index`, from the end when that is negative, {} where there is none."""
    return pick(call.all(name), index)


@hdr.export(
    partial='operators eq, ne, sw, in; "re" takes Python\'s regular expressions, where Kamailio 5.6 matches none'
)
def match_content(call: Call, name: str, operator: str, pattern: str, mode: str) -> bool:
    """Return whether the first (f), the last (l), one (o) or all (a) such headers match, in any case."""
    values = call.some(name, mode)
    if not values or mode[:1] not in ("f", "l", "a", "o"):
        return False
    if operator != "re":
        values, pattern = [value.lower() for value in values], pattern.lower()
    matches = [holds(operator, value, pattern, re.IGNORECASE) for value in values]
    return any(matches) if mode[:1] == "o" else all(matches)


@hdr.export
def append_to_reply(call: Call, text: str) -> int:
    """Put header lines, each with its line end, into every reply to this request that is made from now on.

    Refused (-1) are, where Kamailio sends anything: what is no header line, and headers that slbroker writes itself.
    """
    try:
        pairs = _read_lines(text)
    except ValueError as error:
        logger.error("KSR.hdr.append_to_reply(%.80r): %s", text, error)
        return -1
    call.reply_headers += pairs
    return 1


@remembering(256, 256)
def _read_lines(text: str) -> tuple[tuple[str, str], ...]:
    """Return the names and values of header lines; raise ValueError for what cannot be sent."""
    lines = [line for line in _split_lines(text) if line]
    if not lines or not all(":" in line for line in lines):
        raise ValueError("it is no header line")
    pairs = tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    header_lines(pairs)
    return pairs


# What is forwarded ----------------------------------------------------------------------------------------------


def _named(call: Call, name: str) -> list[Line]:
    return named(call, canonical_name(name.encode(errors="surrogateescape")))


def _behind(call: Call, name: str) -> list[bytes]:
    found = _named(call, name)
    return found[0].behind if found else call.passage.draft.tail


def _before(call: Call, name: str) -> list[bytes]:
    found = _named(call, name)
    return found[0].before if found else first_place(call)


@hdr.export(partial=LEFT_ALONE)
def append(call: Call, text: str) -> int:
    """Put header lines behind the others."""
    return put_lines(call, "hdr.append", text, lambda: call.passage.draft.tail)


@hdr.export(partial=LEFT_ALONE)
def append_after(call: Call, text: str, name: str) -> int:
    """Put header lines behind the first header called `name`, behind all where there is none."""
    return put_lines(call, "hdr.append_after", text, lambda: _behind(call, name))


@hdr.export(partial=LEFT_ALONE)
def insert(call: Call, text: str) -> int:
    """Put header lines before the others."""
    return put_lines(call, "hdr.insert", text, lambda: first_place(call))


@hdr.export(partial=LEFT_ALONE)
def insert_before(call: Call, text: str, name: str) -> int:
    """Put header lines before the first header called `name`, before all where there is none."""
    return put_lines(call, "hdr.insert_before", text, lambda: _before(call, name))


@hdr.export(partial=LEFT_ALONE)
def remove(call: Call, name: str) -> int:
    """Take the headers with a name out: 1, whether there are some or not."""
    return remove_named(call, "hdr.remove", canonical_name(name.encode(errors="surrogateescape")))


@hdr.export(partial=LEFT_ALONE)
def rmappend(call: Call, name: str, text: str) -> int:
    """Take headers out and put other lines behind the rest."""
    return append(call, text) if remove(call, name) > 0 else -1


@hdr.export(partial=LEFT_ALONE)
def rminsert(call: Call, name: str, text: str) -> int:
    """Take headers out and put other lines before the rest."""
    return insert(call, text) if remove(call, name) > 0 else -1
