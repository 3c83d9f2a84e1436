"""Next hops that are names: an edge looks them up at a real DNS server, and waits for nobody."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.edge.test_dialled_live import Site, StreamServer
from tests.peers.brokers import new_keys
from tests.support.dnsserver import DnsServer
from tests.support.processes import call_slbroker, child_environment
from tests.support.servers import Server
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as things:
        yield things


def resolver(server: DnsServer) -> tuple[str, str]:
    return "--resolver", f"{server.address[0]}:{server.address[1]}"


def test_a_domain_leads_to_its_servers_by_naptr_and_srv_and_calls_are_spread_by_weight(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path
) -> None:
    much, little = stack.enter_context(Server()), stack.enter_context(Server())
    zone = f"""
@ IN NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp
_sip._udp IN SRV 1 90 {much.port} here
_sip._udp IN SRV 1 10 {little.port} here
here IN A 127.0.0.1
"""
    dns = stack.enter_context(DnsServer("$TTL 60\n" + zone))
    site = Site(stack, start_slbroker, tmp_path, "sip:example.com", *resolver(dns))
    assert {site.call() for _ in range(100)} == {"SIP/2.0 200 OK"}
    assert len(much.requests) > 70
    assert len(little.requests) > 1
    assert len(dns.asked) == 4  # NAPTR, SRV, A, AAAA


def test_a_domain_that_offers_tcp_alone_is_reached_by_tcp(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path
) -> None:
    server = StreamServer(stack)
    zone = (
        f'@ 60 IN NAPTR 10 10 "s" "SIP+D2T" "" _sip._tcp\n_sip._tcp 60 IN SRV 1 0 {server.port} a\na 60 IN A 127.0.0.1'
    )
    dns = stack.enter_context(DnsServer(zone))
    site = Site(stack, start_slbroker, tmp_path, "sip:example.com", *resolver(dns))
    assert site.call() == "SIP/2.0 200 OK"
    assert b"SIP/2.0/TCP" in server.requests[0]


def test_a_name_that_moves_is_followed_after_its_ttl(stack: ExitStack, start_slbroker: Start, tmp_path: Path) -> None:
    first = stack.enter_context(Server())
    second = Server("127.0.0.2")
    second.die()
    second.port = first.port
    second.rise()
    stack.callback(second.die)
    dns = stack.enter_context(DnsServer("gw 1 IN A 127.0.0.1"))
    site = Site(
        stack, start_slbroker, tmp_path, f"sip:gw.example.com:{first.port}", *resolver(dns), listen=("udp:127.0.0.1",)
    )
    site.call()
    dns.use("gw 60 IN A 127.0.0.2")
    until(lambda: site.call() and second.requests, what="the new address being used")


def test_a_silent_dns_holds_up_nobody_else(stack: ExitStack, start_slbroker: Start, tmp_path: Path) -> None:
    dns = stack.enter_context(DnsServer("gw 60 IN A 127.0.0.1"))
    dns.silent = True
    server = stack.enter_context(Server())
    words = ("--route", f"pass={server.uri}", *resolver(dns))
    site = Site(stack, start_slbroker, tmp_path, "sip:gw.example.com method=INVITE", *words)
    site.send("INVITE")
    begun = time.monotonic()
    assert {site.call() for _ in range(20)} == {"SIP/2.0 200 OK"}
    assert time.monotonic() - begun < within(1.5)
    site.caller.settimeout(within(8))
    assert site.caller.recv(65_535).startswith(b"SIP/2.0 478 Unresolvable destination (478/SL)\r\n")


def test_what_was_known_counts_while_dns_is_away(stack: ExitStack, start_slbroker: Start, tmp_path: Path) -> None:
    server = stack.enter_context(Server())
    dns = stack.enter_context(DnsServer("gw 1 IN A 127.0.0.1"))
    site = Site(stack, start_slbroker, tmp_path, f"sip:gw.example.com:{server.port}", *resolver(dns))
    site.call()
    dns.silent = True
    time.sleep(1.1)
    site.caller.settimeout(within(6))
    assert site.call() == "SIP/2.0 200 OK"
    begun = time.monotonic()
    assert site.call() == "SIP/2.0 200 OK"
    assert time.monotonic() - begun < within(0.5)


def test_a_name_without_the_library_is_told_before_anything_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dns.py").write_text("raise ImportError")
    words = ("--listen", "udp:127.0.0.1:0", "--keys", str(new_keys(tmp_path)), "--bus", f"ipc://{tmp_path}/b")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from slbroker.cli import main; "
        f"sys.argv = ['slbroker', 'edge', *{(*words, '--pass', 'sip:gw.example.com')!r}]; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=child_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert (
        done.stderr.strip() == "slbroker: next hops with names need the dnspython library: pip install 'slbroker[dns]'"
    )


def test_a_name_in_a_list_of_groups_is_looked_up_and_pinged(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path
) -> None:
    server = stack.enter_context(Server())
    dns = stack.enter_context(DnsServer("gw 60 IN A 127.0.0.1\nnowhere 60 IN TXT x"))
    the_list = tmp_path / "list"
    the_list.write_text(f"1 sip:gw.example.com:{server.port}\n1 sip:nowhere.example.com:5060")
    words = ("--groups", str(the_list), "--ping-interval", "0.5", *resolver(dns))
    site = Site(stack, start_slbroker, tmp_path, "group:1", *words)
    until(lambda: [row["flags"] for row in site.edge.figures()["groups"]["1"]] == ["AP", "IP"], what="the states")
    assert {site.call() for _ in range(9)} == {"SIP/2.0 200 OK"}
    assert "its name leads nowhere" in site.edge.process.log


def test_an_unknown_resolver_is_told(tmp_path: Path) -> None:
    done = call_slbroker("edge", "--keys", str(new_keys(tmp_path)), "--resolver", "dns.example.com")
    assert done.wait() == 3
    assert "write the address of a DNS server" in done.log


def test_icmp_errors_of_one_next_hop_cost_another_nothing(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path
) -> None:
    """Requests to a dead next hop and to one that lives leave by the same socket, in turns and together."""
    gone, there = Server(), stack.enter_context(Server())
    gone.die()
    words = ("--route", f"pass={there.uri} method=OPTIONS")
    site = Site(stack, start_slbroker, tmp_path, f"{gone.uri} method=INFO", *words)
    for number in range(400):
        site.send("INFO")
        site.send("OPTIONS")
        if number >= 20:  # no buffer of the kernel's is full on the way
            assert site.caller.recv(65_535).startswith(b"SIP/2.0 200 OK")
    until(lambda: len(there.requests) == 400, what="400 requests")
    assert site.edge.figures()["forwarded"] == 800
