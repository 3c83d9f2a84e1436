"""Edges that have each other, or themselves, for next hop: each request ends soon, and the figures show it."""

from __future__ import annotations

import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.brokers import Edge, free_bus_address, new_keys
from tests.peers.forwarding.sockets import QUIET, hear
from tests.support.peers import free_udp_port
from tests.support.sip import request
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start

pytestmark = pytest.mark.peer

MOST = 72  # requests that an edge sees of one: 70 hops, and who was asked first


def start(start_slbroker: Start, folder: Path, port: int, hop: int) -> Edge:
    """An edge on a port, whose next hop is another one."""
    folder.mkdir()
    bus = free_bus_address("ipc", folder)
    words = ("--keys", str(new_keys(folder)), "--bus", bus, "--listen", f"udp:127.0.0.1:{port}")
    process = start_slbroker("edge", *words, "--route", f"pass=sip:127.0.0.1:{hop}")
    process.wait_for("edge ready")
    return Edge(process, port, bus)


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


def ask(client: socket.socket, edge: Edge, method: str, **how: Any) -> None:
    port = client.getsockname()[1]
    via = f"SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-{method}-loop"
    client.sendto(request(method, via=via, **how), ("127.0.0.1", edge.port))


@pytest.mark.parametrize("alike", [True, False], ids=["one key ring", "two key rings"])
def test_two_edges_pointed_at_each_other(
    start_slbroker: Start, client: socket.socket, tmp_path: Path, alike: bool
) -> None:
    """Whether they know each other's keys or not: the loop part of a branch is no secret."""
    ports = free_udp_port(), free_udp_port()
    edges = [start(start_slbroker, tmp_path / str(at), ports[at], ports[1 - at]) for at in (0, 1)]
    if alike:
        ring = tmp_path / "0" / "keys.ring"
        (tmp_path / "1" / "keys.ring").write_bytes(ring.read_bytes())
        edges[1].process.send(signal.SIGHUP)
    for method in ("INVITE", "OPTIONS", "REGISTER"):
        ask(client, edges[0], method)
        assert int(hear(client)[8:11]) in (482, 483)
    for method in ("ACK", "CANCEL"):
        ask(client, edges[0], method)
    check_quiet(client, *edges)
    figures = [edge.wait_for_figures(in_flight=0) for edge in edges]
    assert sum(each["received"] for each in figures) <= 5 * MOST, figures
    assert {"loop", "max-forwards"} & {cause for each in figures for cause in each["dropped"]}, figures


def check_quiet(client: socket.socket, *edges: Edge) -> None:
    """Nothing goes round any more."""
    client.settimeout(within(QUIET))
    with suppress(TimeoutError):
        while client.recv(65_535).startswith(b"SIP/2.0 4"):
            pass
    before = [edge.figures()["received"] for edge in edges]
    with pytest.raises(TimeoutError):
        client.recv(65_535)
    assert [edge.figures()["received"] for edge in edges] == before


def test_an_edge_pointed_at_itself(start_slbroker: Start, client: socket.socket, tmp_path: Path) -> None:
    port = free_udp_port()
    edge = start(start_slbroker, tmp_path / "edge", port, port)
    for method in ("INVITE", "OPTIONS"):
        ask(client, edge, method)
        assert int(hear(client)[8:11]) in (482, 483)
    ask(client, edge, "ACK")
    check_quiet(client, edge)
    assert edge.wait_for_figures(in_flight=0)["received"] <= 3 * 3


def test_nothing_is_sent_back_to_who_sent_it(start_slbroker: Start, client: socket.socket, tmp_path: Path) -> None:
    edge = start(start_slbroker, tmp_path / "edge", free_udp_port(), client.getsockname()[1])
    ask(client, edge, "INVITE")
    assert hear(client).startswith(b"SIP/2.0 482 ")
    ask(client, edge, "ACK")
    check_quiet(client, edge)
