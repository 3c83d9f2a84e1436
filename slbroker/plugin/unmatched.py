"""What becomes of a request that none of a plugin's handlers is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from slbroker.bus.envelope import FILTERED_ACK, FORWARDED_REPLY
from slbroker.errors import Reject
from slbroker.plugin.reply import DROP, Drop
from slbroker.proxy.decision import Forward

if TYPE_CHECKING:
    from slbroker.plugin.kinds import Handler
    from slbroker.plugin.request import Request


def drop(_request: Request) -> Drop:
    """Stay silent."""
    return DROP


def let_on(_request: Request) -> Forward:
    """Decide of an ACK or a CANCEL as an edge does of those that nobody has asked for: it goes where --pass leads."""
    return Forward()


def let_back(_request: Request) -> Any:
    """Let a reply go back as it came."""
    return None


# Never answered without being asked for: the edge hands these out only to workers whose plugin has a handler for them;
# and what becomes of those for which it has none, after all.
ASKED_FOR: Final[dict[bytes, Handler]] = {
    b"ACK": let_on, b"CANCEL": let_on, FILTERED_ACK: drop, FORWARDED_REPLY: let_back,
}  # fmt: skip


def is_ping(request: Request) -> bool:
    """Return whether a request without a handler asks whether this server is there.

    That is an OPTIONS (RFC 3261 11) to a sip URI without a user, in no dialog: what dispatchers send. One to a user
    asks what the user's phone can do, which nobody knows here; the host may be any name that led here.
    """
    message = request.message
    if message.method != b"OPTIONS" or message.to_tag:
        return False
    try:
        uri = request.uri
    except Reject:  # the operator has put that check off
        return False
    return uri.scheme in ("sip", "sips") and not uri.user
