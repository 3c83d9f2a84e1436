"""KSR.tmx as a tm that holds no transaction: this is the request route, and no other."""

from __future__ import annotations

from slbroker_handlers.kemi.exports import NO_TRANSACTIONS, Module

tmx = Module("tmx")

tmx.answer(1, {"t_is_request_route()": "Return 1: this is the request route."})
tmx.answer(
    -1,
    {
        "t_precheck_trans()": "Return -1: no other worker has the request.",
        "t_is_branch_route()": "Return -1: this is no branch route.",
        "t_is_failure_route()": "Return -1: this is no failure route.",
        "t_is_reply_route()": "Return -1: this is no reply route.",
    },
    partial=NO_TRANSACTIONS,
)
