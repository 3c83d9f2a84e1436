"""Whatever peers and workers do: each message has one fate, each reply too, and nobody gets what is not for him."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slbroker import Handlers, Reply, Request
from slbroker.proxy.nexthop import read_hop
from tests.support.edge import PEER, FakeListener
from tests.support.forwarding import headers, reply_to
from tests.support.passing import NEXT, PassingRig
from tests.support.sip import request

if TYPE_CHECKING:
    from slbroker.plugin.onreply import ForwardedReply
    from slbroker.plugin.reply import Drop
    from slbroker.proxy.decision import Amended, Forward

app = Handlers()


@app.on("INVITE")
def invite(request: Request) -> Reply | Forward | Drop:
    user = request.uri.user
    if user == "no":
        return request.reply(403)
    if user == "drop":
        return request.drop()
    return request.forward("sip:10.0.0.5:5060" if user == "to" else "", add={"X-A": "b"})


@app.on("BYE")
def bye(request: Request) -> Reply | Forward:
    return request.reply(403) if request.uri.params.get("maddr") else request.forward("target")


@app.on_reply
def heard(reply: ForwardedReply) -> Amended | Drop:
    return reply.drop() if reply.headers.get("X-Drop") else reply.forward(remove="X-Gone")


@app.otherwise
def refused(request: Request) -> Reply:
    return request.reply(404)


STRANGER = ("203.0.113.66", 5060)
SOURCES = (PEER, NEXT, ("192.0.2.1", 40_000), ("198.51.100.9", 5060))
USERS = ("no", "drop", "to", "bob", "bob@example.com;maddr=203.0.113.66;x")
METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER")
CHANGES: tuple[tuple[bytes, bytes], ...] = (
    (b"flow=f1", b"flow=F1"), (b";flow=", b";flow=x"), (b"z9hG4bKs1", b"z9hG4bKS1"), (b"CSeq: 1", b"CSeq: 2"),
    (b"Via: ", b"v:\t"), (b"Via: SIP/2.0", b"Via: SIP / 2.0"), (b"\r\nVia", b"\r\nX-Drop: 1\r\nVia"),
    (b"Content-Length: 0\r\n", b""), (b"Content-Length: 0", b"Content-Length: 9"), (b"\r\nFrom:", b"\r\nf:"),
    (b"200 OK", b"299"), (b";lr>", b">"), (b"\r\n\r\n", b"\r\n"), (b"\r\nTo:", b"\rTo:"), (b"tag=", b"TAG="),
)  # fmt: skip
steps = st.lists(
    st.tuples(
        st.sampled_from(("request", "request", "reply", "reply", "replay", "ws", "gone", "hang", "recover", "later")),
        st.sampled_from(METHODS),
        st.sampled_from(USERS),
        st.sampled_from(SOURCES),
        st.integers(0, 3),  # which call, and hops
        st.lists(st.sampled_from(CHANGES), max_size=2),
    ),
    max_size=20,
)
OPTIONS: tuple[dict[str, Any], ...] = (
    {"hop": read_hop("sip:10.0.0.5:5060")},
    {"hop": read_hop("sip:10.0.0.5:5060"), "record_route": True, "path": True},
    {"domains": ("*example.com", "10.0.0.*"), "record_route": True},
    {"hop": read_hop("group:1")},
)


def play(
    rig: PassingRig, phone: FakeListener, what: str, method: str, user: str, source: tuple[str, int], number: int,
    changes: list[tuple[bytes, bytes]],
) -> None:  # fmt: skip
    """Do one step."""
    went = [data for one in (rig.listener, phone) for data, _ in one.sent if not data.startswith(b"SIP/")]
    if what == "hang":
        rig.hang()
    elif what == "recover":
        rig.recover()
    elif what == "later":
        rig.advance(number * 0.2)
    elif what == "gone":
        rig.ways.standing_now.clear()
    elif what in ("request", "ws"):
        routes = headers(went[-1], b"record-route") if went and number % 2 else []
        data = request(
            method, f"sip:{user}" if "@" in user else f"sip:{user}@example.com", call_id=f"c{number}",
            max_forwards=str(number), to="<sip:b@c>;tag=x", route=[line.partition(b": ")[2] for line in routes] or None,
            via=f"SIP/2.0/{'WS' if what == 'ws' else 'UDP'} {source[0]}:{source[1]};branch=z9hG4bK{number}",
        )  # fmt: skip
        if what == "ws":
            rig.ways.standing_now[phone.connection] = phone
        rig.receive(changed(data, changes), source=source, listener=phone if what == "ws" else None)
    elif went:
        data = went[number % len(went)]
        rig.receive(changed(reply_to(data) if what == "reply" else data, changes), source=source)


def changed(data: bytes, changes: list[tuple[bytes, bytes]]) -> bytes:
    for old, new in changes:
        data = data.replace(old, new, 1)
    return data


@pytest.mark.parametrize("options", OPTIONS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(steps=steps, routed=st.booleans(), policy=st.sampled_from(("pass", True, False)), staffed=st.booleans())
def test_every_message_has_one_fate(
    options: dict[str, Any], steps: list[Any], routed: bool, policy: str | bool, staffed: bool
) -> None:
    if "hop" not in options and policy == "pass":
        policy = True
    policies = {"answer_overload": policy, "answer_failures": policy}
    rig = PassingRig(
        *(("pass=sip:10.0.0.5:5060 method=OPTIONS,REGISTER",) if routed else ()), policies=policies, **options
    )
    phone = FakeListener("ws:192.0.2.7:80")
    phone.connection = b"7f3c"
    if staffed:
        rig.join(app, credit=4)
    for step in steps:
        play(rig, phone, *step)
        assert rig.forwarding.figures()["unaccounted"] == 0
    rig.recover()
    rig.advance(11)
    assert rig.edge.in_flight == 0
    assert rig.forwarding.replies.asked == 0
    assert [
        data for listener in (rig.listener, phone) for data, address in listener.sent if address[0] == STRANGER[0]
    ] == []
