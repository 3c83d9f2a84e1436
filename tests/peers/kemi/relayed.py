"""What a script relays where `t_relay` is a stateless forward: steps as in forwarded.py (--kemi-relay stateless)."""

from __future__ import annotations

from typing import Final

from tests.peers.kemi.forwarded import COUNT, IN_DIALOG, ONE, OTHER, Case, get


def relayed(*steps: str, **request: object) -> Case:
    """Steps of which the last one relays what no ACK belongs to."""
    return Case([COUNT, *steps], **{"method": "MESSAGE", "relays": True, **request})  # type: ignore[arg-type]


RELAY: Final = "KSR.tm.t_relay()"
RELAYED: Final = {
    "t_relay": relayed("KSR.tm.t_check_trans()", RELAY),
    "t_relay to $du": relayed("KSR.setdsturi('sip:{other}')", RELAY),
    "t_relay with headers": relayed(
        "KSR.rr.record_route()", f"KSR.hdr.append({ONE})", "KSR.hdr.remove('Contact')", f"KSR.hdr.insert({OTHER})",
        RELAY,
    ),
    "t_relay in a dialog": relayed(
        "KSR.rr.loose_route()", RELAY, headers=dict(IN_DIALOG), lines=["Route: <sip:{us};lr>, <sip:{other};lr>"]
    ),
    "t_relay_to_proxy": relayed("KSR.tm.t_relay_to_proxy('udp:{other}')"),
    "t_relay_to_proto_addr": relayed("KSR.tm.t_relay_to_proto_addr('udp', '127.0.0.1', {other:})"),
    "t_relay_to_proto": relayed("KSR.tm.t_relay_to_proto('udp')"),
    "t_on_failure": relayed(
        "KSR.tm.t_is_set('failure_route')", "KSR.tm.t_on_failure('nobody')", "KSR.tm.t_is_set('failure_route')",
        "KSR.tm.t_is_set('branch_route')", "KSR.tm.t_on_reply('nobody')", "KSR.tm.t_is_set('onreply_route')",
        "KSR.tm.t_is_set('junk')", "KSR.tm.t_set_fr(30000, 5000)", "KSR.tm.t_set_disable_6xx(1)", RELAY,
    ),
    "t_on_branch": relayed(
        "KSR.tm.t_on_branch('branch')", "KSR.tm.t_is_set('branch_route')", RELAY,
        on_branch=["KSR.tmx.t_is_branch_route()", f"KSR.hdr.append({ONE})", "KSR.nathelper.set_contact_alias()",
                   *get("T_branch_idx", "ru", "rm")],
    ),
    "t_relay nowhere": relayed("KSR.setdsturi('junk')", RELAY, leaves=False),
    "t_newtran and t_relay": relayed("KSR.tm.t_newtran()", "KSR.tm.t_check_trans()", RELAY),
}  # fmt: skip
