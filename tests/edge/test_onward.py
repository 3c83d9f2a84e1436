"""What goes on from an edge: which requests, ACKs and CANCELs, to whom, and what became of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers, Reply, Request
from slbroker.proxy.nexthop import read_hop
from tests.support.edge import PEER, FakeListener
from tests.support.forwarding import branch, headers, unwrap, vias
from tests.support.passing import NEXT, PassingRig
from tests.support.sip import read_reply, request

if TYPE_CHECKING:
    from slbroker.proxy.decision import Forward

app = Handlers()
HOP = "sip:10.0.0.5:5060"
OTHER = ("10.0.0.6", 5070)


@app.on("INVITE", user="named")
def named(request: Request) -> Forward:
    return request.forward("sip:10.0.0.6:5070", add={"X-Seen": "yes"})


@app.on("INVITE", user="usual")
def usual(request: Request) -> Forward:
    return request.forward()


@app.on("INVITE", user="said")
def said(request: Request) -> Forward:
    return request.forward("target")


@app.otherwise
def refused(request: Request) -> Reply:
    return request.reply(403)


def statuses(rig: PassingRig) -> list[int]:
    return [read_reply(data).status for data in rig.replies if data.startswith(b"SIP/")]


# By routes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "method", "uri", "source", "passes"),
    [
        ("pass={}", "OPTIONS", "sip:bob@example.com", PEER, True),
        ("pass={} method=INVITE,BYE", "BYE", "sip:bob@example.com", PEER, True),
        ("pass={} method=INVITE,BYE", "OPTIONS", "sip:bob@example.com", PEER, False),
        ("pass={};method=INVITE", "INVITE", "sip:bob@example.com", PEER, True),
        ("pass={} domain=*.example.com", "INVITE", "sip:bob@a.example.com", PEER, True),
        ("pass={} domain=*.example.com", "INVITE", "sip:bob@example.net", PEER, False),
        ("pass={} source=192.0.2.0/24", "INVITE", "sip:bob@example.com", PEER, True),
        ("pass={} source=2001:db8::/32,192.0.2.1", "INVITE", "sip:bob@example.com", PEER, True),
        ("pass={} source=198.51.100.0/24", "INVITE", "sip:bob@example.com", PEER, False),
        ("pass={} source=2001:db8::/32", "INVITE", "sip:bob@example.com", ("2001:db8::9", 5060, 0, 0), True),
        ("pass={} source=192.0.2.0/24", "INVITE", "sip:bob@example.com", ("::ffff:192.0.2.1", 5060, 0, 0), True),
        ("pass={} listen=udp:192.0.2.7:5060", "INVITE", "sip:bob@example.com", PEER, True),
        ("pass={} listen=udp:192.0.2.8:5060", "INVITE", "sip:bob@example.com", PEER, False),
        ("pass={};transport=udp;method=INVITE", "INVITE", "sip:bob@example.com", PEER, True),
    ],
)
def test_what_a_pass_route_matches_sees_no_handler(
    route: str, method: str, uri: str, source: tuple[str, int], passes: bool
) -> None:
    rig = PassingRig(route.format(HOP))
    worker = rig.join(app)
    sent = request(method, uri)
    rig.receive(sent, source=source)
    assert worker.asked == (not passes)
    assert rig.shown() == ({"forwarded": 1} if passes else {"replied": 1})
    if passes:
        (came,) = rig.to()
        assert unwrap(came, sent) == sent


def test_the_first_route_that_matches_counts() -> None:
    rig = PassingRig("pool=default method=REGISTER", f"pass={HOP}")
    worker = rig.join(app)
    rig.receive(request("REGISTER"), request("INVITE"))
    assert worker.asked == 1
    assert [data[:6] for data in rig.to()] == [b"INVITE"]


def test_every_repetition_goes_on_by_the_same_branch() -> None:
    """Nobody here repeats it, so the peer must see that it was (16.11)."""
    rig = PassingRig(f"pass={HOP}")
    rig.receive(request("INVITE"), request("INVITE"))
    first, second = rig.to()
    assert first == second
    assert rig.shown() == {"forwarded": 2}


def test_cancel_and_ack_take_the_way_of_their_invite() -> None:
    rig = PassingRig(f"pass={HOP} method=INVITE,CANCEL,ACK")
    rig.receive(*(request(method, cseq=f"1 {method}") for method in ("INVITE", "CANCEL")))
    rig.receive(request("ACK", cseq="1 ACK", to="<sip:bob@example.com>;tag=theirs"))
    assert [data.partition(b" ")[0] for data in rig.to()] == [b"INVITE", b"CANCEL", b"ACK"]
    assert len({branch(data) for data in rig.to()}) == 1
    assert rig.shown() == {"forwarded": 3}


def test_with_several_routes_each_goes_its_own_way() -> None:
    rig = PassingRig("pass=sip:10.0.0.6:5070 user=900*", f"pass={HOP}")
    rig.receive(request("INVITE", "sip:900@example.com"), request("INVITE", "sip:800@example.com", call_id="b"))
    assert [len(rig.to(OTHER)), len(rig.to())] == [1, 1]


# ACKs, CANCELs and --pass --------------------------------------------------------------------------------------------


def test_an_ack_to_a_reply_of_others_goes_where_pass_says() -> None:
    rig = PassingRig(hop=read_hop(HOP))
    rig.join(app)
    ack = request("ACK", to="<sip:bob@example.com>;tag=theirs")
    rig.receive(ack)
    assert unwrap(rig.to()[0], ack) == ack
    assert rig.shown() == {"forwarded": 1}


def test_an_ack_to_our_own_reply_ends_here() -> None:
    rig = PassingRig(hop=read_hop(HOP))
    rig.join(app)
    rig.receive(request("INVITE"))
    tag = read_reply(rig.replies[0]).one(b"To")
    rig.receive(request("ACK", to=tag))
    assert rig.shown() == {"replied": 1, "absorbed": 1}
    rig.advance(40)
    rig.receive(request("ACK", to=tag))  # behind the window it is anybody's
    assert rig.shown() == {"replied": 1, "absorbed": 1, "forwarded": 1}


def test_a_cancel_that_no_worker_wants_goes_where_pass_says() -> None:
    rig = PassingRig(hop=read_hop(HOP))
    rig.join(app)
    rig.receive(request("CANCEL"))
    assert len(rig.to()) == 1
    assert rig.shown() == {"forwarded": 1}


def test_without_pass_nothing_goes_on_by_itself() -> None:
    rig = PassingRig()
    rig.join(app)
    rig.receive(request("ACK", to="<sip:bob@example.com>;tag=theirs"), request("CANCEL"), request("OPTIONS"))
    assert rig.shown() == {"dropped": {"ack": 1, "cancel": 1}, "replied": 1}


def test_a_worker_that_asks_for_acks_decides_on_them() -> None:
    """Whatever --pass says: what it does not send on has come to its end."""
    asks = Handlers()
    asks.on("ACK", user="on")(lambda request: request.forward("sip:10.0.0.6:5070"))
    asks.on("ACK")(lambda request: request.drop())
    rig = PassingRig(hop=read_hop(HOP))
    rig.join(asks)
    rig.receive(*(request("ACK", f"sip:{user}@example.com", to="<sip:b@c>;tag=t") for user in ("on", "off")))
    assert rig.shown() == {"forwarded": 1, "passed": 1}
    assert len(rig.to(OTHER)) == 1


# What handlers decide -------------------------------------------------------------------------------------------------


def test_a_handler_says_where_a_request_goes_and_what_changes() -> None:
    rig = PassingRig()
    rig.join(app)
    rig.receive(request("INVITE", "sip:named@example.com"))
    (came,) = rig.to(OTHER)
    assert headers(came, b"x-seen") == [b"X-Seen: yes"]
    assert rig.shown() == {"forwarded": 1}


def test_a_handler_may_leave_it_to_pass() -> None:
    rig = PassingRig(hop=read_hop(HOP))
    rig.join(app)
    rig.receive(request("INVITE", "sip:usual@example.com"))
    assert len(rig.to()) == 1


def test_without_pass_what_is_left_to_it_fails_and_the_log_says_what_to_set(caplog: pytest.LogCaptureFixture) -> None:
    rig = PassingRig()
    rig.join(app)
    rig.receive(request("INVITE", "sip:usual@example.com"))
    assert statuses(rig) == [500]
    assert rig.shown() == {"failed": 1}
    assert "say --pass HOP" in caplog.text


def test_a_handler_may_vouch_for_where_the_request_says() -> None:
    rig = PassingRig(hop=read_hop(HOP))
    rig.join(app)
    rig.receive(request("INVITE", "sip:said@10.0.0.6:5070"))
    rig.receive(request("INVITE", "sip:said@10.0.0.9", route="<sip:10.0.0.6:5070;lr>", call_id="b"))
    assert len(rig.to(OTHER)) == 2


# With nobody there ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "fates"),
    [("pass", {"forwarded": 1}), (True, {"shed": 1}), (False, {"dropped": {"overload": 1}})],
)
def test_with_workers_gone_the_policy_counts(policy: str | bool, fates: dict[str, object]) -> None:
    rig = PassingRig(hop=read_hop(HOP), policies={"answer_overload": policy})
    rig.receive(request("INVITE"))
    assert rig.shown() == fates


def test_what_two_workers_have_not_answered_goes_on_where_the_policy_says() -> None:
    rig = PassingRig(hop=read_hop(HOP), policies={"answer_failures": "pass"})
    rig.join(app)
    rig.join(app)
    rig.hang()
    rig.receive(request("INVITE"))
    rig.advance(11)
    assert rig.shown() == {"forwarded": 1}
    assert len(rig.to()) == 1


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"max_forwards": "0"}, 483),
        ({"max_forwards": "nine"}, 400),
        ({"proxy_require": "foo"}, 420),
        ({"route": "<sip:192.0.2.7;lr"}, 400),
    ],
)
def test_what_a_proxy_must_refuse_is_answered_here(change: dict[str, Any], status: int) -> None:
    rig = PassingRig(f"pass={HOP}")
    rig.receive(request("INVITE", **change))
    assert statuses(rig) == [status]
    assert rig.shown() == {"replied": 1}
    assert rig.to() == []


def test_an_ack_is_never_answered_whatever_is_wrong_with_it() -> None:
    rig = PassingRig(f"pass={HOP}")
    rig.receive(request("ACK", max_forwards="0"), request("ACK", route="<sip:192.0.2.7;lr", call_id="b"))
    assert statuses(rig) == []
    assert rig.shown() == {"dropped": {"max-forwards": 1, "bad-ack": 1}}


def test_options_with_no_hop_left_is_answered_by_who_is_there() -> None:
    """RFC 3261 16.3 step 3, 11.1: so a client finds out who is on the way."""
    rig = PassingRig(f"pass={HOP}")
    rig.receive(request("OPTIONS", max_forwards="0"))
    rig.join(app)
    rig.receive(request("OPTIONS", max_forwards="0", call_id="b"))
    assert statuses(rig) == [483, 403]


def test_what_the_server_behind_us_is_required_to_know_is_its_affair() -> None:
    """16.3 looks at Proxy-Require alone; a request that ends here gets 420 as ever."""
    rig = PassingRig(f"pass={HOP} method=INVITE")
    rig.join(app)
    sent = request("INVITE", require="100rel")
    rig.receive(sent, request("OPTIONS", require="100rel", call_id="b"))
    assert unwrap(rig.to()[0], sent) == sent
    assert statuses(rig) == [420]


def test_with_pass_handlers_see_what_requires_something() -> None:
    rig = PassingRig(hop=read_hop(HOP))
    worker = rig.join(app)
    rig.receive(request("INVITE", require="100rel"))
    assert worker.asked == 1


@pytest.mark.parametrize(
    ("hop", "status"), [("sip:nobody.invalid", 478), ("group:7", 503), ("sip:10.0.0.66", 477), ("sip:10.0.0.5", 0)]
)
def test_who_cannot_be_reached_is_said_as_sl_users_know_it(hop: str, status: int) -> None:
    rig = PassingRig(f"pass={hop}")
    rig.ways.blocked.add("10.0.0.66")
    rig.receive(request("INVITE"))
    assert statuses(rig) == ([status] if status else [])
    assert rig.shown() == ({"failed": 1} if status else {"forwarded": 1})


# No open relay, no amplifier ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"hop": read_hop(HOP)}, {"domains": ("*.example.com",)}])
@pytest.mark.parametrize(
    ("uri", "route"),
    [
        ("sip:x@203.0.113.66", None),
        ("sip:x@203.0.113.66;maddr=203.0.113.66", None),
        ("sip:x@example.com", "<sip:203.0.113.66;lr>"),
        ("sip:x@example.com", "<sip:203.0.113.66>"),
        ("sip:x@example.com", "<sip:192.0.2.7:5060;lr>, <sip:203.0.113.66;lr>"),
        ("sip:x@example.com", "<sip:f10a1b000000000000000000000000-ua1b2c3-5060--203.0.113.66@192.0.2.7:5060;lr>"),
        ("sip:x@203.0.113.66", "<sip:f10a1b000000000000000000000000-ua1b2c3-5060--203.0.113.66@192.0.2.7:5060;lr>"),
        ("sip:192.0.2.7;lr", "<sip:203.0.113.66>"),
    ],
)
@pytest.mark.parametrize("method", ["INVITE", "ACK", "CANCEL", "BYE", "REGISTER"])
def test_a_strangers_word_sends_nothing_to_anybody(
    options: dict[str, Any], uri: str, route: str | None, method: str
) -> None:
    rig = PassingRig(f"pass={HOP}", **options) if "hop" in options else PassingRig(**options)
    rig.join(app)
    rig.receive(request(method, uri, route=route, to="<sip:bob@example.com>;tag=theirs"))
    assert [address for _, address in rig.listener.sent if address not in (NEXT, PEER)] == []


def test_forward_domains_opens_what_it_names_and_no_more() -> None:
    rig = PassingRig(domains=("10.0.0.6", "*.example.com"))
    rig.receive(request("ACK", "sip:x@10.0.0.6:5070", to="<sip:b@c>;tag=t"))
    rig.receive(request("ACK", "sip:x@10.0.0.66", to="<sip:b@c>;tag=t"))
    assert rig.shown() == {"forwarded": 1, "dropped": {"ack": 1}}
    assert len(rig.to(OTHER)) == 1


@pytest.mark.parametrize("source", [NEXT, ("10.0.0.5", 40_000)])
def test_nothing_goes_back_to_where_it_came_from(source: tuple[str, int]) -> None:
    rig = PassingRig(f"pass={HOP}")
    via = f"SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1;{'rport' if source[1] != 5060 else 'x'}"
    rig.receive(request("INVITE", via=via.removesuffix(";rport")), source=source)
    assert statuses(rig) == [482]
    assert rig.to(NEXT) == [] or all(data.startswith(b"SIP/") for data in rig.to(NEXT))


def test_a_request_that_goes_round_ends() -> None:
    """An edge whose next hop is itself: its own request comes back, and is known."""
    rig = PassingRig(f"pass={HOP}")
    rig.receive(request("INVITE"))
    rig.receive(rig.to()[0], source=("192.0.2.7", 5060))
    rig.receive(rig.to()[1] if len(rig.to()) > 1 else b"", source=("192.0.2.7", 5060))
    assert len(rig.to()) <= 2
    assert 482 in statuses(rig)


# 18.1.1 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hop", "size", "by_tcp"),
    [("sip:10.0.0.5", 700, False), ("sip:10.0.0.5", 1_400, True), ("sip:10.0.0.5;transport=udp", 1_400, False)],
)
def test_a_long_request_goes_by_tcp_where_that_is_taken(hop: str, size: int, by_tcp: bool) -> None:
    rig = PassingRig(f"pass={hop}")
    stream = rig.ways.dialled["tcp", "10.0.0.5", 5060] = FakeListener("tcp:192.0.2.7:5060")
    rig.receive(request("INVITE", body=b"x" * size))
    assert (len(stream.sent), len(rig.to())) == (by_tcp, not by_tcp)
    if by_tcp:
        assert vias(stream.sent[0][0])[0].startswith(b"Via: SIP/2.0/TCP 192.0.2.7:5060;branch=")


def test_a_long_request_goes_by_udp_where_tcp_is_not_taken() -> None:
    rig = PassingRig("pass=sip:10.0.0.5")
    rig.receive(request("INVITE", body=b"x" * 1_400))
    assert len(rig.to()) == 1
