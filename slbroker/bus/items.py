"""A request on the bus, as a worker holds it: read no further than its handler asks, and answered from its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from slbroker.sip.reply import join_reply

if TYPE_CHECKING:
    from slbroker.sip.message import Message, Source
    from slbroker.totag import Mac


class Item(NamedTuple):
    """A request on the bus: the edge's id for it, what was read, where it came from.

    The compiled one makes `message` and `source` when they are asked for, which few handlers of an OPTIONS do.
    """

    number: int
    message: Message
    source: Source

    @property
    def method(self) -> bytes:
        """Return the request's method."""
        return self.message.method

    def reply(self, line: bytes, tail: bytes, mac: Mac) -> bytes:
        """Return a reply: status line, what `join_reply` echoes, a To-tag of `mac` where one is due, and `tail`.

        Raises ValueError for a line whose status is not to be read.
        """
        message, status = self.message, int(line[8:11])
        has_tag = status <= 100 or message.to_tag  # RFC 3261 8.2.6.2: a 100 needs none
        tag = b"" if has_tag else mac.tag(message.call_id, message.from_tag, message.cseq)
        return join_reply(line, tuple(message.headers), status, tag, tail)

    def keep(self) -> None:
        """Hold no more than this request: it is answered later than the rest of its batch, whose bytes may go."""
