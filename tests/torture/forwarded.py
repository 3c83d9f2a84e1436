"""What a proxy makes of the torture messages: what comes out, once its own Via is taken away, or how it refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tests.support.forwarding import body_of, headers, lines_of

if TYPE_CHECKING:
    from tests.torture.case import Case

# Of those that can be read, the ones that a proxy refuses.
REFUSED: Final = {"zeromf": 483, "bext01": 420, "bext01.dat": 420}


def as_one_should_be(data: bytes) -> bytes:
    """A request without the blanks in its first line that are forgiven."""
    start, line_end, rest = data.partition(b"\r\n")
    return b" ".join(re.split(rb"\s+", start.strip())).replace(b"sip/2.0", b"SIP/2.0") + line_end + rest


def passed_on(case: Case) -> bytes:
    """The message that a proxy passes on, before it adds what a proxy must."""
    head = lines_of(case.data)
    start = lines_of(as_one_should_be(case.data))[0]
    length = headers(case.data, b"content-length", b"l")
    size = int(re.sub(rb"\D", b"", length[0])) if length else len(body_of(case.data))
    if case.name == "mpart01":  # its Route is a strict router's (16.6 step 6)
        (strict,) = headers(case.data, b"route")
        before = start.split(b" ")[1]
        start = start.replace(before, b"sip:127.0.0.1:5080")
        head.remove(strict)
        head.append(b"Route: <%b>" % before)
    return b"\r\n".join((start, *head[1:], b"", body_of(case.data)[:size]))
