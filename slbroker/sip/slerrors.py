"""The sl module's errors: a status and a phrase for an internal error, `<text> (<number>/SL)`.

Numbers, statuses and texts are Kamailio's (its src/core/error.h and error.c) or OpenSIPS's (error.h and error.c), as
the plugin chooses, so that log parsers and operators find what they know.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal, TypeAlias

SIGNATURE: Final = "SL"

ErrorTable: TypeAlias = Literal["kamailio", "opensips"]
_Entry: TypeAlias = tuple[int, int, str]

_SORRY: Final = "I'm terribly sorry, server error occurred"


class SlError(Enum):
    """The core error codes of both: (number, status, text) in Kamailio, where the last two are OpenSIPS's alone."""

    E_SEND = (477, 477, "Unfortunately error on sending to next hop occurred")
    E_BAD_ADDRESS = (478, 478, "Unresolvable destination")
    E_BAD_URI = (479, 479, "Regretfully, we were not able to process the URI")
    E_BAD_PROTO = (480, 500, _SORRY)
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
    E_UNSPEC = (1, 500, _SORRY)
    E_BAD_RE = (3, 500, _SORRY)
    E_BUG = (5, 500, _SORRY)
    E_CFG = (6, 500, _SORRY)
    E_NO_SOCKET = (7, 500, _SORRY)
    E_BAD_VIA = (8, 500, _SORRY)
    E_SCRIPT = (10, 500, _SORRY)
    E_INVALID_PARAMS = (14, 500, _SORRY)
    E_DROP = (19, 500, _SORRY)
    E_BAD_SERVER = (500, 500, _SORRY)
    E_ADM_PROHIBITED = (510, 500, _SORRY)
    E_BLOCKLISTED = (520, 500, _SORRY)
    E_IP_BLOCKED = (473, 500, _SORRY)
    E_NO_DESTINATION = (-1, 500, _SORRY)


_OPENSIPS_SORRY: Final = "Server error occurred"
# What OpenSIPS has otherwise than Kamailio; the rest of the texts are the same, and what has none of its own is sorry.
_OPENSIPS: Final[dict[SlError, _Entry]] = {
    SlError.E_IP_BLOCKED: (473, 473, "Filtered destination"),
    SlError.E_BAD_PROTO: (474, 500, _OPENSIPS_SORRY),
    SlError.E_BAD_URI: (475, 475, "Bad URI"),
    SlError.E_BAD_ADDRESS: (476, 476, "Unresolvable destination"),
    SlError.E_SEND: (477, 477, "Send failed"),
    SlError.E_Q_TOO_BIG: (17, 400, "q parameter too big"),
    SlError.E_NO_DESTINATION: (18, 500, "No destination available"),
    SlError.E_OUT_OF_MEM: (2, 500, _OPENSIPS_SORRY),
    SlError.E_UNEXPECTED_STATE: (20, 500, _OPENSIPS_SORRY),
    SlError.E_CANCELED: (487, 500, _OPENSIPS_SORRY),
    SlError.E_OK: (0, 500, _OPENSIPS_SORRY),
}


def entry(error: SlError, table: ErrorTable = "kamailio") -> _Entry:
    """Return number, status and text of `error` in one of the two tables."""
    if not isinstance(error, SlError):
        raise ValueError(f"{error!r:.80} is no SlError; write SlError.E_UNSPEC, or reply() with a code")
    number, status, phrase = error.value
    if table == "opensips":
        phrase = _OPENSIPS_SORRY if phrase == _SORRY else phrase
        return _OPENSIPS.get(error, (number, status, phrase))
    return abs(number), status, phrase


def error_text(error: SlError, table: ErrorTable = "kamailio") -> tuple[int, str]:
    """Return status and reason phrase of what `sl_reply_error()` answers after `error`."""
    number, status, phrase = entry(error, table)
    return status, f"{phrase} ({number}/{SIGNATURE})"
