"""Names are looked up by dnspython at a real server on the loopback."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import dns.rcode
import pytest

from slbroker.errors import ConfigError
from slbroker.proxy.locate import Naptr, Query, Srv, locate
from slbroker.proxy.nexthop import parse_next_hop
from slbroker_edge import resolver as resolver_module
from slbroker_edge.lookups import Lookups
from slbroker_edge.resolver import HostsFile, Resolver
from tests.support.dnsserver import DnsServer
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from slbroker.proxy.locate import Answer, Place

ZONE = """
@        30 IN NAPTR 20 10 "s" "SIP+D2T" "" _sip._tcp.example.com.
@        30 IN NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp.example.com.
@        30 IN NAPTR 5 10 "u" "E2U+sip" "!^.*$!sip:x@y!" .
_sip._udp 20 IN SRV 1 90 5070 a
_sip._udp 20 IN SRV 1 10 5071 b
_sip._udp 20 IN SRV 9 0 5072 c
a        10 IN A 192.0.2.1
a        10 IN A 192.0.2.2
b        10 IN A 192.0.2.3
b        15 IN AAAA 2001:db8::3
c        10 IN AAAA 2001:db8::4
alias    8 IN CNAME b
txt      30 IN TXT "nothing else"
"""
BIG = "\n".join(f"big 30 IN A 192.0.2.{number}\nbig 30 IN AAAA 2001:db8::{number:x}:1" for number in range(1, 101))


class Asking:
    """Lookups with a resolver of their own, for one test."""

    def __init__(self, server: DnsServer, tmp_path: Path) -> None:
        self.hosts = tmp_path / "hosts"
        self._servers = [server.address]

    def places(self, uri: str, key: bytes = b"call", *, times: int = 1) -> list[Place]:
        return asyncio.run(self._places(uri, key, times))

    async def _places(self, uri: str, key: bytes, times: int) -> list[Place]:
        resolver = Resolver(self._servers, HostsFile(self.hosts))
        lookups: Lookups = Lookups(lambda query, _now: resolver.ask(query, lookups))
        for _ in range(times):
            found: asyncio.Future[list[Place]] = asyncio.get_running_loop().create_future()
            search = locate(parse_next_hop(uri), ("udp", "tcp", "tls"), key)
            lookups.run(search, time.monotonic(), found.set_result)
            places = await asyncio.wait_for(found, within(10))
        resolver.close()
        return places

    def answer(self, kind: Any, name: str) -> tuple[Answer, float] | None:
        """What the lookups are told, None that nobody has answered."""

        async def ask() -> tuple[Answer, float] | None:
            told: asyncio.Future[tuple[Answer, float] | None] = asyncio.get_running_loop().create_future()

            class Listening:
                def answered(self, _query: Query, answer: Answer, ttl: float, _now: float) -> None:
                    told.set_result((answer, ttl))

                def unanswered(self, _query: Query, _now: float) -> None:
                    told.set_result(None)

            resolver = Resolver(self._servers, HostsFile(self.hosts))
            resolver.ask(Query(kind, name), Listening())  # type: ignore[arg-type]
            return await asyncio.wait_for(told, within(10))

        return asyncio.run(ask())


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer(ZONE) as running:
        yield running


@pytest.fixture
def asking(server: DnsServer, tmp_path: Path) -> Asking:
    return Asking(server, tmp_path)


def test_a_domain_leads_by_naptr_and_srv_to_all_its_servers(server: DnsServer, asking: Asking) -> None:
    places = asking.places("sip:example.com")
    assert {place.transport for place in places} == {"udp"}
    assert [place.port for place in places[-1:]] == [5072]  # of the lower priority
    assert sorted((place.host, place.port) for place in places) == [
        ("192.0.2.1", 5070), ("192.0.2.2", 5070), ("192.0.2.3", 5071), ("2001:db8::3", 5071), ("2001:db8::4", 5072),
    ]  # fmt: skip
    assert server.asked[:2] == [("example.com", "NAPTR"), ("_sip._udp.example.com", "SRV")]


def test_what_is_known_is_not_asked_for_again(server: DnsServer, asking: Asking) -> None:
    asking.places("sip:b.example.com:5060", times=3)
    assert sorted(server.asked) == [("b.example.com", "A"), ("b.example.com", "AAAA")]


@pytest.mark.parametrize(
    ("kind", "name", "answer", "ttl"),
    [
        ("address", "a.example.com", ["192.0.2.1", "192.0.2.2"], 10),
        ("address", "b.example.com", ["192.0.2.3", "2001:db8::3"], 10),
        ("address", "c.example.com", ["2001:db8::4"], 10),
        ("address", "alias.example.com", ["192.0.2.3", "2001:db8::3"], 8),
        ("address", "txt.example.com", [], 7),
        ("address", "none.example.com", [], 7),
        ("naptr", "none.example.com", [], 7),
        ("srv", "_sip._tcp.example.com", [], 7),
        ("naptr", "example.com", [Naptr(10, 10, "s", "SIP+D2U", "_sip._udp.example.com."),
                                  Naptr(20, 10, "s", "SIP+D2T", "_sip._tcp.example.com.")], 30),
        ("srv", "_sip._udp.example.com", [Srv(1, 10, 5071, "b.example.com."), Srv(1, 90, 5070, "a.example.com."),
                                          Srv(9, 0, 5072, "c.example.com.")], 20),
    ],
)  # fmt: skip
def test_records_and_how_long_they_are_good(
    asking: Asking, kind: str, name: str, answer: list[object], ttl: int
) -> None:
    found = asking.answer(kind, name)
    assert found is not None
    assert (sorted(found[0]), found[1]) == (answer, ttl)


def test_an_answer_too_long_for_udp_comes_by_tcp(server: DnsServer, asking: Asking) -> None:
    server.use(BIG)
    found = asking.answer("address", "big.example.com")
    assert found is not None
    assert len(found[0]) == 200


def test_where_no_soa_says_how_long_nothing_is_good_it_is_not_for_long(server: DnsServer, asking: Asking) -> None:
    """dnspython would say 300 s."""
    server.without_soa = True
    assert asking.answer("address", "none.example.com") == ([], resolver_module.NO_RECORDS)
    assert asking.answer("address", "txt.example.com") == ([], resolver_module.NO_RECORDS)


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.FORMERR])
def test_a_server_that_fails_has_not_said_that_there_is_nothing(
    server: DnsServer, asking: Asking, rcode: dns.rcode.Rcode, caplog: pytest.LogCaptureFixture
) -> None:
    server.rcode = rcode
    assert asking.answer("address", "a.example.com") is None
    assert "no answer from DNS about a.example.com" in caplog.text


def test_a_silent_server_holds_nobody_up_for_long(
    server: DnsServer, asking: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    server.silent = True
    begun = time.monotonic()
    assert asking.places("sip:a.example.com:5060") == []
    assert time.monotonic() - begun < within(resolver_module.LIFETIME + 1)
    assert len([record for record in caplog.records if "no answer from DNS" in record.message]) == 1


def test_the_hosts_file_counts_first_and_is_read_again(server: DnsServer, asking: Asking) -> None:
    asking.hosts.write_text("# none\n127.0.0.1 localhost\n::1 gw A.example.com. # x\n10.0.0.9\tgw other\nx y\n")
    assert asking.answer("address", "gw") == (["10.0.0.9", "::1"], resolver_module.HOSTS_TTL)
    assert asking.answer("address", "a.EXAMPLE.com") == (["::1"], resolver_module.HOSTS_TTL)
    assert server.asked == []
    asking.hosts.unlink()
    assert asking.answer("address", "c.example.com") == (["2001:db8::4"], 10)


def test_names_that_no_dns_has_are_nothing(server: DnsServer, asking: Asking) -> None:
    assert asking.places(f"sip:{'x' * 64}.example.com:5060") == []
    assert asking.places("sip:a..example.com:5060") == []
    assert server.asked == []


def test_without_the_library_a_name_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "dns.asyncresolver", None)
    with pytest.raises(ConfigError, match=r"pip install 'slbroker\[dns\]'"):
        Resolver([("127.0.0.1", 53)])
