"""Log lines about those who should not be here, in a form that fail2ban reads (compose/fail2ban): a line, an address.

The address is the one that the edge has seen, and it stands in front of all that the peer has written. Over TCP, TLS
and WebSocket nobody can make it up. Over UDP anybody can, for a scanner's request; for wrong credentials he would have
to answer a challenge that was sent there, where `Digest(bind="source")` is set.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from slbroker.logline import WINDOW, event, place_of, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.items import Item
    from slbroker.plugin.request import Request

logger = logging.getLogger(__name__)

MOST_OF_ONE: Final = 10  # lines about one address in a window: enough to ban it by
MOST: Final = 200  # lines in a window, whoever they are about
SCANNER: Final = "scanner"
WRONG_CREDENTIALS: Final = "wrong credentials"


class Intruders:
    """Writes these lines, and says how many were left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = float("-inf")
        self._said: dict[str, int] = {}  # by address
        self._lines = self._left_out = 0

    def tell(self, what: str, request: Request, words: str) -> None:
        """Log that a request is a scanner's, or has wrong credentials; `words` may be the peer's own."""
        item: Item = getattr(request, "real", None) or request.item  # to look at it here decides nothing
        message, source = item.message, item.source
        if not self._has_room(source.host):
            self._left_out += 1
            return
        about = event(
            what.replace(" ", "-"), call_id=message.call_id, method=message.method, source=place_of(source), cause=words
        )
        logger.warning(
            "%s from %s by %s: %s, Call-ID %s: %s", what, source.host, source.transport, shown(message.method),
            shown(message.call_id), words, extra=about | {"counted": True},
        )  # fmt: skip

    def _has_room(self, host: str) -> bool:
        now = self._clock()
        if now >= self._until:
            self._until = now + WINDOW
            if self._left_out:
                logger.warning(
                    "%d more lines about scanners and wrong credentials were left out", self._left_out,
                    extra=event("lines-left-out") | {"counted": True},
                )  # fmt: skip
            self._said.clear()
            self._lines = self._left_out = 0
        said = self._said[host] = self._said.get(host, 0) + 1
        self._lines += said <= MOST_OF_ONE
        return said <= MOST_OF_ONE and self._lines <= MOST


_intruders: Final = Intruders()


def tell_of_scanner(request: Request) -> None:
    """Log a request that a rule against scanners has found."""
    item: Item = getattr(request, "real", None) or request.item
    agent = item.message.first(b"user-agent") or b""
    _intruders.tell(SCANNER, request, f"User-Agent {shown(agent)}" if agent else "no User-Agent")


def tell_of_wrong_credentials(request: Request, username: str) -> None:
    """Log credentials that answer a challenge of ours, and are wrong."""
    _intruders.tell(WRONG_CREDENTIALS, request, f"user {shown(username)}")
