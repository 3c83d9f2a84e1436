"""KSR.hdr: headers by name, and headers for the replies."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from slbroker.plugin.reply import header_lines
from slbroker_handlers.kemi.exports import FORWARDED, Module, Xval
from slbroker_handlers.kemi.place import script_logger

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

logger = script_logger(__name__)

hdr = Module("hdr")

MAX_REMEMBERED_LINES: Final = 256  # characters
_split_lines = re.compile(r"\r\n|\n").split


@hdr.export
def is_present(call: Call, name: str) -> int:
    """Return 1 when the request has such a header, else -1."""
    return 1 if call.all(name) else -1


@hdr.export
def get(call: Call, name: str) -> Xval:
    """Return the first such header's value, None where there is none."""
    return next(iter(call.all(name)), None)


@hdr.export
def gete(call: Call, name: str) -> Xval:
    """Return the first such header's value, "" where there is none."""
    return next(iter(call.all(name)), "")


@hdr.export
def getw(call: Call, name: str) -> Xval:
    """Return the first such header's value, "<null>" where there is none."""
    return next(iter(call.all(name)), "<null>")


def _at(call: Call, name: str, index: int) -> str | None:
    values = call.all(name)
    return values[index] if -len(values) <= index < len(values) else None


@hdr.export
def get_idx(call: Call, name: str, index: int) -> Xval:
    """Return the value of the header at `index`, from the end when that is negative; None where there is none."""
    return _at(call, name, index)


@hdr.export
def gete_idx(call: Call, name: str, index: int) -> Xval:
    """Return the value of the header at `index`, "" where there is none."""
    value = _at(call, name, index)
    return "" if value is None else value


@hdr.export
def getw_idx(call: Call, name: str, index: int) -> Xval:
    """Return the value of the header at `index`, "<null>" where there is none."""
    value = _at(call, name, index)
    return "<null>" if value is None else value


@hdr.export(
    partial='operators eq, ne, sw, in; "re" takes Python\'s regular expressions, where Kamailio 5.6 matches none'
)
def match_content(call: Call, name: str, operator: str, pattern: str, mode: str) -> bool:
    """Return whether the first (f), the last (l), one (o) or all (a) such headers match, in any case."""
    values = call.some(name, mode)
    if not values or mode[:1] not in ("f", "l", "a", "o"):
        return False
    matches = [_matches(operator, value, pattern) for value in values]
    return any(matches) if mode[:1] == "o" else all(matches)


def _matches(operator: str, value: str, pattern: str) -> bool:
    if operator == "re":
        try:
            return re.search(pattern, value, re.IGNORECASE) is not None
        except re.error as error:
            logger.error("KSR.hdr.match_content: %r is no regular expression: %s", pattern, error)
            return False
    value, pattern = value.lower(), pattern.lower()
    if operator == "sw":
        return value.startswith(pattern)
    if operator == "in":
        return pattern in value
    return operator in ("eq", "ne") and (value == pattern) is (operator == "eq")


# Replies --------------------------------------------------------------------------------------------------------


@hdr.export
def append_to_reply(call: Call, text: str) -> int:
    """Put header lines, each with its line end, into every reply to this request that is made from now on.

    Refused (-1) are, where Kamailio sends anything: what is no header line, and headers that slbroker writes itself.
    """
    try:
        pairs = _read_lines(text) if len(text) > MAX_REMEMBERED_LINES else _remember_lines(text)
    except ValueError as error:
        logger.error("KSR.hdr.append_to_reply(%.80r): %s", text, error)
        return -1
    call.reply_headers += pairs
    return 1


def _read_lines(text: str) -> tuple[tuple[str, str], ...]:
    """Return the names and values of header lines; raise ValueError for what cannot be sent."""
    lines = [line for line in _split_lines(text) if line]
    if not lines or not all(":" in line for line in lines):
        raise ValueError("it is no header line")
    pairs = tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    header_lines(pairs)
    return pairs


# Scripts append the same lines to all their replies; those that hold a peer's words are many, and soon forgotten.
_remember_lines: Final = lru_cache(maxsize=256)(_read_lines)


# The forwarded request ------------------------------------------------------------------------------------------


@hdr.export(partial=FORWARDED)
def append(call: Call, text: str) -> int:
    """Put a header behind the others."""
    del call, text
    return 1


@hdr.export(partial=FORWARDED)
def append_after(call: Call, text: str, name: str) -> int:
    """Put a header behind another one."""
    del call, text, name
    return 1


@hdr.export(partial=FORWARDED)
def insert(call: Call, text: str) -> int:
    """Put a header before the others."""
    del call, text
    return 1


@hdr.export(partial=FORWARDED)
def insert_before(call: Call, text: str, name: str) -> int:
    """Put a header before another one."""
    del call, text, name
    return 1


@hdr.export(partial=FORWARDED)
def remove(call: Call, name: str) -> int:
    """Take headers out."""
    del call, name
    return 1


@hdr.export(partial=FORWARDED)
def rmappend(call: Call, name: str, text: str) -> int:
    """Take headers out and put another one behind the rest."""
    del call, name, text
    return 1


@hdr.export(partial=FORWARDED)
def rminsert(call: Call, name: str, text: str) -> int:
    """Take headers out and put another one before the rest."""
    del call, name, text
    return 1
