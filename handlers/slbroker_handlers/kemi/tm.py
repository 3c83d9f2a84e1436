"""KSR.tm and KSR.tmx as a tm that holds no transaction: its questions are answered no, its replies are stateless.

What makes a transaction, t_newtran, notes it for the request at hand alone: t_reply wants it, and so does a second
t_newtran. What waits for branches, or for routes of failures and replies, is not here: nothing is forwarded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.place import script_logger

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

logger = script_logger(__name__)

tm = Module("tm")
tmx = Module("tmx")

_NONE: Final = "there are no transactions: as Kamailio answers where it holds none"
_STATELESS: Final = "there are no transactions: always stateless; a repeated request comes to the script again"
ALREADY: Final = -10  # what a second t_newtran returns, and t_check_trans's 0 with it


# Questions ------------------------------------------------------------------------------------------------------


@tm.export(partial=_NONE)
def t_check_trans(call: Call) -> int:
    """Return -1: the request belongs to no transaction that is known; 0 behind t_newtran."""
    return 0 if call.has_transaction else -1


@tm.export(partial=_NONE)
def t_lookup_request(call: Call) -> int:
    """Return -1: the request repeats none."""
    return 1 if call.has_transaction else -1


def _say_no(module: Module, name: str, what: str) -> None:
    def answer(_call: Call) -> int:
        return -1

    answer.__doc__ = f"Return -1: {what}."
    module.add(name, answer, _NONE)


for _name, _what in {
    "t_lookup_cancel": "there is no INVITE that a CANCEL could end", "t_is_canceled": "nothing is cancelled",
    "t_is_expired": "nothing expires", "t_any_replied": "no branch has replied",
    "t_any_timeout": "no branch has timed out", "t_branch_replied": "no branch has replied",
    "t_branch_timeout": "no branch has timed out", "t_is_retr_async_reply": "no reply is repeated",
    "t_get_status_code": "no branch has replied", "t_retransmit_reply": "no reply is kept",
}.items():  # fmt: skip
    _say_no(tm, _name, _what)
for _name, _what in {
    "t_precheck_trans": "no other worker has the request", "t_is_branch_route": "this is no branch route",
    "t_is_failure_route": "this is no failure route", "t_is_reply_route": "this is no reply route",
}.items():  # fmt: skip
    _say_no(tmx, _name, _what)


@tmx.export
def t_is_request_route(_call: Call) -> int:
    """Return 1: this is the request route."""
    return 1


@tm.export(partial=f"{_NONE}; routes are never noted")
def t_is_set(_call: Call, target: str) -> int:
    """Return -1: no branch_route, failure_route, onreply_route or branch_failure_route is set."""
    del target
    return -1


@tm.export(partial=_NONE)
def t_check_status(_call: Call, expression: str) -> int:
    """Return -1: no branch has replied."""
    del expression
    return -1


@tm.export(partial=_NONE)
def t_grep_status(_call: Call, code: int) -> int:
    """Return -1: no branch has replied."""
    del code
    return -1


@tm.export(partial=_NONE)
def t_get_branch_index(_call: Call) -> int:
    """Return 0."""
    return 0


@tm.export(partial=_NONE)
def t_exists(call: Call) -> int:
    """Return 1 behind t_newtran, else -1."""
    return 1 if call.has_transaction else -1


# Answers --------------------------------------------------------------------------------------------------------


@tm.export(partial=_STATELESS)
def t_newtran(call: Call) -> int:
    """Return 1, or -10 the second time."""
    if call.has_transaction:
        return ALREADY
    call.has_transaction = True
    return 1


@tm.export(partial=_STATELESS)
def t_release(_call: Call) -> int:
    """Return 1."""
    return 1


@tm.export(partial=_STATELESS)
def t_reply(call: Call, code: int, reason: str) -> int:
    """Reply behind t_newtran: 1; -1 where that was not called, and for a second final reply."""
    if not call.has_transaction:
        logger.error("KSR.tm.t_reply: there is no transaction; t_newtran makes one")
        return -1
    return _reply(call, code, reason)


@tm.export(partial=_STATELESS)
def t_send_reply(call: Call, code: int, reason: str) -> int:
    """Reply: 1; -1 for a second final reply behind t_newtran."""
    return _reply(call, code, reason)


@tm.export(partial=_STATELESS)
def t_reply_error(call: Call) -> int:
    """Reply with what describes the last internal error; -1 where t_newtran was not called."""
    if not call.has_transaction:
        logger.error("KSR.tm.t_reply_error: there is no transaction; t_newtran makes one")
        return -1
    return call.reply_error()


def _reply(call: Call, code: int, reason: str) -> int:
    if call.has_transaction and any(reply.status >= 200 for reply in call.replies):
        logger.error("a reply %d %.80r behind a final one: a transaction has one alone", code, reason)
        return -1
    return call.reply(code, reason)
