"""KSR.sl: stateless replies. They leave together when the route has ended, in the order in which they were made.

A reply that would be no SIP is refused, where Kamailio sends it: a code outside 100-699, a line end in the reason. An
empty reason becomes the code's standard phrase.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.passage import restate

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

CODE_LENGTH = 3

sl = Module("sl")

_STATELESS = "there are no transactions: always stateless"


@sl.export
def sl_send_reply(call: Call, code: int, reason: str) -> int:
    """Reply statelessly."""
    return call.reply(code, reason)


@sl.export(partial=f"{_STATELESS}; no connection is opened to reply, and mode 2 closes none, as in Kamailio")
def send_reply_mode(call: Call, code: int, reason: str, mode: int) -> int:
    """Reply; mode 1 asks for no connection to be opened for it, mode 2 for it to be closed, which it is not."""
    del mode
    return call.reply(code, reason)


@sl.export
def sl_reply_error(call: Call) -> int:
    """Reply with what describes the last internal error: `500 I'm terribly sorry, server error occurred (1/SL)`."""
    return call.reply_error()


sl.add("send_reply", sl_send_reply, "Reply, by the transaction where there is one.", partial=_STATELESS)
sl.add("send_reply_error", sl_reply_error, "Reply with what describes the last internal error.", partial=_STATELESS)


@sl.export(partial="one reply goes back, with all changes; Kamailio sends another one unless the route drops it")
def sl_forward_reply(call: Call, code: str, reason: str) -> int:
    """Send the reply back with another status of its class, "" for its own, and another reason: 1, else -1."""
    if code and not (code.isascii() and code.isdigit() and len(code) == CODE_LENGTH):
        return -1
    status = int(code or call.status)
    if not restate(call, status, reason or (call.reason if status == call.status else "")):
        return -1
    call.passage.is_sent = True
    return 1
