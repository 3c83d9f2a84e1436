"""Flow tokens: what they say, who can make them, and what may stand around them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.keys import Key
from slbroker.proxy.flow import MAX_TOKEN, Flow, Seal, framed, listener_id, read_flow
from slbroker.sip.grammar import is_token
from slbroker.sip.uri import parse_uri

KEY, OTHER = Key(b"0a1b", bytes(range(32))), Key(b"0a1c", bytes(range(32)))
SEAL = Seal(b"slbroker-test", KEY, {KEY.id: KEY})
flows = st.builds(
    Flow, st.sampled_from(["udp", "tcp", "tls", "ws", "wss"]), st.from_regex(rb"[0-9a-f]{6}", fullmatch=True),
    st.one_of(
        st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str),
        st.from_regex(r"fe80::1%[0-9A-Za-z_.~-]{1,15}", fullmatch=True),
    ),
    st.integers(0, 65_535), st.from_regex(rb"[0-9a-z]{0,24}", fullmatch=True),
)  # fmt: skip


@given(flows)
def test_a_flow_is_read_as_it_was_written(flow: Flow) -> None:
    assert read_flow(flow.write()) == flow


@given(flows, st.binary(max_size=20))
def test_a_token_may_stand_in_a_via_and_in_a_uri(flow: Flow, bound: bytes) -> None:
    token = SEAL.token(flow.write(), bound)
    assert is_token(token)
    assert len(token) <= MAX_TOKEN
    assert parse_uri(b"sip:%b@192.0.2.1;lr" % token).user == token.decode()
    assert SEAL.open(token, bound) == flow.write()


def test_a_golden_token() -> None:
    """It must not change unnoticed: edges of two versions read each other's."""
    flow = Flow("udp", listener_id("udp:192.0.2.7:5060"), "192.0.2.1", 5060)
    assert flow.write() == b"u2cda2b-5060--192.0.2.1"
    assert SEAL.token(flow.write(), framed(b"a", b"b")) == b"f10a1b742fa9c613c9a4be81e6f682-u2cda2b-5060--192.0.2.1"


@given(flows, st.binary(min_size=1, max_size=9), st.integers(0, 200), st.integers(1, 255))
def test_no_byte_of_a_token_can_be_changed(flow: Flow, bound: bytes, at: int, change: int) -> None:
    token = bytearray(SEAL.token(flow.write(), b""))
    assert SEAL.open(bytes(token), bound) is None
    token[at % len(token)] ^= change
    assert SEAL.open(bytes(token), b"") is None


@given(st.binary(max_size=200))
def test_any_bytes_are_no_token(data: bytes) -> None:
    assert SEAL.open(data, b"") is None
    assert SEAL.open(b"f10a1b" + data, b"") is None
    flow = read_flow(data)
    assert flow is None or flow.write() == data


def test_neither_another_key_nor_another_place_makes_one() -> None:
    token = SEAL.token(b"x", b"")
    assert Seal(b"slbroker-other", KEY, {KEY.id: KEY}).open(token, b"") is None
    assert Seal(b"slbroker-test", OTHER, {OTHER.id: OTHER}).open(token, b"") is None
    assert SEAL.open(Seal(b"slbroker-test", OTHER, {OTHER.id: OTHER}).token(b"x", b""), b"") is None


def test_parts_do_not_run_into_each_other() -> None:
    assert framed(b"ab", b"c") != framed(b"a", b"bc")
    assert SEAL.open(SEAL.token(b"x", b"y"), b"y") == b"x"
    assert SEAL.token(b"xy", b"")[6:30] != SEAL.token(b"x", b"y")[6:30]


@pytest.mark.parametrize("connection", [b"A", b"a-b", b"a" * 25, b"\r\n"])
def test_a_connection_has_a_name_that_a_token_can_hold(connection: bytes) -> None:
    with pytest.raises(ValueError, match="connection"):
        Flow("tcp", b"000000", "192.0.2.1", 5060, connection).write()


def test_a_listener_is_known_by_its_address_whatever_it_advertises() -> None:
    assert listener_id("udp:10.0.0.1:5060") == listener_id("udp:10.0.0.1:5060 advertise 203.0.113.5:5060")
    assert listener_id("udp:10.0.0.1:5060") != listener_id("tcp:10.0.0.1:5060")
