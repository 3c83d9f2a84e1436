"""Reading a reply: for `slbroker ping` and for tests. Edges never read one."""

from __future__ import annotations

import re
from typing import NamedTuple

from slbroker.errors import Drop
from slbroker.sip.scan import scan
from slbroker.sip.textheaders import TextHeaders
from slbroker.sip.uri import text

_match_status_line = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2}) ([^\r\n]*)").fullmatch


class Response(NamedTuple):
    """A SIP reply, in the shapes that a handler meets: text, as in a request's headers and a reply's reason."""

    status: int
    reason: str
    headers: TextHeaders
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return the values of every header called `name`, in order."""
        return self.headers.get_all(name)

    def first(self, name: str) -> str | None:
        """Return the value of the first header called `name`, or None."""
        return self.headers.get(name)


def parse_response(data: bytes) -> Response | None:
    """Return the reply in `data` (RFC 3261 7.2), or None when it holds none."""
    try:
        start, headers, _first, body, fault = scan(data)
    except Drop:
        return None
    found = _match_status_line(start)
    if found is None or fault:
        return None
    return Response(int(found[1]), text(found[2]), TextHeaders(headers), body)
