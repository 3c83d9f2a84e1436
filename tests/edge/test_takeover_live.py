"""An edge takes over the sockets of the one that runs: no request, connection or ACK is lost by a restart."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

from slbroker.errors import Exit, TakeoverError
from slbroker_edge.takeover import Predecessor
from tests.support.peers import free_tcp_port
from tests.support.processes import Process, slbroker
from tests.support.sip import read_reply
from tests.support.takeover import Site, message, phones_of, replace_before_acks, replace_by_signal, replace_under_load
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start

PHONES: Final = 40


@pytest.fixture
def site(start_slbroker: Start, tmp_path: Path) -> Site:
    return Site(start_slbroker, tmp_path)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Process]]:
    """An edge with a worker whose place nobody takes."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("standing")
        site = Site(lambda *words, env=None, cwd=None: stack.enter_context(slbroker(*words, env=env, cwd=cwd)), folder)
        edge = site.edge("--takeover")
        edge.wait_for("edge ready")
        site.workers(count=1)
        yield site, edge


def is_served(site: Site) -> bool:
    with phones_of(site, 1) as (phone,):
        phone.send(message("OPTIONS", 1))
        return read_reply(phone.recv(4096)).status == 200


@pytest.fixture
def phones(site: Site) -> Iterator[list[socket.socket]]:
    with phones_of(site, PHONES) as made:
        yield made


def test_an_edge_is_replaced_under_load_and_every_request_is_answered_once(site: Site) -> None:
    listen = (f"udp:*:{site.port}",)
    old = site.edge(listen=listen)
    old.wait_for("edge ready")
    site.workers()
    replace_under_load(site, old, 1, listen=listen)


def test_acks_to_replies_of_the_edge_before_are_absorbed(site: Site, phones: list[socket.socket]) -> None:
    replace_before_acks(site, phones, 1, 1)


def test_an_edge_serves_on_when_who_takes_over_dies(standing: tuple[Site, Process]) -> None:
    site, old = standing
    taker = Predecessor.find(site.takeover)
    assert taker is not None
    taker.fetch(1)
    assert [sock.getsockname() for sock in taker.sockets] == [("127.0.0.1", site.port)]
    assert taker.introduce() == 1
    for sock in taker.sockets:
        sock.close()
    taker.hang_up()
    old.wait_for("whoever was taking over has gone; we serve on")
    until(lambda: len(site.figures()[0]["workers"]) == 1, what="the worker is its own again")
    assert is_served(site)


def test_who_comes_while_another_takes_over_says_so_and_is_next_when_that_one_has_gone(site: Site) -> None:
    old = site.edge()
    old.wait_for("edge ready")
    site.workers(count=1)
    first = Predecessor.find(site.takeover)
    assert first is not None
    first.fetch(1)
    second = site.edge("--takeover")
    second.wait_for(f"another edge is taking over already, process {os.getpid()}")
    assert is_served(site)
    for sock in first.sockets:
        sock.close()
    first.hang_up()
    second.wait_for("edge ready")
    assert old.wait() == Exit.OK
    assert is_served(site)
    assert second.log.count("waiting, for 10 s at most") == 1, "a line for whom it waits, not one for each look"


@pytest.mark.parametrize("processes", [1, 2])
def test_of_two_at_once_each_takes_over_and_the_last_one_serves(site: Site, processes: int) -> None:
    words = ("--processes", str(processes))
    edges = [site.edge(*words)]
    edges[0].wait_for("edge ready", times=processes)
    site.workers(processes, count=1)
    edges += [site.edge(*words, "--takeover") for _ in range(2)]
    until(lambda: sum(edge.running for edge in edges) == 1, 15.0, what="one of the three serves")
    (last,) = (edge for edge in edges if edge.running)
    last.wait_for("edge ready", times=processes)
    assert [edge.wait() for edge in edges if edge is not last] == [Exit.OK, Exit.OK], edges
    assert is_served(site)


def test_an_address_that_cannot_be_had_leaves_the_edge_as_it_is(standing: tuple[Site, Process]) -> None:
    site, old = standing
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        new = site.edge("--takeover", listen=(site.here, f"udp:127.0.0.1:{taken.getsockname()[1]}"))
        assert new.wait() == Exit.BIND
    assert old.running
    assert is_served(site)


def test_without_an_edge_to_take_over_from_one_starts_as_usual_and_says_so(standing: tuple[Site, Process]) -> None:
    assert "starting as usual" in standing[1].log


def test_nobody_else_may_ask_for_the_sockets(standing: tuple[Site, Process]) -> None:
    site, _ = standing
    assert stat.S_IMODE(site.takeover.stat().st_mode) == 0o600
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 4_711)
        with pytest.raises(TakeoverError, match="run as that user"):
            Predecessor.find(site.takeover)


def test_an_edge_of_another_protocol_gets_nothing(standing: tuple[Site, Process]) -> None:
    taker = Predecessor.find(standing[0].takeover)
    assert taker is not None
    with pytest.raises(TakeoverError, match="gives its sockets otherwise"):
        taker._ask({"asks": "sockets", "protocol": 99, "processes": 1})
    with pytest.raises(TakeoverError, match="another version, or nobody"):
        taker._ask({"asks": "leave"})
    taker.hang_up()


def test_a_tcp_bus_needs_to_be_told_where(site: Site) -> None:
    site.bus = f"tcp://127.0.0.1:{free_tcp_port()}"
    edge = site.edge("--takeover")
    assert edge.wait() == Exit.CONFIG
    assert "--takeover-path" in edge.log


def test_connections_are_closed_behind_their_last_reply_and_new_ones_are_the_new_edges(site: Site) -> None:
    """A phone's over TCP, one that is idle, and a browser's, which hears that the edge is going away."""
    client = pytest.importorskip("websockets.sync.client")
    exceptions = pytest.importorskip("websockets.exceptions")
    phones, browsers = free_tcp_port(), free_tcp_port()
    listen = (site.here, f"tcp:127.0.0.1:{phones}", f"ws:127.0.0.1:{browsers}")
    old = site.edge("--handler-timeout", "60", listen=listen)
    old.wait_for("edge ready")
    site.workers(count=1)
    with (
        socket.create_connection(("127.0.0.1", phones)) as busy,
        socket.create_connection(("127.0.0.1", phones)) as idle,
        client.connect(f"ws://127.0.0.1:{browsers}/", subprotocols=["sip"]) as browser,
    ):
        for sock in (busy, idle):
            sock.settimeout(within(5.0))
        busy.sendall(over_tcp("MESSAGE", 1))
        until(lambda: site.figures()[0]["in_flight"] == 1, what="it is with a worker")
        new = site.edge("--takeover", listen=listen)
        new.wait_for("edge ready")
        with socket.create_connection(("127.0.0.1", phones)) as fresh:
            fresh.settimeout(within(5.0))
            fresh.sendall(over_tcp("OPTIONS", 2))
            assert read_reply(fresh.recv(4096)).status == 200
            assert old.running  # it waits for its answer
            (site.folder / "go").touch()
            assert read_reply(busy.recv(4096)).status == 202
            assert busy.recv(4096) == idle.recv(4096) == b""
            with pytest.raises(exceptions.ConnectionClosed) as closed:
                browser.recv(within(5.0))
            assert closed.value.rcvd.code == 1001
            assert old.wait() == Exit.OK
            fresh.sendall(over_tcp("OPTIONS", 3))
            assert read_reply(fresh.recv(4096)).status == 200
    with client.connect(f"ws://127.0.0.1:{browsers}/", subprotocols=["sip"]):
        pass


def over_tcp(method: str, number: int) -> bytes:
    return message(method, number).replace(b"/UDP", b"/TCP")


def test_sigusr2_replaces_an_edge_by_the_same_command(site: Site, phones: list[socket.socket], tmp_path: Path) -> None:
    replace_by_signal(site, phones, tmp_path, 1)
