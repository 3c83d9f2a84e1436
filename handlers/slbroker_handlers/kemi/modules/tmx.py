"""KSR.tmx as a tm that holds no transaction: this is the request route, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker_handlers.kemi.exports import NO_TRANSACTIONS, Module

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

tmx = Module("tmx")


@tmx.export
def t_is_request_route(call: Call) -> int:
    """Return 1 in the route of a request, -1 in that of a reply."""
    return -1 if call.status else 1


@tmx.export
def t_is_reply_route(call: Call) -> int:
    """Return 1 in the route of a reply, -1 in that of a request."""
    return 1 if call.status else -1


@tmx.export(partial=f"{NO_TRANSACTIONS}; 1 in what t_on_branch has set, with --kemi-relay stateless")
def t_is_branch_route(call: Call) -> int:
    """Return 1 in a branch route, else -1."""
    return 1 if call.state.relays and call.passage.is_branch else -1


tmx.answer(
    -1,
    {
        "t_precheck_trans()": "Return -1: no other worker has the request.",
        "t_is_failure_route()": "Return -1: this is no failure route.",
    },
    partial=NO_TRANSACTIONS,
)
