"""What goes on is counted by next hop, under names that the operator has written, whatever peers and handlers say."""

from __future__ import annotations

from typing import Any

import pytest

from slbroker import Handlers
from slbroker.proxy.nexthop import read_hop
from tests.support.edge import FakeListener
from tests.support.passing import PassingRig
from tests.support.sip import request

HOP = "sip:10.0.0.5:5060"

app = Handlers()


@app.on("INVITE", user="here")
def here(asked):  # type: ignore[no-untyped-def]
    return asked.forward(HOP)


@app.on("INVITE", user="elsewhere*")
def elsewhere(asked):  # type: ignore[no-untyped-def]
    return asked.forward(f"sip:10.0.1.{asked.uri.user.removeprefix('elsewhere')}:5070")


@app.on("INVITE", user="said")
def said(asked):  # type: ignore[no-untyped-def]
    return asked.forward("target")


@app.on("INVITE", user="usual")
def usual(asked):  # type: ignore[no-untyped-def]
    return asked.forward()


def hops(rig: PassingRig) -> dict[str, dict[str, int]]:
    """The counts, whose sum is what has gone on."""
    found = rig.forwarding.departures.figures()
    assert sum(sum(group.values()) for group in found.values()) == rig.edge.fates.forwarded
    return found


def test_each_next_hop_of_a_route_has_its_count() -> None:
    rig = PassingRig("pass=sip:10.0.0.6:5070 user=900*", "pass=sip:10.0.0.7 method=REGISTER", f"pass={HOP}")
    rig.receive(*(request("INVITE", f"sip:900{number}@example.com", call_id=str(number)) for number in range(3)))
    rig.receive(*(request(method, call_id=f"{n}") for n in range(4) for method in ("OPTIONS", "REGISTER", "OPTIONS")))
    assert hops(rig) == {"": {"sip:10.0.0.6:5070": 3, "sip:10.0.0.7": 4, HOP: 8}}


@pytest.mark.parametrize("record_route", [False, True], ids=["short way", "long way"])
def test_acks_and_cancels_count_where_they_go(record_route: bool) -> None:
    rig = PassingRig(hop=read_hop(HOP), record_route=record_route)
    rig.receive(request("ACK", to="<sip:bob@example.com>;tag=theirs"), request("CANCEL"))
    assert hops(rig) == {"": {HOP: 2}}


def test_what_handlers_name_has_a_name_only_where_options_have_it() -> None:
    rig = PassingRig(hop=read_hop(HOP))
    rig.join(app)
    users = ["here", "elsewhere1", "elsewhere2", "said", "elsewhere3"]
    rig.receive(*(request("INVITE", f"sip:{user}@10.0.0.9:5070", call_id=user) for user in users))
    assert hops(rig) == {"": {HOP: 1, "handler": 3, "target": 1}}


def test_what_the_request_says_is_counted_under_one_word() -> None:
    rig = PassingRig(domains=("*",))
    rig.join(app)
    rig.receive(*(request("INVITE", f"sip:usual@10.0.2.{n}:5070", call_id=f"{n}") for n in range(1, 200)))
    assert hops(rig) == {"": {"domain": 199}}


def test_refused_requests_have_gone_nowhere() -> None:
    rig = PassingRig(f"pass={HOP}")
    rig.receive(request("INVITE", max_forwards="0"))
    assert hops(rig) == {}


# Connections that are being made -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stands", [True, False])
@pytest.mark.parametrize(("method", "failed"), [("OPTIONS", {"failed": 1}), ("ACK", {"dropped": {"ack": 1}})])
def test_what_waits_for_a_connection_has_gone_when_that_stands(
    method: str, failed: dict[str, Any], stands: bool
) -> None:
    rig = PassingRig("pass=sip:10.0.0.5;transport=tcp")
    made = rig.ways.dialled["tcp", "10.0.0.5", 5060] = FakeListener("tcp:192.0.2.7:5060")
    made.connection, made.stands = b"c1", False
    rig.receive(request(method, to="<sip:bob@example.com>;tag=theirs"))
    assert rig.shown() == {"in_flight": 1}
    made.connection, made.stands = (b"c1", True) if stands else (b"", False)
    rig.turn()
    rig.turn()
    assert rig.shown() == ({"forwarded": 1} if stands else failed)
    assert rig.forwarding.departures.figures() == ({"": {"sip:10.0.0.5;transport=tcp": 1}} if stands else {})
    answers = [data[:11] for data, _ in rig.listener.sent]
    assert answers == ([b"SIP/2.0 477"] if not stands and method != "ACK" else [])
