"""Cutting a message into start line, headers and body (RFC 3261 7)."""

from __future__ import annotations

import re
from typing import Final

from slbroker.errors import Drop
from slbroker.sip.grammar import MAX_HEADERS, canonical_name, canonical_names, unfold

# A quote tells of a value that was cut in two; controls are in no name that anybody means.
_is_cut = re.compile(rb'["\x00-\x08\x0a-\x1f\x7f]').search

MISSING_EMPTY_LINE: Final = "Missing Empty Line After Headers"
TOO_MANY_HEADERS: Final = "Too Many Headers"
BAD_HEADER_LINE: Final = "Bad Header Line"


def scan(data: bytes) -> tuple[bytes, list[bytes], dict[bytes, bytes], bytes, str]:
    """Cut a message (RFC 3261 7), reading each byte of the head once.

    Return start line, flat headers, first value of each header, body, and what is wrong, "" when nothing is. A fault
    does not end the scan: what could be read is needed to answer with 400. Raises Drop("bare-crlf") when the head holds
    a CR or LF outside a CRLF: echoed into a reply it would begin a line of its own.
    """
    head, empty_line, body = data.partition(b"\r\n\r\n")
    fault = "" if empty_line else MISSING_EMPTY_LINE
    if b"\r\n " in head or b"\r\n\t" in head:
        head = unfold(b" ", head)
    lines = head.split(b"\r\n")
    breaks = len(lines) - 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks:
        raise Drop("bare-crlf")
    start = lines[0]
    del lines[0]
    if breaks > MAX_HEADERS:
        fault = TOO_MANY_HEADERS
        del lines[MAX_HEADERS:]
    headers: list[bytes] = []
    first: dict[bytes, bytes] = {}
    known = canonical_names.get
    for line in lines:
        name, colon, value = line.partition(b":")
        canonical = known(name) or canonical_name(name)
        if not canonical or not colon:
            # RFC 3261 8.2.2: what is malformed and not needed is ignored.
            if _is_cut(name):
                fault = fault or BAD_HEADER_LINE
            continue
        value = value.strip(b" \t")
        headers += (canonical, value)
        first.setdefault(canonical, value)
    return start, headers, first, body, fault
