"""The sl module's error reply: a status and a phrase for an internal error, `<text> (<number>/SL)`.

Numbers, statuses and texts are Kamailio's (its src/core/error.h and error.c), so that log parsers and operators find
what they know.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from slbroker.plugin.reply import Reply

SIGNATURE: Final = "SL"


class SlError(Enum):
    """Kamailio's core error codes: (number, status, text)."""

    E_SEND = (477, 477, "Unfortunately error on sending to next hop occurred")
    E_BAD_ADDRESS = (478, 478, "Unresolvable destination")
    E_BAD_URI = (479, 479, "Regretfully, we were not able to process the URI")
    E_BAD_REQ = (400, 400, "Bad Request")
    E_BAD_TUPEL = (9, 400, "Transaction tuple incomplete")
    E_BAD_TO = (13, 400, "Bad To")
    E_Q_INV_CHAR = (15, 400, "Invalid character in q parameter")
    E_Q_EMPTY = (16, 400, "Empty q parameter")
    E_Q_TOO_BIG = (17, 400, "Q parameter too big")
    E_Q_DEC_MISSING = (18, 400, "Decimal part missing in q")
    E_EXEC = (11, 500, "Error in external logic")
    E_TOO_MANY_BRANCHES = (12, 500, "Forking capacity exceeded")
    E_CANCELED = (487, 487, "Transaction canceled")
    E_OUT_OF_MEM = (2, 500, "Message processing error")
    E_UNEXPECTED_STATE = (20, 500, "Internal processing error")
    E_OK = (0, 500, "No error")
    E_UNSPEC = (1, 500, "I'm terribly sorry, server error occurred")


def error_reply(error: SlError) -> Reply:
    """Return what `sl_reply_error()` answers after `error`."""
    number, status, phrase = error.value
    return Reply(status, f"{phrase} ({number}/{SIGNATURE})")
