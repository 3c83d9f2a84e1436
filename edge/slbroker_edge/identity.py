"""The Server header (RFC 3261 20.35) of all that an edge sends: its own replies and those of handlers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slbroker_edge.outbox import MAX_REPLY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.sip.reading import Address

_find_server = re.compile(rb"\r\nserver[ \t]*:", re.IGNORECASE).search


class ServerHeader:
    """Puts the header into replies that have none of their own."""

    def __init__(self, value: str) -> None:
        """`value` has been found right by `settings.dispatch.read_server`."""
        self._line = b"\r\nServer: " + value.encode()

    def add(self, replies: Sequence[tuple[bytes, Address]]) -> list[tuple[bytes, Address]]:
        """Return the replies with the header; a handler's own stays, as does a reply that would grow too long."""
        return [(self._named(reply), address) for reply, address in replies]

    def _named(self, reply: bytes) -> bytes:
        end = reply.find(b"\r\n\r\n")
        if end < 0 or len(reply) + len(self._line) > MAX_REPLY or _find_server(reply, 0, end):
            return reply
        return b"%b%b%b" % (reply[:end], self._line, reply[end:])
