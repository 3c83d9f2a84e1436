"""What a capture reads of messages, those that no edge would serve among them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.sip.networks import read_networks
from slbroker.sip.parser import parse
from slbroker.sip.tracing import call_id_of
from slbroker_edge.capture.messages import (
    End,
    Filter,
    end_of,
    is_keepalive,
    method_of,
    pair,
    read_name,
)  # fmt: skip
from tests.support.sip import TYPICAL, request


@pytest.mark.parametrize("name", TYPICAL)
def test_the_call_id_is_the_one_that_the_edge_reads(name: str) -> None:
    message = parse(TYPICAL[name])
    assert call_id_of(TYPICAL[name]) == message.call_id
    assert method_of(TYPICAL[name]) == message.method


@pytest.mark.parametrize(
    ("data", "call_id"),
    [
        (b"OPTIONS sip:x SIP/2.0\r\nCall-ID: a@b\r\n\r\n", b"a@b"),
        (b"OPTIONS sip:x SIP/2.0\r\nCALL-ID  :\ta@b \r\n\r\n", b"a@b"),
        (b"OPTIONS sip:x SIP/2.0\r\ni:a@b\r\n\r\n", b"a@b"),
        (b"OPTIONS sip:x SIP/2.0\r\nCall-ID:\r\n a@b\r\n\r\n", b"a@b"),
        (b"OPTIONS sip:x SIP/2.0\ncall-id: a@b\n\n", b"a@b"),
        (b"OPTIONS sip:x SIP/2.0\r\nVia: x\r\n\r\nCall-ID: of the body\r\n", b""),
        (b"OPTIONS sip:x SIP/2.0\r\nX-Call-ID: a\r\nCall-ID: b\r\nCall-ID: c\r\n\r\n", b"b"),
        (b"Call-ID: no start line", b""),
        (b"OPTIONS sip:x SIP/2.0\r\nCall-ID:\r\nVia: x\r\n\r\n", b""),
        (b"\x00\xff", b""),
        (b"", b""),
    ],
)  # fmt: skip
def test_a_call_id_is_found_however_it_is_written(data: bytes, call_id: bytes) -> None:
    assert call_id_of(data) == call_id


@given(st.binary(max_size=300))
def test_no_bytes_are_too_strange(data: bytes) -> None:
    call_id_of(data)
    method_of(data)
    is_keepalive(data)


@given(st.from_regex(rb"[!-~]{1,80}", fullmatch=True))
def test_any_call_id_comes_out_as_it_is(call_id: bytes) -> None:
    assert call_id_of(request(call_id=call_id)) == call_id


@pytest.mark.parametrize(
    ("data", "method"),
    [
        (b"INVITE sip:x SIP/2.0\r\n\r\n", b"INVITE"),
        (b"SIP/2.0 200 OK\r\nCSeq: 1 BYE\r\n\r\n", b"BYE"),
        (b"SIP/2.0 200 OK\r\ncseq :  7\tACK\r\n\r\n", b"ACK"),
        (b"SIP/2.0 200 OK\r\n\r\n", b""),
        (b"garbage", b""),
    ],
)
def test_a_reply_has_the_method_of_its_request(data: bytes, method: bytes) -> None:
    assert method_of(data) == method


@pytest.mark.parametrize("data", [b"\r\n\r\n", b"\r\n", b"\0", b"\0\0\0\0", b"", b"  \r\n"])
def test_keepalives_are_no_messages(data: bytes) -> None:
    assert is_keepalive(data)
    assert not is_keepalive(data + b"x")


@pytest.mark.parametrize(
    ("name", "transport", "end"),
    [
        ("udp:192.0.2.7:5060", "udp", End(b"\xc0\x00\x02\x07", 5060)),
        ("tls:[2001:db8::1]:5061", "tls", End(bytes.fromhex("20010db8") + bytes(11) + b"\1", 5061)),
        ("udp:[fe80::1%eth0]:5060", "udp", End(b"\xfe\x80" + bytes(13) + b"\1", 5060)),
        ("wss:10.0.0.1:443 advertise 203.0.113.5:443", "wss", End(b"\x0a\0\0\1", 443)),
    ],
)
def test_listeners_are_known_by_their_names(name: str, transport: str, end: End) -> None:
    assert read_name(name) == (transport, end)


def test_both_ends_are_of_one_family() -> None:
    four, six = end_of("192.0.2.1", 1), end_of("2001:db8::1", 2)
    assert pair(four, four) == (four, four)
    assert pair(six, six) == (six, six)
    assert [len(end.address) for end in (*pair(four, six), *pair(six, four))] == [16] * 4
    assert end_of("::ffff:192.0.2.1", 1) == four


def test_a_filter_goes_by_method_and_source() -> None:
    calls = Filter(frozenset({b"INVITE"}), read_networks(["192.0.2.0/24", "2001:db8::/32"]))
    invite, options = request("INVITE"), request("OPTIONS")
    assert calls.wants(invite, "192.0.2.9")
    assert calls.wants(b"SIP/2.0 486 Busy Here\r\nCSeq: 1 INVITE\r\n\r\n", "2001:db8::7%lo")
    assert not calls.wants(options, "192.0.2.9")
    assert not calls.wants(invite, "198.51.100.1")
    assert Filter().wants(b"anything", "198.51.100.1")
