"""Reading a reply: for `slbroker ping` and for tests. Edges never read one."""

from __future__ import annotations

import re
from typing import NamedTuple

from slbroker.errors import Drop
from slbroker.inner import scan
from slbroker.sip.grammar import canonical_name

_match_status_line = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2}) ([^\r\n]*)").fullmatch


class Response(NamedTuple):
    """A SIP reply; `headers` is flat as in `Message`."""

    status: int
    reason: bytes
    headers: list[bytes]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return the values of every header called `name`, in order, as text."""
        wanted = canonical_name(name.encode())
        pairs = zip(self.headers[::2], self.headers[1::2], strict=True)
        return [value.decode(errors="surrogateescape") for key, value in pairs if key == wanted]

    def first(self, name: str) -> str | None:
        """Return the value of the first header called `name`, or None."""
        values = self.all(name)
        return values[0] if values else None


def parse_response(data: bytes) -> Response | None:
    """Return the reply in `data` (RFC 3261 7.2), or None when it holds none."""
    try:
        start, headers, _first, body, fault = scan(data)
    except Drop:
        return None
    found = _match_status_line(start)
    if found is None or fault:
        return None
    return Response(int(found[1]), found[2], headers, body)
