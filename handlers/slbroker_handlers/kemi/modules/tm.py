"""KSR.tm as a tm that holds no transaction: its questions are answered no, its replies are stateless.

What makes a transaction, t_newtran, notes it for the request at hand alone: t_reply wants it, and so does a second
t_newtran. What waits for branches, or for routes of failures and replies, is not here: nothing is forwarded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.call import MIN_FINAL
from slbroker_handlers.kemi.exports import NO_TRANSACTIONS, Module
from slbroker_handlers.kemi.scriptlog import script_logger

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

logger = script_logger(__name__)

tm = Module("tm")

_STATELESS: Final = "there are no transactions: always stateless; a repeated request comes to the script again"
ALREADY: Final = -10  # what a second t_newtran returns, and t_check_trans's 0 with it


# Questions ------------------------------------------------------------------------------------------------------


@tm.export(partial=NO_TRANSACTIONS)
def t_check_trans(call: Call) -> int:
    """Return -1: the request belongs to no transaction that is known; 0 behind t_newtran."""
    return 0 if call.has_transaction else -1


@tm.export(partial=NO_TRANSACTIONS)
def t_lookup_request(call: Call) -> int:
    """Return -1: the request repeats none."""
    return 1 if call.has_transaction else -1


@tm.export(partial=NO_TRANSACTIONS)
def t_exists(call: Call) -> int:
    """Return 1 behind t_newtran, else -1."""
    return 1 if call.has_transaction else -1


tm.answer(
    -1,
    {
        "t_lookup_cancel()": "Return -1: there is no INVITE that a CANCEL could end.",
        "t_is_canceled()": "Return -1: nothing is cancelled.",
        "t_is_expired()": "Return -1: nothing expires.",
        "t_any_replied()": "Return -1: no branch has replied.",
        "t_any_timeout()": "Return -1: no branch has timed out.",
        "t_branch_replied()": "Return -1: no branch has replied.",
        "t_branch_timeout()": "Return -1: no branch has timed out.",
        "t_is_retr_async_reply()": "Return -1: no reply is repeated.",
        "t_get_status_code()": "Return -1: no branch has replied.",
        "t_retransmit_reply()": "Return -1: no reply is kept.",
        "t_check_status(expression: str)": "Return -1: no branch has replied.",
        "t_grep_status(code: int)": "Return -1: no branch has replied.",
    },
    partial=NO_TRANSACTIONS,
)
tm.answer(
    -1,
    {
        "t_is_set(target: str)":
            "Return -1: no branch_route, failure_route, onreply_route or branch_failure_route is set.",
    },
    partial=f"{NO_TRANSACTIONS}; routes are never noted",
)  # fmt: skip
tm.answer(0, {"t_get_branch_index()": "Return 0."}, partial=NO_TRANSACTIONS)
tm.answer(1, {"t_release()": "Return 1."}, partial=_STATELESS)


# Answers --------------------------------------------------------------------------------------------------------


@tm.export(partial=_STATELESS)
def t_newtran(call: Call) -> int:
    """Return 1, or -10 the second time."""
    if call.has_transaction:
        return ALREADY
    call.has_transaction = True
    return 1


@tm.export(partial=_STATELESS)
def t_reply(call: Call, code: int, reason: str) -> int:
    """Reply behind t_newtran: 1; -1 where that was not called, and for a second final reply."""
    return t_send_reply(call, code, reason) if _has_transaction(call, "t_reply") else -1


@tm.export(partial=_STATELESS)
def t_send_reply(call: Call, code: int, reason: str) -> int:
    """Reply: 1; -1 for a second final reply behind t_newtran."""
    if call.has_transaction and any(reply.status >= MIN_FINAL for reply in call.replies):
        logger.error("a reply %d %.80r behind a final one: a transaction has one alone", code, reason)
        return -1
    return call.reply(code, reason)


@tm.export(partial=_STATELESS)
def t_reply_error(call: Call) -> int:
    """Reply with what describes the last internal error; -1 where t_newtran was not called."""
    return call.reply_error() if _has_transaction(call, "t_reply_error") else -1


def _has_transaction(call: Call, asked_by: str) -> bool:
    if not call.has_transaction:
        logger.error("KSR.tm.%s: there is no transaction; t_newtran makes one", asked_by)
    return call.has_transaction
