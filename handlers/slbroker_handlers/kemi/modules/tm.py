"""KSR.tm as a tm that holds no transaction: its questions are answered no, its replies are stateless.

What makes a transaction, t_newtran, notes it for the request at hand alone: t_reply wants it, and so does a second
t_newtran. With --kemi-relay stateless t_relay forwards, with none: nobody repeats what is lost, no second branch is
tried, and no failure route ever runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.call import MIN_FINAL
from slbroker_handlers.kemi.exports import NO_TRANSACTIONS, Module
from slbroker_handlers.kemi.ourselves import is_own_uri
from slbroker_handlers.kemi.passage import AS_PASSED, go_on
from slbroker_handlers.kemi.scriptlog import script_logger
from slbroker_handlers.kemi.uris import in_brackets

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

logger = script_logger(__name__)

tm = Module("tm")

_STATELESS: Final = "there are no transactions: always stateless; a repeated request comes to the script again"
FOLLOWING: Final = ("ACK", "CANCEL")  # what goes the way that its INVITE went
NO_DESTINATION: Final = -478
NO_REQUEST: Final = -400
ALREADY: Final = -10  # what a second t_newtran returns, and t_check_trans's 0 with it


# Questions ------------------------------------------------------------------------------------------------------


@tm.export(
    partial=f"{NO_TRANSACTIONS}; with --kemi-relay stateless 1 for ACK and CANCEL, which go as their INVITE went"
)
def t_check_trans(call: Call) -> int:
    """Return -1: the request belongs to no transaction that is known; 0 behind t_newtran."""
    if call.state.relays and call.method in FOLLOWING:
        return 1
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


@tm.export(partial=f"{NO_TRANSACTIONS}; routes are noted with --kemi-relay stateless alone")
def t_is_set(call: Call, target: str) -> int:
    """Return 1 where a branch_route, failure_route, onreply_route or branch_failure_route is set, else -1."""
    return 1 if call.state.relays and target in call.passage.routes else -1


tm.answer(0, {"t_get_branch_index()": "Return 0."}, partial=NO_TRANSACTIONS)
tm.answer(1, {"t_release()": "Return 1."}, partial=_STATELESS)


# Answers --------------------------------------------------------------------------------------------------------


@tm.export(partial=_STATELESS)
def t_newtran(call: Call) -> int:
    """Return 1, or -10 the second time; -400 in the route of a reply."""
    if call.status:
        return NO_REQUEST
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


# Relaying, with --kemi-relay stateless --------------------------------------------------------------------------

_RELAYED: Final = "with --kemi-relay stateless: as KSR.forward(), without a transaction: what is lost is lost"
_NEVER_RUN: Final = "with --kemi-relay stateless: noted for t_is_set, and never run"
_NO_TIMERS: Final = "with --kemi-relay stateless: 1, and nothing comes of it"


def _relay(call: Call, uri: str = "") -> int:
    """Run the branch route that is set, and let the request go on.

    An ACK or CANCEL that still leads to us goes where the edge's --pass leads: so did its INVITE, most likely.
    """
    name = call.passage.routes.get("branch_route")
    route = call.state.branch_route(name) if name else None
    if route is not None and call.forwarded is None:
        call.passage.is_branch = True
        route(call)
        call.passage.is_branch = False
    is_ours = not uri and call.method in FOLLOWING and is_own_uri(call, call.next_hop)
    return 1 if go_on(call, AS_PASSED if is_ours else uri) > 0 else NO_DESTINATION


@tm.export(partial=_RELAYED, relays=True)
def t_relay(call: Call) -> int:
    """Let the request go on, to the destination URI or else to the Request-URI: 1; -478 for no SIP URI."""
    return _relay(call)


@tm.export(partial=_RELAYED, relays=True)
def t_relay_to_flags(call: Call, flags: int) -> int:
    """Let the request go on."""
    del flags
    return _relay(call)


@tm.export(partial=_RELAYED, relays=True)
def t_relay_to_proto(call: Call, proto: str) -> int:
    """Let the request go on, over another transport."""
    uri, _, _ = call.next_hop.partition(";")
    return _relay(call, f"{uri};transport={proto.lower()}")


@tm.export(partial=_RELAYED, relays=True)
def t_relay_to_proto_addr(call: Call, proto: str, host: str, port: int) -> int:
    """Let the request go on to a host and port."""
    return _relay(call, f"sip:{in_brackets(host.strip('[]'))}:{port};transport={proto.lower()}")


@tm.export(partial=_RELAYED, relays=True)
def t_relay_to_proxy(call: Call, proxy: str) -> int:
    """Let the request go on to proto:host:port."""
    proto, _, rest = proxy.partition(":")
    return _relay(call, f"sip:{rest};transport={proto.lower()}")


@tm.export(partial=_RELAYED, relays=True)
def t_relay_to_proxy_flags(call: Call, proxy: str, flags: int) -> int:
    """Let the request go on to proto:host:port."""
    del flags
    return t_relay_to_proxy(call, proxy)


def _add_route(name: str, kind: str, partial: str) -> None:
    def note(call: Call, route: str) -> int:
        call.passage.routes[kind] = route
        return 1

    tm.add(name, note, f"Set the {kind}: 1.", partial=partial)
    tm.let_relay(name)


_add_route("t_on_branch", "branch_route", "with --kemi-relay stateless: it runs when t_relay is called")
for _name, _kind in {
    "t_on_failure": "failure_route", "t_on_reply": "onreply_route", "t_on_branch_failure": "branch_failure_route",
}.items():  # fmt: skip
    _add_route(_name, _kind, _NEVER_RUN)
_TIMERS: Final = {
    "t_set_fr(invite: int, other: int)": "Set timers.", "t_set_fr_inv(invite: int)": "Set a timer.",
    "t_reset_fr()": "Set timers back.", "t_set_retr(first: int, second: int)": "Set when requests are repeated.",
    "t_reset_retr()": "Set back when requests are repeated.",
    "t_set_max_lifetime(invite: int, other: int)": "Set how long transactions live.",
    "t_reset_max_lifetime()": "Set back how long transactions live.",
    "t_set_auto_inv_100(state: int)": "Say whether 100 is sent: it is not.",
    "t_set_disable_6xx(state: int)": "Say what a 6xx means.",
    "t_set_disable_failover(state: int)": "Say whether another address is tried.",
    "t_set_disable_internal_reply(state: int)": "Say whether failures are answered.",
    "t_set_no_e2e_cancel_reason(state: int)": "Say whether Reason is passed on.",
}  # fmt: skip
tm.answer(1, _TIMERS, partial=_NO_TIMERS)
tm.let_relay(*(written.partition("(")[0] for written in _TIMERS))
