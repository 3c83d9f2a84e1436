"""Connections to edges that are processes of their own: shared ports, draining, the command line."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from slbroker.keys import create as create_keys
from tests.support.peers import free_tcp_port, free_udp_port
from tests.support.processes import run_slbroker
from tests.support.sip import read_reply, request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

OPTIONS = request(via="SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK776asdhds;rport")

SLOW = """
import asyncio, sys
from slbroker import Handlers
app = Handlers()
@app.otherwise
async def slow(request):
    print("begun", file=sys.stderr, flush=True)
    await asyncio.sleep(0.5)
    return request.reply(200)
"""


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    made = tmp_path / "ring"
    create_keys(made)
    return made


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=within(5))


def edges(bus: str) -> list[dict[str, Any]]:
    asked = run_slbroker("stats", "--bus", bus, "--json")
    assert asked.wait() == 0, asked
    found: list[dict[str, Any]] = json.loads(asked.output)["edges"]
    return found


def test_processes_share_the_connections(start_slbroker: Start, ring: Path, tmp_path: Path) -> None:
    port, bus = free_tcp_port(), f"ipc://{tmp_path}/bus"
    edge = start_slbroker(
        *("edge", "--listen", f"tcp:127.0.0.1:{port}", "--listen", f"udp:127.0.0.1:{free_udp_port()}"),
        *("--keys", str(ring), "--bus", bus, "--processes", "2"),
    )
    edge.wait_for("edge ready", times=2)
    with ExitStack() as stack:
        socks = [stack.enter_context(connect(port)) for _ in range(60)]
        for sock in socks:
            sock.sendall(OPTIONS)
            assert read_reply(sock.recv(65_535)).status == 503
        figures = [figures["connections"] for figures in edges(bus)]
        assert sum(figure["open"] for figure in figures) == 60
        assert all(figure["open"] > 0 for figure in figures)  # the kernel deals them out by a hash
    until(lambda: not any(figures["connections"]["open"] for figures in edges(bus)), what="no connection open")
    assert edge.stop() == 0


def test_a_draining_edge_answers_on_its_connections(start_slbroker: Start, ring: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "slow.py"
    plugin.write_text(SLOW)
    edge = start_slbroker("run", "--listen", "tcp:127.0.0.1:0", "--plugin", str(plugin), "--workers", "1")
    port = int(edge.wait_for("edge ready").rpartition("tcp:127.0.0.1:")[2].partition(",")[0])
    edge.wait_for("handler ready")
    with connect(port) as sock, connect(port) as idle:
        sock.sendall(OPTIONS)
        edge.wait_for("begun")
        edge.send(signal.SIGTERM)
        assert read_reply(sock.recv(65_535)).status == 200
        assert sock.recv(1) == idle.recv(1) == b""
    assert edge.wait() == 0
    with pytest.raises(ConnectionRefusedError):
        connect(port)


def test_an_edge_starts_again_at_once_on_its_port(start_slbroker: Start, ring: Path, tmp_path: Path) -> None:
    """Connections that it closed itself are still fading then (TIME_WAIT)."""
    port = free_tcp_port()
    options = ("--listen", f"tcp:127.0.0.1:{port}", "--keys", str(ring), "--bus", f"ipc://{tmp_path}/bus")
    for _ in range(2):
        edge = start_slbroker("edge", *options)
        edge.wait_for("edge ready")
        with connect(port) as sock:
            sock.sendall(OPTIONS)
            assert read_reply(sock.recv(65_535)).status == 503
            assert edge.stop() == 0
            assert sock.recv(1) == b""


def test_an_edge_without_connections_says_nothing_of_them(start_slbroker: Start, ring: Path, tmp_path: Path) -> None:
    bus = f"ipc://{tmp_path}/bus"
    edge = start_slbroker("edge", "--listen", "udp:127.0.0.1:0", "--keys", str(ring), "--bus", bus)
    edge.wait_for("edge ready")
    (figures,) = edges(bus)
    assert "connections" not in figures
