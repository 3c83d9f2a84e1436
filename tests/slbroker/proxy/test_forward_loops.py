"""Loops end and spirals go on (RFC 3261 16.3 step 4), and nobody has a proxy send where it should not."""

from __future__ import annotations

import pytest

from slbroker.errors import Drop, Reject
from slbroker.proxy.edits import Edits
from slbroker.proxy.forward import Hop
from tests.support.forwarding import (
    CLIENT,
    HOP,
    TCP,
    UDP,
    Site,
    branch,
    is_header,
    lines_of,
    param,
    unwrap,
    vias,
)
from tests.support.sip import PHONE_INVITE, SIPP_ACK, request

SITE = Site()
TO_TCP = Hop(TCP, "10.0.0.5", 5060)

# Loops, 16.3 step 4 ---------------------------------------------------------------------------------------------------


def bounce(first: Site, second: Site, data: bytes) -> tuple[int, int]:
    """Let two edges send a request to each other, each thinking that the other one is another host; what ends it."""
    hops = (Hop("udp:192.0.2.7:5060", "192.0.2.8", 5060), Hop("udp:192.0.2.8:5060", "192.0.2.7", 5060))
    client = CLIENT
    for rounds in range(100):
        at = rounds % 2
        try:
            data = (
                (first, second)[at]
                .receive(data, client, hops[at].listen)
                .to(
                    hops[at]._replace(host=f"10.{rounds}.0.1")  # never its own source: that would end it sooner
                )
            )
        except Reject as reject:
            return reject.status, rounds
        client = ("192.0.2.7", 5060) if at == 0 else ("192.0.2.8", 5060)
    raise AssertionError("they go on for ever")


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_two_edges_at_each_other_end_by_482(method: str) -> None:
    first, second = Site(["udp:192.0.2.7:5060"]), Site(["udp:192.0.2.8:5060"])
    assert bounce(first, second, request(method)) == (482, 3)


@pytest.mark.parametrize("method", ["INVITE", "ACK"])
def test_an_edge_at_itself_ends_at_once(method: str) -> None:
    sent = SITE.forward(request(method), Hop(UDP, "192.0.2.7", 5060))
    with pytest.raises((Reject, Drop), match=r"Loop|loop"):
        SITE.receive(sent, ("192.0.2.7", 5060)).to(Hop(UDP, "192.0.2.7", 5060))


def test_an_ack_that_goes_round_is_dropped() -> None:
    first, second = Site(["udp:192.0.2.7:5060"]), Site(["udp:192.0.2.8:5060"])
    with pytest.raises(Drop, match="loop"):
        bounce(first, second, request("ACK"))


def test_where_a_request_changes_each_time_max_forwards_ends_it() -> None:
    site, data = Site(), request("INVITE", max_forwards="20")
    for rounds in range(20):
        client = ("10.0.0.5", 5060) if rounds else CLIENT
        data = site.receive(data, client).to(Hop(UDP, "10.0.0.6", 5060), Edits(uri=b"sip:bob%d@example.com" % rounds))
    with pytest.raises(Reject) as caught:
        site.receive(data, ("10.0.0.5", 5060))
    assert caught.value.status == 483


def test_a_spiral_goes_on() -> None:
    """Back with another Request-URI, or another Route, it is a request of its own."""
    sent = SITE.forward(request("INVITE"))
    back = sent.replace(b"\r\nVia:", b"\r\nVia: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKkam\r\nVia:", 1)
    changed = back.replace(b"sip:bob@example.com SIP", b"sip:bob@192.0.2.50 SIP")
    for data in (changed, back.replace(b"\r\nFrom:", b"\r\nRoute: <sip:far;lr>\r\nFrom:")):
        assert branch(SITE.receive(data, ("10.0.0.5", 5060)).to(Hop(UDP, "192.0.2.50", 5060))) != branch(sent)


def test_who_sends_through_us_in_both_directions_is_no_loop() -> None:
    """A registrar behind us that reaches its phones by way of us, the Request-URI unchanged: once, and not twice."""
    client = SITE.forward(request("INVITE"))
    kamailio = client.replace(b"\r\nVia:", b"\r\nVia: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKkam\r\nVia:", 1)
    sent = SITE.receive(kamailio, ("10.0.0.5", 5060)).to(Hop(UDP, "10.0.0.9", 5060))
    again = sent.replace(b"\r\nVia:", b"\r\nVia: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKkam2\r\nVia:", 1)
    with pytest.raises(Reject) as caught:
        SITE.receive(again, ("10.0.0.5", 5060))
    assert caught.value.status == 482


def test_somebody_elses_branch_is_no_loop() -> None:
    """The same digits under another sent-by: not a Via that we wrote."""
    sent = SITE.forward(request("INVITE"))
    theirs = vias(sent)[0].replace(b"192.0.2.7", b"192.0.2.99")
    assert SITE.forward(request("INVITE", lines=[theirs]))
    with pytest.raises(Reject):
        SITE.forward(request("INVITE", lines=[vias(sent)[0]]))


# Security -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "via", "hop"),
    [
        (("10.0.0.5", 5060), "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1", HOP),
        (("10.0.0.5", 40_000), "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1", HOP),
        (("10.0.0.5", 5060), "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1", TO_TCP),
        (("2001:db8::5", 5060), "SIP/2.0/UDP [2001:db8::5];branch=z9hG4bK1", Hop(UDP, "2001:DB8:0::5", 5060)),
        (("::ffff:10.0.0.5", 5060), "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1", HOP),
    ],
)
def test_nothing_goes_back_to_who_sent_it(client: tuple[str, int], via: str, hop: Hop) -> None:
    with pytest.raises(Reject) as caught:
        SITE.receive(request("INVITE", via=via), client).to(hop)
    assert caught.value.status == 482
    with pytest.raises(Drop, match="loop"):
        SITE.receive(request("ACK", via=via), client).to(hop)


def test_nothing_goes_back_on_the_connection_that_it_came_by() -> None:
    onward = SITE.receive(request("INVITE"), listen=TCP, connection=b"c1")
    with pytest.raises(Reject):
        onward.to(TO_TCP._replace(connection=b"c1"))


def test_two_on_one_host_may_reach_each_other() -> None:
    via = "SIP/2.0/UDP 10.0.0.5:5070;branch=z9hG4bK1"
    assert SITE.receive(request("INVITE", via=via), ("10.0.0.5", 5070)).to(HOP)


def test_what_a_datagram_cannot_hold_is_513() -> None:
    data = request("INVITE", body=b"x" * 65_000)
    assert SITE.forward(data)
    with pytest.raises(Reject) as caught:
        SITE.forward(request("INVITE", body=b"x" * (65_535 - len(data) + 65_000)))
    assert caught.value.status == 513
    with pytest.raises(Drop, match="too-large"):
        SITE.forward(request("ACK", body=b"x" * 65_350))


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8:1111:2222:3333:4444:5555:6666"])
def test_what_is_added_has_a_bound(host: str) -> None:
    listen = "udp:[2001:db8:1111:2222:3333:4444:5555:7777]:65535"
    data = request("INVITE", via="SIP/2.0/UDP a-name.example.com;rport;branch=z9hG4bK1", max_forwards=None)
    sent = SITE.receive(data, (host, 65_535), listen, b"c" * 24).to(
        Hop(TCP, "10.0.0.5", 5060, b"d" * 24), record_route=True
    )
    assert len(sent) - len(data) < 1_024
    assert len(SITE.forward(data)) - len(data) < 250


def test_the_ack_of_a_stranger_goes_on_as_it_is() -> None:
    assert unwrap(SITE.forward(SIPP_ACK), SIPP_ACK) == SIPP_ACK


def test_one_request_may_go_to_one_hop_and_then_to_another() -> None:
    """Over a stream, for one that is too long for UDP (18.1.1); or to who is next when a connection fails."""
    onward = SITE.receive(PHONE_INVITE)
    over_udp, over_tcp, again = onward.to(HOP), onward.to(TO_TCP), onward.to(HOP)
    assert over_udp == again
    assert branch(over_tcp) == branch(over_udp)
    assert over_tcp == over_udp.replace(b"Via: SIP/2.0/UDP 192.0.2.7", b"Via: SIP/2.0/TCP 192.0.2.7")
    assert param(vias(over_udp)[0], b"flow") == param(vias(over_tcp)[0], b"flow")
    assert [line for line in lines_of(over_tcp) if not is_header(line, b"via")]
