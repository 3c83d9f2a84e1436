"""RFC 3263 with a resolver that is a table: which queries are made, and which places come of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.proxy.locate import MAX_PLACES, Naptr, Place, Query, Srv, locate
from slbroker.proxy.nexthop import parse_next_hop

Zone: TypeAlias = Mapping[str, Sequence[Any]]
Records: TypeAlias = dict[str, Sequence[Any]]
ALL = ("udp", "tcp", "tls", "ws", "wss")
KEY = b"a84b4c76e66710@192.0.2.1"


def drive(uri: str, zone: Zone, supported: Sequence[str] = ALL, key: bytes = KEY) -> tuple[list[str], list[Place]]:
    """The queries that were made, and the places. `zone` maps "srv _sip._udp.example.com" to records."""
    search = locate(parse_next_hop(uri), supported, key)
    asked: list[str] = []
    try:
        query: Query = next(search)
        while True:
            asked.append(f"{query.kind} {query.name}")
            query = search.send(zone.get(asked[-1], []))
    except StopIteration as end:
        return asked, end.value


def zone_of(zone: Zone) -> Records:
    return dict(zone)


class Case(NamedTuple):
    name: str
    uri: str
    zone: Zone
    asked: Sequence[str]
    places: Sequence[str]
    supported: Sequence[str] = ALL


UDP_NAPTR = Naptr(50, 50, "s", "SIP+D2U", "_sip._udp.example.com.")
TCP_NAPTR = Naptr(50, 60, "S", "SIP+D2T", "_sip._tcp.example.com.")
TLS_NAPTR = Naptr(40, 50, "s", "SIPS+D2T", "_sips._tcp.example.com.")
HOST: Records = {"address a.example.com": ["192.0.2.10"], "address b.example.com": ["192.0.2.11"]}
SRV_UDP: Records = {"srv _sip._udp.example.com": [Srv(0, 1, 5060, "a.example.com."), Srv(1, 1, 5070, "b.example.com.")]}
SRV_TCP: Records = {"srv _sip._tcp.example.com": [Srv(0, 1, 5060, "b.example.com")]}
SRV_TLS: Records = {"srv _sips._tcp.example.com": [Srv(0, 1, 5061, "a.example.com")]}
PLAIN = ["naptr example.com", "srv _sip._udp.example.com", "srv _sip._tcp.example.com", "srv _sips._tcp.example.com"]

CASES = [
    # 4.1: a numeric host, or a port: no NAPTR, no SRV
    Case("numeric", "sip:192.0.2.1", {}, [], ["udp 192.0.2.1 5060"]),
    Case("numeric, IPv6", "sip:[2001:db8::1]", {}, [], ["udp 2001:db8::1 5060"]),
    Case("numeric, sips", "sips:192.0.2.1", {}, [], ["tls 192.0.2.1 5061"]),
    Case("numeric, tcp", "sip:192.0.2.1;transport=tcp", {}, [], ["tcp 192.0.2.1 5060"]),
    Case("numeric, port", "sip:192.0.2.1:5070", {}, [], ["udp 192.0.2.1 5070"]),
    Case("numeric, sips over tcp", "sips:192.0.2.1:5070;transport=tcp", {}, [], ["tls 192.0.2.1 5070"]),
    Case("numeric, ws", "sip:192.0.2.1;transport=ws", {}, [], ["ws 192.0.2.1 80"]),
    Case("maddr", "sip:example.com;maddr=192.0.2.9", {}, [], ["udp 192.0.2.9 5060"]),
    Case("port", "sip:a.example.com:5070", HOST, ["address a.example.com"], ["udp 192.0.2.10 5070"]),
    Case("port, sips", "sips:a.example.com:5070", HOST, ["address a.example.com"], ["tls 192.0.2.10 5070"]),
    Case("not supported", "sip:192.0.2.1;transport=tcp", {}, [], [], ["udp"]),
    Case("sips not supported", "sips:192.0.2.1", {}, [], [], ["udp", "tcp"]),
    # transport given: SRV, then A and AAAA
    Case("transport", "sip:example.com;transport=tcp", SRV_TCP | HOST,
         ["srv _sip._tcp.example.com", "address b.example.com"], ["tcp 192.0.2.11 5060"]),
    Case("transport, no SRV", "sip:a.example.com;transport=tls", HOST,
         ["srv _sips._tcp.a.example.com", "address a.example.com"], ["tls 192.0.2.10 5061"]),
    Case("transport ws", "sip:a.example.com;transport=ws", HOST,
         ["srv _sip._ws.a.example.com", "address a.example.com"], ["ws 192.0.2.10 80"]),
    # NAPTR
    Case("NAPTR", "sip:example.com", zone_of({"naptr example.com": [TCP_NAPTR, UDP_NAPTR]}) | SRV_UDP | SRV_TCP | HOST,
         ["naptr example.com", "srv _sip._udp.example.com", "address a.example.com", "address b.example.com",
          "srv _sip._tcp.example.com", "address b.example.com"],
         ["udp 192.0.2.10 5060", "udp 192.0.2.11 5070", "tcp 192.0.2.11 5060"]),
    Case("NAPTR of the lowest order", "sip:example.com",
         zone_of({"naptr example.com": [UDP_NAPTR, TLS_NAPTR]}) | SRV_TLS | SRV_UDP | HOST,
         ["naptr example.com", "srv _sips._tcp.example.com", "address a.example.com"], ["tls 192.0.2.10 5061"]),
    Case("NAPTR of what we have", "sip:example.com",
         zone_of({"naptr example.com": [TLS_NAPTR, UDP_NAPTR, TCP_NAPTR]}) | SRV_TLS | SRV_TCP | HOST,
         ["naptr example.com", "srv _sip._tcp.example.com", "address b.example.com"], ["tcp 192.0.2.11 5060"], ["tcp"]),
    Case("NAPTR for sips", "sips:example.com", zone_of({"naptr example.com": [UDP_NAPTR, TLS_NAPTR]}) | SRV_TLS | HOST,
         ["naptr example.com", "srv _sips._tcp.example.com", "address a.example.com"], ["tls 192.0.2.10 5061"]),
    Case("NAPTR of other services", "sip:a.example.com",
         zone_of({"naptr a.example.com": [Naptr(1, 1, "u", "E2U+sip", ""), Naptr(1, 1, "a", "SIP+D2U", "x")]}) | HOST,
         ["naptr a.example.com", *(one.replace("example", "a.example") for one in PLAIN[1:]), "address a.example.com"],
         ["udp 192.0.2.10 5060"]),
    Case("NAPTR without SRV", "sip:a.example.com",
         zone_of({"naptr a.example.com": [Naptr(1, 1, "s", "SIP+D2T", "_sip._tcp.a.example.com")]}) | HOST,
         ["naptr a.example.com", "srv _sip._tcp.a.example.com", "address a.example.com"], ["tcp 192.0.2.10 5060"]),
    # no NAPTR
    Case("SRV", "sip:example.com", SRV_UDP | HOST,
         ["naptr example.com", "srv _sip._udp.example.com", "address a.example.com", "address b.example.com",
          *PLAIN[2:]], ["udp 192.0.2.10 5060", "udp 192.0.2.11 5070"]),
    Case("SRV for sips", "sips:example.com", SRV_TLS | HOST,
         ["naptr example.com", "srv _sips._tcp.example.com", "address a.example.com"], ["tls 192.0.2.10 5061"]),
    Case("SRV of a numeric target", "sip:example.com", {"srv _sip._udp.example.com": [Srv(0, 0, 5060, "192.0.2.3")]},
         PLAIN, ["udp 192.0.2.3 5060"]),
    Case("nothing but an address", "sip:a.example.com", HOST,
         [one.replace("example", "a.example") for one in PLAIN] + ["address a.example.com"], ["udp 192.0.2.10 5060"]),
    Case("nothing", "sip:example.com", {}, [*PLAIN, "address example.com"], []),
    Case("service is not there", "sip:example.com", {"srv _sip._udp.example.com": [Srv(0, 0, 0, ".")],
         "address example.com": ["192.0.2.1"]}, PLAIN, []),
    Case("both families", "sip:a.example.com:5060",
         {"address a.example.com": ["2001:db8::1", "192.0.2.1", "not an address", "2001:db8::1%x"]},
         ["address a.example.com"], ["udp 2001:db8::1 5060", "udp 2001:db8::1%x 5060", "udp 192.0.2.1 5060"]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rfc_3263(case: Case) -> None:
    asked, places = drive(case.uri, case.zone, case.supported)
    assert asked == list(case.asked)
    found = [f"{place.transport} {place.host} {place.port}" for place in places]
    if case.name == "both families":
        assert sorted(found[:2]) == sorted(case.places[:2])
        assert found[2:] == list(case.places[2:])
    else:
        assert found == list(case.places)
    assert {place.name for place in places} <= {parse_next_hop(case.uri).host}


MANY: Zone = {
    "srv _sip._udp.example.com": [Srv(0, 70, 5060, "a"), Srv(0, 30, 5060, "b"), Srv(0, 0, 5060, "c"), Srv(1, 9, 1, "d")]
} | {f"address {name}": [f"192.0.2.{number}"] for number, name in enumerate("abcd", 1)}


def test_weights_of_srv_share_calls_and_the_choice_is_a_calls() -> None:
    """RFC 3263 4: a proxy without state has all of a transaction go one way."""
    counts: Counter[str] = Counter()
    for number in range(3_000):
        key = b"call-%d" % number
        _, places = drive("sip:example.com;transport=udp", MANY, key=key)
        assert places == drive("sip:example.com;transport=udp", MANY, key=key)[1]
        assert [place.host for place in places[2:]] == ["192.0.2.3", "192.0.2.4"]
        counts[places[0].host] += 1
    assert counts["192.0.2.1"] / 3_000 == pytest.approx(0.7, abs=0.03)


def test_addresses_of_one_name_share_calls() -> None:
    zone = {"address a": ["192.0.2.1", "192.0.2.2", "192.0.2.3"]}
    counts = Counter(drive("sip:a:5060", zone, key=b"%d" % number)[1][0].host for number in range(900))
    assert min(counts.values()) > 240


@given(st.randoms(), st.binary())
def test_the_order_of_an_answer_does_not_matter(random: Any, key: bytes) -> None:
    """Servers turn it each time."""
    turned = {name: random.sample(list(records), len(records)) for name, records in MANY.items()}
    assert drive("sip:example.com;transport=udp", turned, key=key) == drive(
        "sip:example.com;transport=udp", MANY, key=key
    )


def test_answers_have_a_bound() -> None:
    zone: dict[str, Any] = {"srv _sip._udp.example.com": [Srv(0, 1, 5060, f"h{number}") for number in range(500)]}
    zone |= {f"address h{number}": [f"192.0.2.{n}" for n in range(200)] for number in range(500)}
    asked, places = drive("sip:example.com", zone)
    assert len(places) == MAX_PLACES
    assert len(asked) < 6
