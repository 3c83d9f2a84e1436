"""Replies: ours are popped and sent back the way their request came; what we never caused goes nowhere."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.errors import Drop
from slbroker.keys import RETIRED_KEY_LIFETIME
from slbroker.proxy.backward import backward
from slbroker.proxy.edits import Edits
from slbroker.proxy.flow import Flow, listener_id
from slbroker.sip.parser import parse
from slbroker.sip.via import stamp
from tests.support.forwarding import (
    CLIENT,
    HOP,
    RING,
    TCP,
    UDP,
    Site,
    body_of,
    headers,
    lines_of,
    param,
    reply_to,
    seals_of,
    vias,
)
from tests.support.sip import TYPICAL, request

if TYPE_CHECKING:
    from collections.abc import Callable

SITE = Site()
SENT = SITE.forward(request("INVITE"))
REPLY = reply_to(SENT, 200, b"OK", b"uas")


def cause(data: bytes, site: Site = SITE) -> str:
    with pytest.raises(Drop) as caught:
        site.backward(data)
    return caught.value.cause


# There and back -------------------------------------------------------------------------------------------------------

TOPS = [
    "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1",
    "SIP/2.0/UDP pc;rport",
    "SIP/2.0/UDP a;branch=z9hG4bK1,SIP/2.0/TCP b",
]


@given(
    st.sampled_from(TOPS), st.sampled_from([100, 180, 199, 200, 302, 404, 503, 603]),
    st.lists(st.sampled_from([b"Via: SIP/2.0/TCP c", b"v: SIP/2.0/TCP d , SIP/2.0/UDP e", b"X: y"]), max_size=3),
    st.binary(max_size=30),
)  # fmt: skip
def test_a_reply_comes_back_as_the_server_of_the_client_would_have_sent_it(
    via: str, status: int, more: list[bytes], body: bytes
) -> None:
    """The pop is the inverse of the push: without us in between the reply had the same bytes."""
    came = request("INVITE", via=via, lines=more)
    value = parse(came).first(b"via")
    assert value is not None
    stamped = came.replace(via.encode(), stamp(value, *CLIENT)[0], 1)
    back = SITE.backward(reply_to(SITE.forward(came), status, b"Any Reason", b"t", body))
    assert back.data == reply_to(stamped, status, b"Any Reason", b"t", body)
    assert (back.status, back.method) == (status, b"INVITE")


@pytest.mark.parametrize("name", TYPICAL)
def test_what_programs_send_is_answered(name: str) -> None:
    back = SITE.backward(reply_to(SITE.forward(TYPICAL[name])))
    assert vias(back.data)[0].partition(b";")[0] == vias(TYPICAL[name])[0].partition(b";")[0]


def test_100_goes_on_as_others_do() -> None:
    """The client repeats its INVITE until it hears something, and we send no 100 of our own (16.11)."""
    assert SITE.backward(reply_to(SENT, 100, b"Trying")).status == 100


@pytest.mark.parametrize(
    "change",
    [
        lambda via: via.replace(b";branch", b";received=192.0.2.7;branch"),
        lambda via: via + b";received=198.51.100.1;rport=1024",
        lambda via: re.sub(rb"(;branch=[^;]*)(;flow=[^;]*)", rb"\2\1", via),
        lambda via: via.replace(b";", b" ; ").replace(b"SIP/2.0/UDP", b"SIP / 2.0 / UDP"),
        lambda via: via.replace(b";flow=", b";FLOW=").replace(b";branch", b";Branch"),
        lambda via: via.replace(b";", b"\r\n ;"),
        lambda via: b"v" + via[3:],
        lambda via: via.replace(b"192.0.2.7", b"198.51.100.1"),  # an edge behind NAT, or another one with the ring
        lambda via: via + b"\r\n , SIP/2.0/UDP between",
    ],
)
def test_our_via_is_known_however_it_is_written(change: Callable[[bytes], bytes]) -> None:
    ours = vias(REPLY)[0]
    back = SITE.backward(REPLY.replace(ours, change(ours)))
    assert (back.flow.host, back.flow.port) == CLIENT


@pytest.mark.parametrize(
    ("joined", "left"),
    [
        (b"%b, %b", b"Via: %b"),
        (b"%b,%b", b"Via: %b"),
        (b"%b ,\r\n\t%b", b"Via: %b"),
        (b"%b,  %b, SIP/2.0/UDP c", b"Via: %b, SIP/2.0/UDP c"),
    ],
)
def test_several_vias_in_one_header(joined: bytes, left: bytes) -> None:
    ours, theirs = vias(REPLY)
    value = theirs.removeprefix(b"Via: ")
    data = REPLY.replace(ours + b"\r\n" + theirs, joined % (ours, value))
    assert SITE.backward(data).data == REPLY.replace(ours + b"\r\n" + theirs, left % value)


# Where it goes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("via", "client", "listen", "port"),
    [
        ("SIP/2.0/UDP 192.0.2.1:5080", ("192.0.2.1", 40_000), UDP, 5080),  # 18.2.2: the sent-by's port
        ("SIP/2.0/UDP 192.0.2.1", ("192.0.2.1", 40_000), UDP, 5060),
        ("SIP/2.0/UDP pc:5080;rport", ("192.0.2.1", 40_000), UDP, 40_000),  # RFC 3581 4
        ("SIP/2.0/UDP pc;maddr=203.0.113.1", ("192.0.2.1", 40_000), UDP, 5060),  # anybody's word
        ("SIP/2.0/UDP pc;received=203.0.113.1;rport=9", ("192.0.2.1", 40_000), UDP, 40_000),
        ("SIP/2.0/UDP [2001:db8::1]:5080", ("2001:db8::1", 40_000), "udp:[2001:db8::7]:5060", 5080),
        ("SIP/2.0/UDP pc", ("fe80::1%eth0", 40_000), "udp:[fe80::7]:5060", 5060),
        # On streams the port is for a new connection, where the old one is gone: never the client's own.
        ("SIP/2.0/TCP pc:5080;rport", ("192.0.2.1", 40_000), TCP, 5080),
        ("SIP/2.0/TCP pc", ("192.0.2.1", 40_000), TCP, 5060),
        ("SIP/2.0/TLS pc", ("192.0.2.1", 40_000), "tls:192.0.2.7:5061", 5061),
        ("SIP/2.0/TLS [2001:db8::1]", ("192.0.2.1", 40_000), "tls:192.0.2.7:5061", 5061),
        ("SIP/2.0/WS df7jal23ls0d.invalid", ("192.0.2.1", 40_000), "ws:192.0.2.7:80", 80),
        ("SIP/2.0/TCP pc:0", ("192.0.2.1", 40_000), TCP, 5060),
    ],
)
def test_a_reply_goes_where_its_request_came_from(via: str, client: tuple[str, int], listen: str, port: int) -> None:
    connection = b"" if listen.startswith("udp:") else b"7f3c0001"
    sent = SITE.receive(request(via=via), client, listen, connection).to(HOP)
    transport = listen.partition(":")[0]
    assert SITE.backward(reply_to(sent)).flow == Flow(transport, listener_id(listen), client[0], port, connection)


def test_what_is_below_our_via_in_the_reply_sends_nobody_elsewhere() -> None:
    theirs = vias(REPLY)[1]
    other = REPLY.replace(theirs, b"Via: SIP/2.0/UDP victim;received=203.0.113.66;rport=53;branch=z9hG4bK1")
    assert (SITE.backward(other).flow.host, SITE.backward(other).flow.port) == CLIENT


# What goes nowhere ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb"branch=z9hG4bKs1.", rb"branch=z9hG4bKs1~"),
        (rb"(branch=.{20}).", rb"\1_"),
        (rb"(flow=f10a1b)..", rb"\1zz"),
        (rb"--192\.0\.2\.1", rb"--192.0.2.2"),
        (rb"-5060--", rb"-5061--"),
        (rb"-u", rb"-t"),
        (rb"flow=f10a1b", rb"flow=f1ffff"),
        (rb"flow=f10a1b", rb"flow=f10a1c"),
        (rb"Call-ID: a", rb"Call-ID: b"),
        (rb";tag=1928301774", rb";tag=1928301775"),
        (rb"CSeq: 1 ", rb"CSeq: 2 "),
        (rb"CSeq: 1 INVITE", rb"CSeq: 1 BYE"),
        (rb";flow=[^;\r]*", rb";flow=f1"),
        (rb";flow=[^;\r]*", rb";flow=0"),
    ],
)
def test_a_reply_that_we_did_not_cause_is_forged(old: bytes, new: bytes) -> None:
    assert cause(re.sub(old, new, REPLY, count=1)) == "forged"


def test_a_via_of_ours_is_no_good_for_another_call() -> None:
    other = SITE.forward(request("INVITE", call_id="other"))
    assert cause(reply_to(other).replace(vias(other)[0], vias(SENT)[0])) == "forged"
    flow, others = param(vias(SENT)[0], b"flow"), param(vias(other)[0], b"flow")
    assert cause(reply_to(other).replace(others, flow)) == "forged"


def test_a_record_routes_token_is_no_vias() -> None:
    sent = SITE.forward(request("INVITE"), record_route=True)
    token = re.search(rb"sip:(f1[^@]*)@", headers(sent, b"record-route")[0])
    assert token is not None
    assert cause(reply_to(sent).replace(param(vias(sent)[0], b"flow"), token[1])) == "forged"


@pytest.mark.parametrize(
    "via",
    [
        b"SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK43fc.7614a7258101cbd8fecca60273a533b3.0",
        b"SIP/2.0/UDP 192.0.2.7:5060",
        b"SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKs1;flow=f1",
        b"SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKs1fdbb68bf6c98db5b734669e5.4c7f448b26679aba",
        b"SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKs1fdbb68bf6c98db5b734669e5.4c7f448b26679aba;flow",
    ],
)
def test_a_via_that_is_not_ours(via: bytes) -> None:
    assert cause(REPLY.replace(vias(REPLY)[0], b"Via: " + via)) == "not-ours"


def test_a_reply_with_no_via_behind_ours_is_for_nobody() -> None:
    assert cause(REPLY.replace(vias(REPLY)[1] + b"\r\n", b"")) == "no-via"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\r\n\r\n", b"SIP/2.0 200 OK", b"SIP/2.0 200 OK\r\n\r\n", SENT,
        REPLY.replace(b"200", b"700"), REPLY.replace(b"200", b"20"), REPLY.replace(b"SIP/2.0 200", b"SIP/3.0 200"),
        REPLY.replace(b"\r\nCSeq", b"\r\nX"), REPLY.replace(b"CSeq: 1", b"CSeq: 99999999999"),
        REPLY.replace(b"From: <", b"From: <<"), REPLY.replace(b"SIP/2.0/UDP", b"SIP"),
        REPLY.replace(b"Content-Length: 0", b"Content-Length: 5"), REPLY.replace(b"Content-Length: 0", b"l: x"),
        REPLY.replace(b"\r\nCSeq", b"\r\nA: b" * 300 + b"\r\nCSeq"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_dropped(data: bytes) -> None:
    assert cause(data) == "bad-reply"


def test_a_line_end_of_its_own_is_dropped() -> None:
    assert cause(REPLY.replace(b"OK", b"O\nK")) == "bare-crlf"


@given(st.binary(max_size=300), st.integers(0, len(REPLY)))
def test_nothing_but_drop_comes_of_any_bytes(data: bytes, at: int) -> None:
    for mutant in (data, REPLY[:at] + data + REPLY[at:], REPLY[:at]):
        with suppress(Drop):
            assert SITE.backward(mutant).flow.host == CLIENT[0]


def test_what_lies_behind_the_length_does_not_go_back() -> None:
    assert body_of(SITE.backward(REPLY + b"SIP/2.0 200 OK").data) == b""


# Keys -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [b"", b"Content-Length:\r\n", b"l: \r\n"])
def test_a_reply_without_a_length_gets_one_for_a_stream(length: bytes) -> None:
    """RFC 3261 18.3: over UDP it may be left out; a client at the end of a stream would wait for more for ever."""
    data = SITE.receive(request("INVITE", via="SIP/2.0/TCP pc;branch=z9hG4bK1"), listen=TCP, connection=b"7f3c").to(HOP)
    reply = reply_to(data, body=b"body").replace(b"Content-Length: 4\r\n", length)
    back = SITE.backward(reply).data
    assert re.search(rb"(?i)\r\n(?:Content-Length|l):\s*4\r\n", back)
    assert back.endswith(b"\r\n\r\nbody")
    over_udp = reply_to(SITE.forward(request("INVITE")), body=b"body").replace(b"Content-Length: 4\r\n", length)
    assert SITE.backward(over_udp).data == over_udp.replace(vias(over_udp)[0] + b"\r\n", b"", 1)


def test_a_reply_comes_back_through_an_edge_that_has_rotated_and_one_that_has_not_yet() -> None:
    rotated = RING.rotate(1_000.0)
    with_new = Site(ring=rotated, now=1_000.0).forward(request("INVITE"))
    assert backward(REPLY, seals_of(rotated, 1_000.0)).status == 200
    assert backward(reply_to(with_new), seals_of(RING)).status == 200


def test_a_reply_is_refused_when_its_key_is_long_gone() -> None:
    rotated = RING.rotate(1_000.0)
    late = seals_of(rotated, 1_001.0 + RETIRED_KEY_LIFETIME)
    with pytest.raises(Drop, match="forged"):
        backward(REPLY, late)


# What who looks at replies may change ---------------------------------------------------------------------------------


def test_another_status_of_the_same_class() -> None:
    busy = reply_to(SENT, 486, b"Busy Here")
    back = backward(busy, SITE.forwarder.seals, status=480, reason="Not Now")
    assert (back.status, lines_of(back.data)[0]) == (480, b"SIP/2.0 480 Not Now")
    with pytest.raises(ValueError, match="class"):
        backward(busy, SITE.forwarder.seals, status=503, reason="x")


def test_headers_of_a_reply_may_change() -> None:
    back = backward(REPLY, SITE.forwarder.seals, Edits(add=[(b"X-Edge", b"1")]))
    assert headers(back.data, b"x-edge") == [b"X-Edge: 1"]
