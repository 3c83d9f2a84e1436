"""The short way of plain messages says what the long way says, or nothing; the compiled one is held against it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.proxy.flow import read_flow
from slbroker.proxy.forward import Hop
from slbroker.sip.validate import USUAL, Checks
from tests.support.forwarding import HOP, TCP, UDP, Site, reply_to, unwrap, vias
from tests.support.plain import V6, Short
from tests.support.sip import TYPICAL, request
from tests.support.twins import KINDS, OPTIONS, load

if TYPE_CHECKING:
    from slbroker.sip.reading import Address

SITE = Site()
CLIENT: Address = ("192.0.2.1", 40_000)


PURE = Short("pure")

# Of a client without RFC 3261's branch; with a header that goes on over two lines.
LONG = ("kamailio_ping", "phone_invite")
# Every one is a request, and whether the compiled twin takes it.
REQUESTS: list[tuple[bytes, bool]] = [
    *((data, name not in LONG) for name, data in TYPICAL.items()),
    (OPTIONS, True),
    (request("INVITE", body=b"v=0\r\n"), True),
    (request("CANCEL"), True),
    (request("ACK", to="<sip:b@c>;tag=x"), True),
    (request("FOO"), True),
    (request(max_forwards="1"), True),
    (request(max_forwards="255"), True),
    (request(max_forwards="007"), True),
    (request(max_forwards="10   "), True),
    (request(max_forwards=None, lines=[b"MAX-forwards :\t 7\t"]), True),
    (request(max_forwards=None, lines=[b"Max-Forwards: 100"], body=b"x"), True),
    (request(via="SIP/2.0/UDP PC.Example.COM:5080;branch=z9hG4bK1"), True),
    (request(via="SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"), True),
    (request(via="SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK1  "), True),
    (request(via="SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;rport;x=y"), True),
    (request(via="SIP/2.0/UDP pc;branch=z9hG4bK1;x"), True),
    (request(via="SIP/2.0/TCP pc;branch=z9hG4bK1"), True),
    (request(via=["SIP/2.0/UDP pc;branch=z9hG4bK1", "SIP/2.0/UDP a;branch=z9hG4bK2, SIP/2.0/TCP b"]), True),
    (request(via="SIP/2.0/UDP [2001:db8::9]:5080;branch=z9hG4bK1"), True),
    (request(lines=[b"X : kept", b"s:  short "]).replace(b"To: ", b"t:   "), True),
    (request(content_length="3", body=b"abcdef"), True),
    (request(content_length=None, body=b"abcdef"), True),
    (request(uri="sip:route@example.com;lr"), True),
    (request(subject="route"), True),
    (request(from_="A <sip:a@b>"), True),
    (request(via="SIP/2.0/UDP pc"), False),
    (request(via="SIP/2.0/UDP pc;branch=abc"), False),
    (request(via="SIP/2.0/UDP pc;branch=z9hG4bK1;received=192.0.2.9"), False),
    (request(via="SIP/2.0/UDP pc;branch=z9hG4bK1, SIP/2.0/UDP b"), False),
    (request(max_forwards="0"), False),
    (request(max_forwards="256"), False),
    (request(max_forwards=None), False),
    (request(max_forwards=""), False),
    (request(max_forwards=["7", "7"]), False),
    (request(route="<sip:10.0.0.9;lr>"), False),
    (request(proxy_require="foo"), False),
    (request(require="foo"), False),
    (request(uri="sip:x@example.com;maddr=192.0.2.7"), False),
    (request(uri="sip:x@example.com;MAddr=192.0.2.9"), False),
    (request(uri="tel:+49"), False),
    (request(call_id="c" * 5_000), False),
    (request(lines=[b"X: y" for _ in range(245)]), True),
    (request(lines=[b"X: y" for _ in range(260)]), False),
    (b"\r\n" + request(), False),
    (request().replace(b"\r\n\r\n", b"\r\n"), False),
    (request(to="<sip:b@c"), False),
    (request(lines=[b"X: a\r\n b"]), False),
    (b"", False),
    (b"SIP/2.0 200 OK\r\n\r\n", False),
]


@pytest.mark.parametrize(("data", "plain"), REQUESTS)
@pytest.mark.parametrize(
    "client",
    [
        CLIENT,
        ("192.0.2.1", 5060),
        ("2001:db8::9", 5060, 0, 0),
        ("fe80::1%eth0", 1, 0, 2),
        ("fe80::1%br_lan", 1, 0, 2),
    ],
)
def test_a_plain_request_leaves_as_by_the_long_way(data: bytes, plain: bool, client: Address) -> None:
    compiled = Short("compiled")
    sent = compiled.request(data, client)
    assert (sent is not None) == plain
    if plain:
        assert sent == PURE.request(data, client)


@pytest.mark.parametrize("kind", KINDS)
def test_what_leaves_is_what_came(kind: str) -> None:
    plain = Short(kind)
    for data, _ in REQUESTS:
        sent = plain.request(data, CLIENT)
        if sent is not None and b"Content-Length: 3\r\n" not in data and data[:1] > b" ":
            assert unwrap(sent, data) == data


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("client", "via_port", "hop", "goes"),
    [
        (("10.0.0.5", 5060), 5060, HOP, False),
        (("10.0.0.5", 40_000), 5060, HOP, False),
        (("10.0.0.5", 40_000), 5070, HOP, True),
        (("10.0.0.6", 5060), 5060, HOP, True),
        (("::ffff:10.0.0.5", 5060, 0, 0), 5060, HOP, False),
        (("2001:db8::9", 5060, 0, 0), 5060, Hop(V6, "2001:DB8:0::9", 5060), False),
    ],
)
def test_nothing_goes_to_where_it_came_from(kind: str, client: Address, via_port: int, hop: Hop, goes: bool) -> None:
    plain = Short(kind, hop)
    data = request(via=f"SIP/2.0/UDP pc:{via_port};branch=z9hG4bK1")
    assert (plain.request(data, client) is not None) == goes


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_been_here_before_takes_the_long_way(kind: str) -> None:
    plain = Short(kind)
    sent = plain.request(request(via="SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1"), CLIENT)
    assert sent is not None
    again = vias(sent)
    assert plain.request(sent, ("192.0.2.7", 5060)) is None
    assert again[0].startswith(b"Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKs1")


@pytest.mark.parametrize("kind", KINDS)
def test_a_lane_is_of_udp(kind: str) -> None:
    lane = load("slbroker.proxy.plain", kind).Lane
    for listen, hop in ((UDP, Hop("tcp:192.0.2.7:5060", "10.0.0.5", 5060)), ("tcp:192.0.2.7:5060", HOP)):
        with pytest.raises(ValueError, match="UDP"):
            lane(listen, hop)


def test_with_more_checks_the_long_way_judges() -> None:
    compiled = Short("compiled", checks=Checks(USUAL.names | {"from-tag"}))
    assert compiled.request(request(), CLIENT) is None


@given(
    st.sampled_from([b"INVITE", b"OPTIONS", b"ACK", b"M.!"]), st.binary(max_size=300), st.integers(0, 300),
    st.text("abcABC09.-", min_size=1, max_size=300), st.sampled_from(["", ";tag=t", ";tag="]), st.integers(0, 2**31),
    st.sampled_from([CLIENT, ("192.0.2.1", 5060), ("2001:db8::9", 1, 0, 0)]),
)  # fmt: skip
def test_both_write_the_same_bytes(
    method: bytes, body: bytes, hops: int, word: str, tag: str, cseq: int, client: Address
) -> None:
    data = request(
        method, f"sip:{word}@example.com", body=body, max_forwards=str(hops), call_id=word, from_=f"<sip:a@b>{tag}",
        cseq=b"%d %b" % (cseq, method), via=f"SIP/2.0/UDP {word}:5060;branch=z9hG4bK{word}",
    )  # fmt: skip
    compiled = Short("compiled")
    sent = compiled.request(data, client)
    if sent is not None:
        assert sent == PURE.request(data, client)


# Replies --------------------------------------------------------------------------------------------------------------

SENT = SITE.forward(request("INVITE"))
REPLY = reply_to(SENT, 200, b"OK", b"uas", b"body")
OURS = vias(SENT)[0]

REPLIES: list[tuple[bytes, bool]] = [
    (REPLY, True),
    (reply_to(SENT, 100, b"Trying"), True),
    (reply_to(SENT, 699, b""), True),
    (REPLY.replace(b"200 OK", b"200"), True),
    (REPLY.replace(OURS, OURS + b";received=192.0.2.7;rport=9"), True),
    (REPLY.replace(OURS, b"v:" + OURS[4:] + b"  "), True),
    (REPLY.replace(b"Content-Length: 4\r\n", b""), True),
    (REPLY.replace(b"Content-Length: 4", b"Content-Length: 2"), True),
    (REPLY.replace(b"CSeq", b"X: y\r\nno header\r\n: nor this\r\ncseq"), True),
    (REPLY.replace(b"CSeq", b"Via: SIP/2.0/UDP c\r\nCSeq"), True),
    (reply_to(SITE.forward(request("INVITE", from_="sip:a@b"))), True),
    (reply_to(SITE.forward(request("INVITE", from_='"A, B" <sip:a@b;x=y>;tag=1'))), True),
    (REPLY.replace(b"200 OK", b"700 OK"), False),
    (REPLY.replace(b"SIP/2.0 2", b"sip/2.0 2"), False),
    (REPLY.replace(b"SIP/2.0 2", b"SIP/3.0 2"), False),
    (REPLY.replace(b"CSeq: 1 INVITE", b"CSeq: 1 BYE"), False),
    (REPLY.replace(b"CSeq: 1 INVITE", b"CSeq: 1"), False),
    (REPLY.replace(b"Content-Length: 4", b"Content-Length: 5"), False),
    (REPLY.replace(b"Content-Length: 4", b"Content-Length: "), False),
    (REPLY.replace(b"flow=f10a1b", b"flow=f10a1c"), False),
    (REPLY.replace(b"flow=f10a1b", b"flow=f1ffff"), False),
    (REPLY.replace(b"flow=f1", b"flow=g1"), False),
    (re.sub(rb"(flow=f10a1b)..", rb"\1zz", REPLY), False),
    (re.sub(rb"(branch=z9hG4bKs1.{3}).", rb"\1_", REPLY), False),
    (re.sub(rb"flow=[^;\r]*", rb"flow=f1", REPLY), False),
    (re.sub(rb"(flow=[^;\r]*)", rb"\1-" + b"9" * 200, REPLY), False),
    (REPLY.replace(OURS, OURS + b" , SIP/2.0/UDP b"), False),
    (REPLY.replace(OURS, OURS.replace(b";", b"\r\n ;", 1)), False),
    (REPLY.replace(vias(REPLY)[1] + b"\r\n", b""), False),
    (reply_to(request("INVITE")), False),
    (REPLY.replace(b"Call-ID: ", b"Call-ID: x"), False),
    (REPLY.replace(b"\r\n\r\n", b"\r\n"), False),
    (REPLY.replace(b"CSeq", b"X: a\rb\r\nCSeq"), False),
    (b"\r\n" + REPLY, False),
    (b"SIP/2.0 200 OK\r\n\r\n", False),
    (b"", False),
]


@pytest.mark.parametrize(("data", "plain"), REPLIES)
def test_a_plain_reply_goes_back_as_by_the_long_way(data: bytes, plain: bool) -> None:
    compiled = Short("compiled")
    back = compiled.reply(data)
    assert (back is not None) == plain
    if plain:
        assert back == PURE.reply(data)
        flow = read_flow(back[1])
        assert flow is not None
        assert (flow.host, flow.port) == ("192.0.2.1", 5060)


def test_a_reply_to_a_stream_without_a_length_takes_the_long_way() -> None:
    """That puts one in; with one there is nothing to do."""
    data = SITE.receive(request(via="SIP/2.0/TCP pc;branch=z9hG4bK1"), listen=TCP, connection=b"7f3c").to(HOP)
    reply = reply_to(data, body=b"body")
    compiled = Short("compiled")
    assert compiled.reply(reply) == PURE.reply(reply) is not None
    assert compiled.reply(reply.replace(b"Content-Length: 4\r\n", b"")) is None


@given(st.data())
def test_a_reply_with_a_byte_changed_is_never_taken_otherwise(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(REPLY) - 1))
    changed = REPLY[:at] + bytes((data.draw(st.integers(0, 255)),)) + REPLY[at + 1 :]
    compiled = Short("compiled")
    back = compiled.reply(changed)
    assert back is None or back == PURE.reply(changed)


@given(st.data())
def test_a_request_with_a_byte_changed_is_never_taken_otherwise(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(OPTIONS) - 1))
    changed = OPTIONS[:at] + bytes((data.draw(st.integers(0, 255)),)) + OPTIONS[at + 1 :]
    compiled = Short("compiled")
    sent = compiled.request(changed, CLIENT)
    assert sent is None or sent == PURE.request(changed, CLIENT)
