"""The sl module's error reply, as a handler gives it; `sip.slerrors` has the numbers, statuses and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker.plugin.reply import Reply
from slbroker.sip.slerrors import SlError, error_text

if TYPE_CHECKING:
    from slbroker.sip.slerrors import ErrorTable

__all__ = ["SlError", "error_reply"]


def error_reply(error: SlError, table: ErrorTable = "kamailio") -> Reply:
    """Return what `sl_reply_error()` answers after `error`."""
    return Reply(*error_text(error, table))
