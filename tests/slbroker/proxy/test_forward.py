"""What leaves a stateless proxy is what came but for what RFC 3261 16.6 changes, and what it refuses is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.errors import Drop, Reject
from slbroker.proxy.forward import Hop, LastHop
from tests.cases.corpus import CASES as DEVICES
from tests.support.forwarding import (
    CLIENT,
    HOP,
    TCP,
    UDP,
    Site,
    body_of,
    headers,
    lines_of,
    unwrap,
    vias,
)
from tests.support.sip import PHONE_INVITE, TYPICAL, request
from tests.torture.corpus import CASES as TORTURE
from tests.torture.forwarded import REFUSED, as_one_should_be, passed_on

if TYPE_CHECKING:
    from collections.abc import Sequence

SITE = Site()
TO_TCP = Hop(TCP, "10.0.0.5", 5060)

# Max-Forwards, 16.3 step 3 and 16.6 step 3 ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("came", "goes"),
    [
        ("70", b"Max-Forwards: 69"),
        ("1", b"Max-Forwards: 0"),
        ("255", b"Max-Forwards: 254"),
        ("  007  ", b"Max-Forwards:   6"),
        ("", b"Max-Forwards: 70"),
        (None, b"Max-Forwards: 70"),
    ],
)
def test_max_forwards_counts_down(came: str | None, goes: bytes) -> None:
    assert headers(SITE.forward(request(max_forwards=came)), b"max-forwards") == [goes]


def test_max_forwards_said_twice_counts_down_twice() -> None:
    sent = SITE.forward(request(max_forwards=["7", "7"]))
    assert headers(sent, b"max-forwards") == [b"Max-Forwards: 6"] * 2


@pytest.mark.parametrize("method", ["INVITE", "BYE", "CANCEL", "MESSAGE"])
def test_no_hop_left_is_483(method: str) -> None:
    with pytest.raises(Reject) as caught:
        SITE.forward(request(method, max_forwards="0"))
    assert (caught.value.status, type(caught.value)) == (483, Reject)


@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER"])
def test_no_hop_left_may_be_answered_here(method: str) -> None:
    with pytest.raises(LastHop) as caught:
        SITE.forward(request(method, max_forwards="0"))
    assert caught.value.status == 483


@pytest.mark.parametrize("value", ["x", "-1", "256", "1 2", "99999999999999999999"])
def test_max_forwards_that_is_no_number_of_hops_is_400(value: str) -> None:
    with pytest.raises(Reject) as caught:
        SITE.forward(request(max_forwards=value))
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        ({"max_forwards": "0"}, "max-forwards"),
        ({"max_forwards": "x"}, "bad-ack"),
        ({"route": "<sip:[>"}, "bad-ack"),
    ],
)
def test_nobody_is_told_why_an_ack_does_not_go_on(lines: dict[str, Any], cause: str) -> None:
    with pytest.raises(Drop) as caught:
        SITE.forward(request("ACK", **lines))
    assert caught.value.cause == cause


# Proxy-Require, 16.3 step 5 -------------------------------------------------------------------------------------------


def test_an_extension_that_is_asked_of_proxies_is_420_with_its_name() -> None:
    with pytest.raises(Reject) as caught:
        Site(supported=frozenset((b"path",))).forward(request("INVITE", proxy_require=["Path, foo", "bar"]))
    assert (caught.value.status, caught.value.extra) == (420, b"\r\nUnsupported: foo, bar")


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
def test_no_extension_is_asked_with_ack_and_cancel(method: str) -> None:
    assert headers(SITE.forward(request(method, proxy_require="foo")), b"proxy-require") == [b"Proxy-Require: foo"]


def test_require_is_the_servers_affair() -> None:
    assert headers(SITE.forward(request(require="foo")), b"require") == [b"Require: foo"]


# Via, 16.6 step 8, 18.2.1, RFC 3581 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hop", "sent_by"),
    [
        (HOP, b"SIP/2.0/UDP 192.0.2.7:5060"),
        (TO_TCP, b"SIP/2.0/TCP 192.0.2.7:5060"),
        (Hop("tls:192.0.2.7:5061", "10.0.0.5", 5061), b"SIP/2.0/TLS 192.0.2.7:5061"),
        (Hop("wss:192.0.2.7:443", "10.0.0.5", 443), b"SIP/2.0/WSS 192.0.2.7:443"),
        (Hop("udp:[2001:db8::7]:5060", "2001:db8::5", 5060), b"SIP/2.0/UDP [2001:db8::7]:5060"),
        (Hop("udp:10.0.0.1:5060 advertise 203.0.113.5:5070", "10.0.0.5", 5060), b"SIP/2.0/UDP 203.0.113.5:5070"),
    ],
)
def test_our_via_says_where_replies_find_us(hop: Hop, sent_by: bytes) -> None:
    ours, theirs = vias(SITE.forward(request("INVITE", content_length="0"), hop))
    assert ours.startswith(b"Via: " + sent_by + b";branch=z9hG4bKs1")
    assert theirs == b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds"


@pytest.mark.parametrize(
    ("came", "goes"),
    [
        ("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
        ("SIP/2.0/UDP pc;branch=z9hG4bK1", b"SIP/2.0/UDP pc;branch=z9hG4bK1;received=192.0.2.1"),
        ("SIP/2.0/UDP pc;rport;branch=z9hG4bK1", b"SIP/2.0/UDP pc;rport=5060;received=192.0.2.1;branch=z9hG4bK1"),
        ("SIP/2.0/UDP pc;branch=z9hG4bK1;rport, SIP/2.0/UDP b;x=\" , \"",
         b"SIP/2.0/UDP pc;branch=z9hG4bK1;rport=5060;received=192.0.2.1, SIP/2.0/UDP b;x=\" , \""),
        ("SIP/2.0/UDP 192.0.2.1\r\n ;branch=z9hG4bK1", b"SIP/2.0/UDP 192.0.2.1\r\n ;branch=z9hG4bK1"),
    ],
)  # fmt: skip
def test_the_via_below_ours_says_where_it_came_from(came: str, goes: bytes) -> None:
    assert vias(SITE.forward(request(via=came)))[1] == b"Via: " + goes


def test_our_via_stands_above_the_first_one_wherever_that_is() -> None:
    data = request(via=None, lines=[b"v: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1", b"X: y"])
    lines = lines_of(SITE.forward(data))
    at = lines.index(b"v: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1")
    assert lines[at - 1].startswith(b"Via: SIP/2.0/UDP 192.0.2.7:5060;")
    assert lines[at - 2].startswith(b"Content-Length")


# What is not changed --------------------------------------------------------------------------------------------------

ODD_LINES = st.sampled_from([
    b"Subject:", b"s:a", b"X-Odd :  a\t b  ", b"X-Fold: a,\r\n\tb,\r\n  c", b"no colon", b"Allow: INVITE,ACK",
    b"k: 100rel", b"Contact: <sip:a@b;x=y>;q=0.1 , \"Z\\\"\" <sip:c@d>", b"Via: SIP/2.0/TCP far;branch=z9hG4bK2",
    b"v : SIP/2.0/UDP a , SIP/2.0/UDP b", b"X-Bytes: \xff\xfe\x00\xc3", b"Route: <sip:next;lr>", b"MAX-FORWARDS: 70",
    b"Record-Route: <sip:other;lr>", b"m: *", b": nameless", b"Expires:\r\n 60",
])  # fmt: skip
TOP_VIAS = st.sampled_from([
    "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1", "SIP/2.0/UDP pc33;rport;branch=z9hG4bK1", "SIP/2.0/UDP pc33",
    "SIP / 2.0 / UDP  pc ; branch = z9hG4bK9 ;\trport", "SIP/2.0/UDP pc;branch=z9hG4bK1\r\n ,SIP/2.0/TCP b",
    "SIP/2.0/UDP 192.0.2.1;received=1.2.3.4;rport=77;branch=z9hG4bK1",
])  # fmt: skip


@given(
    st.sampled_from(["INVITE", "ACK", "CANCEL", "MESSAGE", "X.odd"]), TOP_VIAS, st.lists(ODD_LINES, max_size=8),
    st.sampled_from([None, "70", " 1"]), st.binary(max_size=40), st.sampled_from([HOP, TO_TCP]), st.booleans(),
)  # fmt: skip
def test_forward_then_unwrap_is_the_identity(
    method: str, via: str, lines: Sequence[bytes], hops: str | None, body: bytes, hop: Hop, has_length: bool
) -> None:
    if hops != "70":
        lines = [line for line in lines if line != b"MAX-FORWARDS: 70"]
    length = str(len(body)) if has_length else None
    data = request(method, via=via, max_forwards=hops, lines=lines, body=body, content_length=length)
    assert unwrap(SITE.forward(data, hop), data) == data


@pytest.mark.parametrize("name", TYPICAL)
@pytest.mark.parametrize("hop", [HOP, TO_TCP], ids=["udp", "tcp"])
def test_what_programs_send_goes_through_as_it_is(name: str, hop: Hop) -> None:
    data = TYPICAL[name]
    assert unwrap(SITE.forward(data, hop), data) == data


def outcome(data: bytes, listen: str = UDP) -> int | str | bytes:
    """What becomes of one message: a status, the cause of a drop, or what is sent."""
    try:
        return SITE.receive(data, CLIENT, listen).to(HOP)
    except Reject as reject:
        return reject.status
    except Drop as drop:
        return drop.cause


@pytest.mark.parametrize("name", TORTURE)
def test_torture_messages_go_through_as_they_are_or_are_refused_as_their_rfc_says(name: str) -> None:
    case = TORTURE[name]
    became = outcome(case.data)
    if isinstance(became, bytes):
        assert unwrap(became, case.data) == passed_on(case)
    elif case.kind == "response":
        assert became == "response"
    elif name in REFUSED:
        assert became == REFUSED[name]
    else:
        assert became in case.allows or (not case.allows and isinstance(became, str))


@pytest.mark.parametrize("name", DEVICES)
def test_what_devices_send_goes_through_as_it_is_or_is_refused_as_before(name: str) -> None:
    data = DEVICES[name].data(5060)
    became = outcome(data, TCP if DEVICES[name].transport == "tcp" else UDP)
    if isinstance(became, bytes):
        assert unwrap(became, data).partition(b"\r\n\r\n")[0] == as_one_should_be(data).partition(b"\r\n\r\n")[0]
    else:
        assert DEVICES[name].want in (became, None)


def test_what_lies_behind_the_length_does_not_leave() -> None:
    """On a stream it would be another message, from us."""
    data = request("INVITE", body=b"abc") + b"BYE sip:x SIP/2.0\r\n"
    assert body_of(SITE.forward(data, TO_TCP)) == b"abc"


def test_line_ends_before_a_request_are_none_of_it() -> None:
    assert SITE.forward(b"\r\n\r\n" + PHONE_INVITE) == SITE.forward(PHONE_INVITE)


def test_a_stream_is_told_the_length() -> None:
    data = request("INVITE", body=b"abc", content_length=None)
    assert lines_of(SITE.forward(data, TO_TCP))[-1] == b"Content-Length: 3"
    assert headers(SITE.forward(data), b"content-length") == []
    assert headers(SITE.forward(request(lines=[b"l:"], content_length=None), TO_TCP), b"content-length", b"l") == [
        b"l:0"
    ]


def test_a_request_line_that_was_forgiven_leaves_as_one_should_be() -> None:
    right = b"OPTIONS sip:bob@example.com SIP/2.0"
    for forgiven in (b"OPTIONS   sip:bob@example.com  sip/2.0 ", b"OPTIONS sip:bob@example.com\r\n SIP/2.0"):
        assert lines_of(SITE.forward(request("OPTIONS").replace(right, forgiven)))[0] == right
