"""Vias as handlers see them."""

from __future__ import annotations

from contextlib import suppress

import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from slbroker.errors import Reject
from slbroker.sip.vialist import MAX_PARAMS, MAX_VIAS, Via, parse_vias
from tests.support.timing import processor_time, within
from tests.torture.corpus import CASES


def one(value: str) -> Via:
    (via,) = parse_vias(value.encode())
    return via


def test_the_parts() -> None:
    via = one("SIP/2.0/udp Example.COM:5070;branch=z9hG4bK1;rport=4000;Received=192.0.2.1;alias")
    assert (via.transport, via.host, via.port, via.branch) == ("UDP", "example.com", 5070, "z9hG4bK1")
    assert via.params == {"branch": "z9hG4bK1", "rport": "4000", "received": "192.0.2.1", "alias": None}
    assert str(via) == "SIP/2.0/udp Example.COM:5070;branch=z9hG4bK1;rport=4000;Received=192.0.2.1;alias"


def test_what_may_be_missing() -> None:
    via = one("SIP/2.0/TCP host")
    assert (via.port, via.branch, via.params) == (None, "", {})


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("[2001:DB8::9:1]", "2001:db8::9:1"),
        ("[::ffff:192.0.2.2]:5061", "::ffff:192.0.2.2"),
        ("[fe80::1%eth0]", "fe80::1%eth0"),
        ("my_host", "my_host"),
        ("2001:DB8::9:1", "2001:db8::9:1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_hosts(written: str, host: str) -> None:
    assert one(f"SIP/2.0/UDP {written};received=[2001:db8::1]").host == host


@pytest.mark.parametrize(
    ("written", "port"),
    [("0", 0), ("70000", 70_000), ("9999999999", 9_999_999_999), ("1" * 11, None), ("1" * 5_000, None)],
)
def test_a_port_is_the_number_that_is_written(written: str, port: int | None) -> None:
    assert one(f"SIP/2.0/UDP h:{written};x").port == port


def test_white_space_and_quotes() -> None:
    first, second = parse_vias(b'  SIP  / 2.0 /\tTCP   a : 5060 ; branch\t=  b ;x = "1,\\"2;" ,\tSIP/2.0/UDP b ;y= ')
    assert (first.host, first.port, first.params) == ("a", 5060, {"branch": "b", "x": '1,"2;'})
    assert (second.host, second.params) == ("b", {"y": ""})
    assert first.raw == b'SIP  / 2.0 /\tTCP   a : 5060 ; branch\t=  b ;x = "1,\\"2;"'


def test_the_vias_of_the_torture_messages() -> None:
    values = [b"SIP  /   2.0 /UDP    192.0.2.2;branch=390skdjuw"]
    assert [via.branch for value in values for via in parse_vias(value)] == ["390skdjuw"]
    assert b"SIP/7.0/UDP" in CASES["badvers"].data
    assert one("SIP/7.0/UDP c.example.com").host == "c.example.com"


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "SIP/2.0/UDP", "SIP/2.0 a", "SIP/2.0/UDP a b", "SIP/2.0/UDP a,,", "SIP/2.0/UDP a,,SIP/2.0/UDP b",
        "SIP/2.0/UDP a;=", "SIP/2.0/UDP a:x", "SIP/2.0/UDP [::1", "SIP/2.0/UDP a:1:2",
        "SIP/2.0/UDP a" + ";" * (MAX_PARAMS + 1),
        'SIP/2.0/UDP a;x="', "SIP/2.0/UDP a" + ";b" * (MAX_PARAMS + 1), "SIP/2.0/UDP a" + ",SIP/2.0/UDP a" * MAX_VIAS,
    ],
)  # fmt: skip
def test_what_is_no_via(value: str) -> None:
    with pytest.raises(Reject) as caught:
        parse_vias(value.encode())
    assert caught.value.status == 400


@given(st.text('SIP/2.0UDPabc:;=,"\\[] \t19', max_size=40))
def test_anything_is_read_or_refused(rest: str) -> None:
    value = f"SIP/2.0/UDP h{rest}".encode()
    with suppress(Reject):
        assert all(via.raw in value for via in parse_vias(value))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["UDP", "TCP", "TLS", "WS"]),
            st.sampled_from(["a.example", "192.0.2.1", "[2001:db8::1]"]),
            st.sampled_from(["", ":5060", ":1"]),
            st.sampled_from(["", ";branch=z9hG4bK1", ";rport;branch=x", ";received=192.0.2.9;alias"]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_another_parser_reads_the_same(parts: list[tuple[str, str, str, str]]) -> None:
    written = [f"SIP/2.0/{transport} {host}{port}{params}" for transport, host, port, params in parts]
    for via, text in zip(parse_vias(", ".join(written).encode()), written, strict=True):
        other = sipmessage.Via.parse(text)
        assert (via.transport, via.port) == (other.transport, other.port)
        assert via.host == other.host.strip("[]")
        assert dict(via.params) == dict(other.parameters)


@pytest.mark.parametrize("unit", [";a", ";a=", ' ;x="1"', ",SIP/2.0/UDP h", " ", "\t;", '"', "\\"])
def test_the_work_grows_no_faster_than_the_length(unit: str) -> None:
    value = b"SIP/2.0/UDP h" + unit.encode() * (60_000 // len(unit))

    def attempt() -> None:
        with pytest.raises(Reject):
            parse_vias(value + b"!!")

    assert processor_time(attempt) < within(0.05)
