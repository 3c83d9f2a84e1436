"""A Via whose port nobody needs, and other ways in which peers write a top Via: they are answered, as written."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker import Handlers, Reply, Request
from slbroker.sip.validate import USUAL
from slbroker_edge.reader import read
from tests.support.edge import FakeListener, Rig
from tests.support.sip import read_reply, request
from tests.support.twins import read_ordinary

app = Handlers()
SOURCE = ("198.51.100.9", 40_000)
TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")
NO_PORTS = (
    "",
    "-1",
    "-",
    "0",
    "00000",
    "65536",
    "70000",
    "99999",
    "000000",
    "005060",
    "123456",
    "4294967296",
    "1" * 4_301,
)
RPORTS = (
    ";rport",
    ";RPORT",
    ";rport=",
    ";rport=5060",
    ";rport=0",
    "; rport ; x",
    ";received=192.0.2.7;rport",
    ';x="a;b";rport',
)
HOSTS = (
    "192.0.2.10",
    "198.51.100.9",
    "a.example",
    "my_host",
    "df7jal23ls0d.invalid",
    "0.0.0.0",
    "[2001:db8::9]",
    "[fe80::1%eth0]",
)


@app.otherwise
def answer(request: Request) -> Reply:
    return request.reply(200, headers={"X-Ports": " ".join(str(via.port) for via in request.vias)})


def ask(via: str | list[str], transport: str = "udp", method: str = "OPTIONS") -> Rig:
    """A rig that has been sent one request on such a transport."""
    rig = Rig()
    rig.listener = FakeListener(f"{transport}:192.0.2.7:5060")
    rig.join(app)
    rig.receive(request(method, via=via), source=SOURCE)
    return rig


def test_a_phone_that_writes_port_0_and_rport_is_answered_where_it_is() -> None:
    rig = ask("SIP/2.0/UDP 192.0.2.10:0;branch=z9hG4bKa1;rport")
    ((reply, address),) = rig.listener.sent
    assert address == SOURCE
    assert read_reply(reply).vias == [b"SIP/2.0/UDP 192.0.2.10:0;branch=z9hG4bKa1;rport=40000;received=198.51.100.9"]
    assert read_reply(reply).one(b"X-Ports") == b"0"


@pytest.mark.parametrize("method", ["OPTIONS", "INVITE", "REGISTER"])
@pytest.mark.parametrize("port", NO_PORTS, ids=lambda port: port[:12])
def test_a_port_that_is_none_is_echoed_where_nobody_needs_it(port: str, method: str) -> None:
    ways = [("udp", rport) for rport in RPORTS]
    ways += product(TRANSPORTS[1:], ("", *RPORTS))
    for (transport, rport), host in product(ways, HOSTS):
        rig = ask(f"SIP/2.0/{transport.upper()} {host}:{port}{rport};branch=z9hG4bK1", transport, method)
        ((reply, address),) = rig.listener.sent
        assert (read_reply(reply).status, address) == (200, SOURCE), (transport, host, rport)
        assert read_reply(reply).vias[0].startswith(f"SIP/2.0/{transport.upper()} {host}:{port};".encode())


@pytest.mark.parametrize("port", NO_PORTS, ids=lambda port: port[:12])
def test_over_udp_without_rport_there_is_nowhere_to_answer_to(port: str) -> None:
    for host, params in product(
        HOSTS, ("", ";branch=z9hG4bK1", ";rportal", ';x=";rport"', ", SIP/2.0/UDP b;rport", ";;x")
    ):
        rig = ask(f"SIP/2.0/UDP {host}:{port}{params}")
        assert rig.shown() == {"dropped": {"no-via": 1}}
        assert rig.replies == []


def test_a_malformed_request_is_answered_too() -> None:
    for transport, rport in (("udp", ";rport"), ("tcp", ""), ("wss", "")):
        rig = Rig()
        rig.listener = FakeListener(f"{transport}:192.0.2.7:5060")
        rig.receive(request(via=f"SIP/2.0/UDP a:0{rport}", from_=None), source=SOURCE)
        assert [(read_reply(reply).status, address) for reply, address in rig.listener.sent] == [(400, SOURCE)]


def test_ports_of_lower_vias_are_nobodys_affair() -> None:
    rig = ask(["SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK1", "SIP/2.0/UDP a:0;branch=z9hG4bK2", "SIP/2.0/UDP b:123456"])
    assert read_reply(rig.replies[0]).one(b"X-Ports") == b"None 0 123456"


@pytest.mark.parametrize("via", [";", ";branch=1;", ";;branch=1", " ; ; branch=1 ; ;", ";branch=1,", ";branch=1 , "])
def test_a_semicolon_or_a_comma_too_many_is_overlooked(via: str) -> None:
    for transport in TRANSPORTS:
        rig = ask([f"SIP/2.0/UDP 192.0.2.10;rport{via}", f"SIP/2.0/UDP b{via}"], transport)
        assert read_reply(rig.replies[0]).status == 200


@pytest.mark.parametrize(
    ("host", "ports"),
    [
        ("2001:db8::6:5060", "None"),  # the port may be part of the address
        ("2001:db8:0:0:0:0:0:6", "None"),
        ("2001:db8:0:0:0:0:0:6:5070", "5070"),
        ("fe80::980c:82ff:feed:3f9d%p2p0:35434", "35434"),
        ("::1", "None"),
        ("::ffff:192.0.2.1", "None"),
    ],
)
def test_an_ipv6_address_without_its_brackets_is_answered_where_that_is_not_needed(host: str, ports: str) -> None:
    for transport, rport in (("udp", ";rport"), ("tcp", ";rport"), ("tls", "")):
        rig = ask(f"SIP/2.0/UDP {host}{rport};branch=z9hG4bK1", transport)
        ((reply, address),) = rig.listener.sent
        assert read_reply(reply).one(b"X-Ports") == ports.encode()
        assert transport != "udp" or address == SOURCE
        assert read_reply(reply).vias[0].startswith(f"SIP/2.0/UDP {host};".encode())
    guessed = ask(f"SIP/2.0/UDP {host};branch=z9hG4bK1")
    assert bool(guessed.replies) == host.endswith(":35434")  # there the port is certain


@pytest.mark.parametrize(
    "host", ["a:1:2", ":", "::", "1:2:3", "2001:db8::6::", "1:2:3:4:5:6:7:8:9:1", "fe80::1%", "::1:x"]
)
def test_what_is_no_host_is_not_answered(host: str) -> None:
    for transport in ("udp", "tcp"):
        rig = ask(f"SIP/2.0/UDP {host};rport", transport)
        assert bool(rig.replies) == (host == "::")


@given(
    st.sampled_from(TRANSPORTS),
    st.sampled_from(HOSTS),
    st.text("0123456789", min_size=1, max_size=12),
    st.sampled_from(("", ";x=y", *RPORTS)),
)
def test_the_compiled_reader_and_the_pure_one_agree_on_any_port(
    transport: str, host: str, port: str, rest: str
) -> None:
    data = request(via=f"SIP/2.0/UDP {host}:{port}{rest}")
    listen = f"{transport}:192.0.2.7:5060"
    reading = read_ordinary(data, SOURCE, listen)
    assert reading is None or reading == read(data, SOURCE, listen, USUAL)
