"""A forwarding edge and a group of real servers: one that dies is left by the next request, and comes back by pings."""

from __future__ import annotations

import json
import re
import signal
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.brokers import Edge, new_keys, start_edge
from tests.support.peers import free_udp_port
from tests.support.processes import call_slbroker, run_slbroker
from tests.support.servers import Server
from tests.support.sip import request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.conftest import Start


class Site:
    """An edge with a list of servers, and a caller."""

    def __init__(self, stack: ExitStack, start: Start, folder: Path, servers: Sequence[Server], *words: str) -> None:
        self.servers = servers
        self.list = folder / "dispatcher.list"
        self.write(*(f"1 {server.uri}" for server in servers))
        options = ("--route", "pass=group:1", "--groups", str(self.list), "--ping-interval", "0.3", *words)
        self.edge: Edge = start_edge(start, new_keys(folder), f"ipc://{folder / 'bus'}", options=options)
        self.caller = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.caller.bind(("127.0.0.1", 0))
        self.caller.settimeout(within(3))
        self._number = 0

    def write(self, *lines: str) -> None:
        self.list.write_text("\n".join(lines))

    def call(self, call_id: str = "") -> str:
        """The status line of the reply to a request."""
        self._number += 1
        via = f"SIP/2.0/UDP 127.0.0.1:{self.caller.getsockname()[1]};branch=z9hG4bK{self._number}"
        data = request("OPTIONS", via=via, call_id=call_id or f"call{self._number}")
        self.caller.sendto(data, ("127.0.0.1", self.edge.port))
        while True:
            reply = self.caller.recv(65_535)
            if f"z9hG4bK{self._number}\r\n".encode() in reply or b"z9hG4bK%d;" % self._number in reply:
                return reply.partition(b"\r\n")[0].decode()

    def rows(self) -> list[dict[str, Any]]:
        return [row for rows in self.edge.figures()["groups"].values() for row in rows]

    def states(self) -> list[str]:
        return [str(row["flags"]) for row in self.rows()]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as things:
        yield things


@pytest.fixture
def servers(stack: ExitStack) -> list[Server]:
    return [stack.enter_context(Server()) for _ in range(3)]


def test_calls_are_spread_and_each_stays_where_it_is(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path, servers: list[Server]
) -> None:
    site = Site(stack, start_slbroker, tmp_path, servers)
    assert {site.call() for _ in range(40)} == {"SIP/2.0 200 OK"}
    assert all(len(server.requests) > 3 for server in servers)
    before = [len(server.requests) for server in servers]
    for _ in range(5):
        site.call("mine")
    assert sorted(len(server.requests) - was for server, was in zip(servers, before, strict=True)) == [0, 0, 5]


def test_a_server_that_dies_is_left_by_the_next_request_and_comes_back_by_pings(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path, servers: list[Server]
) -> None:
    """Pings come too seldom here to find out: the ICMP error of a request does."""
    site = Site(stack, start_slbroker, tmp_path, servers, "--ping-interval", "30")
    until(lambda: site.states() == ["AP", "AP", "AP"], what="first pings")
    site.call("mine")
    (mine,) = (server for server in servers if server.requests)
    mine.die()
    data = request("OPTIONS", via="SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKlost", call_id="mine")
    site.caller.sendto(data, ("127.0.0.1", site.edge.port))  # this one is lost: nobody repeats it
    site.edge.process.wait_for("gets no requests any more: ICMP says that nobody is there")
    assert sorted(site.states()) == ["AP", "AP", "IP"]
    assert site.call("mine") == "SIP/2.0 200 OK"
    assert sum(len(server.requests) for server in servers) == 2
    mine.rise()
    site.edge.process.wait_for("gets requests again: it answers pings", 40)
    assert site.call("mine") == "SIP/2.0 200 OK"
    assert len(mine.requests) == 2


def test_a_server_that_is_silent_is_found_out_by_pings(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path, servers: list[Server]
) -> None:
    site = Site(stack, start_slbroker, tmp_path, servers, "--probing-threshold", "2", "--inactive-threshold", "2")
    until(lambda: site.states() == ["AP", "AP", "AP"], what="first pings")
    servers[1].answers = False
    until(lambda: site.states() == ["AP", "IP", "AP"], 15, what="the silent one being out")
    asked = len(servers[1].requests)
    assert {site.call() for _ in range(20)} == {"SIP/2.0 200 OK"}
    assert len(servers[1].requests) == asked
    servers[1].answers = True
    until(lambda: site.states() == ["AP", "AP", "AP"], 15, what="its return")
    assert "no answer to OPTIONS" in site.edge.process.log


def test_what_a_server_says_counts(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path, servers: list[Server]
) -> None:
    words = ("--ping-reply-codes", "class=2;code=404", "--ping-method", "INFO", "--ping-from", "sip:me@example.net")
    servers[0].status, servers[1].status = b"503 No", b"404 Who"
    site = Site(stack, start_slbroker, tmp_path, servers, *words)
    until(lambda: site.states() == ["IP", "AP", "AP"], what="the states")
    assert "503 to INFO" in site.edge.process.log
    ping = servers[2].pings[0].decode()
    assert ping.startswith(f"INFO {servers[2].uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{site.edge.port};")
    assert "\r\nFrom: <sip:me@example.net>;tag=" in ping


def test_when_all_are_gone_requests_are_answered_503(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path, servers: list[Server]
) -> None:
    for server in servers:
        server.die()
    site = Site(stack, start_slbroker, tmp_path, servers)
    until(lambda: site.states() == ["IP", "IP", "IP"], 15, what="all being out")
    assert site.call() == "SIP/2.0 503 Service Unavailable"


def test_pings_are_no_replies_that_go_back(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path, servers: list[Server]
) -> None:
    site = Site(stack, start_slbroker, tmp_path, servers)
    until(lambda: sum(len(server.pings) for server in servers) > 9, what="pings")
    site.call()
    figures = site.edge.figures()["replies"]
    assert figures["forwarded"] == 1
    assert figures["dropped"]["ping"] >= 8
    assert set(figures["dropped"]) == {"ping"}


def test_sighup_reads_the_list_again(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path, servers: list[Server]
) -> None:
    site = Site(stack, start_slbroker, tmp_path, servers[:1])
    site.call()
    site.write(f"1 {servers[1].uri} 0 1", f"1 {servers[0].uri}", f"2 {servers[2].uri} 4 0 weight=3;duid=c")
    site.edge.process.send(signal.SIGHUP)
    site.edge.process.wait_for("group 1 with 2, group 2 with 1")
    site.call()
    assert len(servers[1].requests) == 1
    assert [row["state"] for row in site.rows()] == ["active", "active", "disabled"]


def test_a_bad_list_leaves_the_old_one_in_use_and_a_line_says_why(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path, servers: list[Server]
) -> None:
    site = Site(stack, start_slbroker, tmp_path, servers[:1])
    for times, text in enumerate(("1 sip:127.0.0.1:5060 x", "2 sip:127.0.0.1", "1 sip:a b c d e f", "\udcff"), 1):
        site.list.write_bytes(text.encode("utf-8", "surrogateescape"))
        site.edge.process.send(signal.SIGHUP)
        line = site.edge.process.wait_for("not reloaded, the old one stays in use", times=times)
        assert str(site.list) in line
    assert site.call() == "SIP/2.0 200 OK"


@pytest.mark.parametrize(
    ("text", "words", "says"),
    [
        ("1 sip:127.0.0.1:5060 x", ("--pass", "group:1"), "flags 'x'"),
        ("1 sip:127.0.0.1:5060", ("--pass", "group:2"), "group:2: .* has no such group"),
        ("1 sip:127.0.0.1:5060", ("--route", "pass=group:3 method=INVITE"), "group:3"),
        (None, ("--pass", "group:1"), "name the list with --groups FILE"),
        (
            "1 sip:10.0.0.1 0 0 socket=udp:10.0.0.7:5070",
            ("--listen", "udp:127.0.0.1:5099"),
            "socket=udp:10.0.0.7:5070: the edge listens on udp:127.0.0.1:5099",
        ),
    ],
)
def test_a_list_that_cannot_be_used_is_told_at_once(
    tmp_path: Path, text: str | None, words: tuple[str, ...], says: str
) -> None:
    if text is not None:
        (tmp_path / "my.list").write_text(text)
        words = (*words, "--groups", str(tmp_path / "my.list"))
    keys = new_keys(tmp_path)
    done = call_slbroker(
        "edge", "--listen", "udp:127.0.0.1:0", "--keys", str(keys), "--bus", f"ipc://{tmp_path}/b", *words
    )
    assert done.wait() == 3
    assert done.log.count("\n") == 1
    assert re.search(says, done.log)


def test_stats_shows_the_states_as_kamcmd_does(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path, servers: list[Server]
) -> None:
    site = Site(stack, start_slbroker, tmp_path, servers[:1])
    until(lambda: site.states() == ["AP"], what="a ping")
    shown = run_slbroker("stats", "--bus", site.edge.bus).output
    assert f"  group 1 {servers[0].uri}: flags AP, state active, priority 0, weight 1\n" in shown


def test_processes_that_share_a_port_hear_their_own_pings(
    stack: ExitStack, start_slbroker: Start, tmp_path: Path, servers: list[Server]
) -> None:
    the_list = tmp_path / "dispatcher.list"
    the_list.write_text("\n".join(f"1 {server.uri}" for server in servers))
    options = ("--groups", str(the_list), "--pass", "group:1", "--ping-interval", "0.3", "--processes", "3")
    listen = f"udp:127.0.0.1:{free_udp_port()}"
    words = ("--listen", listen, "--bus", f"ipc://{tmp_path}/bus", "--keys", str(new_keys(tmp_path)), *options)
    process = start_slbroker("edge", *words)
    process.wait_for("edge ready", times=3)
    servers[2].answers = False

    def seen() -> list[list[str]]:
        edges = json.loads(run_slbroker("stats", "--json", "--bus", f"ipc://{tmp_path}/bus").output)["edges"]
        return [[row["flags"] for row in edge["groups"]["1"]] for edge in edges]

    until(lambda: seen() == [["AP", "AP", "IP"]] * 3, 20, what="the same states in each process")
