"""What strangers try with URIs, tokens and hops that are spent; and what becomes of it."""

from __future__ import annotations

import pytest

from slbroker import Handlers, Reply, Request
from slbroker.proxy.nexthop import read_hop
from slbroker.settings.forwarding import read_domain
from slbroker_edge.transports.outgoing import address_of
from tests.support.edge import PEER, FakeListener
from tests.support.forwarding import headers
from tests.support.passing import NEXT, PassingRig
from tests.support.sip import read_reply, request

HOP = "sip:10.0.0.5:5060"
app = Handlers()


@app.otherwise
def refused(request: Request) -> Reply:
    return request.reply(403)


# --forward-domains --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["maddr", "%6daddr", "MADDR", "x=y;maddr"])
@pytest.mark.parametrize("by", ["uri", "route", "strict route"])
def test_maddr_leads_out_of_no_forward_domain(how: str, by: str) -> None:
    """RFC 3263 4: maddr is where a request is sent, whatever host stands before it."""
    rig = PassingRig(domains=("*.example.com",))
    evil = f"sip:gw.example.com;{how}=203.0.113.66"
    uri, route = {
        "uri": (evil, None),
        "route": ("sip:gw.example.com", f"<{evil};lr>"),
        "strict route": ("sip:gw.example.com", f"<{evil}>"),
    }[by]
    rig.receive(request("ACK", uri, route=route, to="<sip:bob@example.com>;tag=theirs"))
    assert rig.listener.sent == []
    assert rig.shown() == {"dropped": {"ack": 1}}


@pytest.mark.parametrize(
    ("domain", "uri", "goes"),
    [
        ("10.0.0.6", "sip:x@gw.example.com;maddr=10.0.0.6", True),
        ("[2001:db8::6]", "sip:x@[2001:db8::6]", True),
        ("[2001:DB8:0::6]", "sip:x@[2001:db8::6]", True),
        ("2001:db8::6", "sip:x@[2001:DB8::0:6]", True),
        ("10.0.0.6.", "sip:x@10.0.0.6", True),
        ("10.0.0.6", "sip:x@10.0.0.6.", True),
        ("[2001:db8::6]", "sip:x@[2001:db8::7]", False),
        ("*", "tel:+15551234", False),
    ],
)
def test_a_forward_domain_is_known_however_it_is_written(domain: str, uri: str, goes: bool) -> None:
    rig = PassingRig(domains=(read_domain(domain),))
    rig.receive(request("ACK", uri, to="<sip:bob@example.com>;tag=theirs"))
    assert len(rig.listener.sent) == goes


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("255.255.255.255", 5060),
        ("224.0.1.75", 5060),
        ("ff02::1", 5060),
        ("0.0.0.0", 5060),
        ("::", 5060),
        ("10.0.0.6", 0),
    ],
)
def test_nobody_has_us_speak_to_a_whole_network(host: str, port: int) -> None:
    assert address_of(host, port) is None


# Tokens -------------------------------------------------------------------------------------------------------------


def in_dialog(rig: PassingRig, method: str, connection: bytes) -> None:
    """A call from a browser, and a request in it from the other side, once its connection is gone."""
    phone = FakeListener("ws:192.0.2.7:80")
    phone.connection = connection
    rig.receive(request("INVITE", via="SIP/2.0/WS x.invalid;branch=z9hG4bK1"), listener=phone, source=PEER)
    routes = [line.partition(b": ")[2] for line in headers(rig.to()[0], b"record-route")]
    rig.listener.sent.clear()
    rig.receive(
        request(
            method, "sip:alice@x.invalid;transport=ws", from_="<sip:bob@example.com>;tag=theirs",
            to="<sip:alice@example.org>;tag=1928301774", cseq=f"7 {method}", route=b", ".join(routes),
            via="SIP/2.0/UDP 10.0.0.5:5070;branch=z9hG4bKx",
        ),
        source=("10.0.0.5", 5070),
    )  # fmt: skip


@pytest.mark.parametrize("method", ["BYE", "INVITE", "UPDATE"])
def test_who_asks_for_a_browser_that_is_gone_hears_that_its_flow_has_failed(method: str) -> None:
    """RFC 5626 5.3.1; --pass would lead back to who asks."""
    rig = PassingRig(f"pass={HOP}", hop=read_hop(HOP), record_route=True)
    in_dialog(rig, method, b"7f3c0001")
    assert [read_reply(data).status for data, _ in rig.listener.sent] == [430]
    assert rig.shown() == {"forwarded": 1, "replied": 1}


def test_an_ack_to_a_browser_that_is_gone_goes_nowhere() -> None:
    rig = PassingRig(f"pass={HOP}", hop=read_hop(HOP), record_route=True)
    in_dialog(rig, "ACK", b"7f3c0001")
    assert rig.listener.sent == []
    assert rig.shown() == {"forwarded": 1, "dropped": {"ack": 1}}


# Hops ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER"])
def test_requests_without_a_hop_left_do_not_pile_up_while_workers_are_busy(method: str) -> None:
    rig = PassingRig(hop=read_hop(HOP), policies={"answer_overload": "pass"})
    rig.join(app, credit=1)
    rig.hang()
    for number in range(20):
        rig.receive(request(method, max_forwards="0", call_id=f"{number}", via=f"SIP/2.0/UDP a;branch=z9hG4bK{number}"))
    rig.advance(20)
    assert "in_flight" not in rig.shown()
    assert rig.to(NEXT) == []


def test_a_route_for_invite_is_one_for_its_cancel_and_ack() -> None:
    """Who writes method=INVITE has a phone stop ringing, and a refusal acknowledged, where the INVITE went."""
    rig = PassingRig(f"pass={HOP};method=INVITE")
    rig.join(app)
    rig.receive(request("INVITE"), request("CANCEL"), request("ACK", to="<sip:bob@example.com>;tag=theirs"))
    assert [data.partition(b" ")[0] for data in rig.to()] == [b"INVITE", b"CANCEL", b"ACK"]
    rig.receive(request("BYE", call_id="b"))
    assert rig.shown() == {"forwarded": 3, "replied": 1}


def test_a_long_request_of_who_does_not_repeat_it_waits_for_no_tcp_that_may_not_be_there() -> None:
    """A browser's INVITE is long, and sent once: it is to arrive where the next hop has UDP alone."""
    rig = PassingRig("pass=sip:10.0.0.5")
    rig.ways.dialled["tcp", "10.0.0.5", 5060] = FakeListener("tcp:192.0.2.7:5060")
    phone = FakeListener("ws:192.0.2.7:80")
    phone.connection = b"7f3c0001"
    rig.receive(request("INVITE", via="SIP/2.0/WS x.invalid;branch=z9hG4bK1", body=b"x" * 3_000), listener=phone)
    assert len(rig.to()) == 1
