"""KSR.hdr: headers by name, and headers for the replies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slbroker.plugin.reply import header_lines
from slbroker_handlers.kemi.exports import FORWARDED, Module
from slbroker_handlers.kemi.expressions import holds
from slbroker_handlers.kemi.remembering import remembering
from slbroker_handlers.kemi.scriptlog import script_logger
from slbroker_handlers.kemi.values import pick

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
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


hdr.answer(
    1,
    {
        "append(text: str)": "Put a header behind the others.",
        "append_after(text: str, name: str)": "Put a header behind another one.",
        "insert(text: str)": "Put a header before the others.",
        "insert_before(text: str, name: str)": "Put a header before another one.",
        "remove(name: str)": "Take headers out.",
        "rmappend(name: str, text: str)": "Take headers out and put another one behind the rest.",
        "rminsert(name: str, text: str)": "Take headers out and put another one before the rest.",
    },
    partial=FORWARDED,
)
