"""Async handlers that hang: the log says which, and they do not take the worker's credit along for good."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from tests.peers.brokers import free_bus_address, new_keys, start_edge
from tests.support.sip import read_reply, request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

PLUGIN = """
import asyncio, time
from slbroker import Handlers
app = Handlers()
@app.on("INVITE")
async def hang(request):
    await asyncio.get_running_loop().create_future()
@app.on("MESSAGE")
async def block(request):
    time.sleep(0.3)
    return request.reply(200)
@app.on("INFO")
def sleep(request):
    time.sleep(1.3)
    return request.reply(200)
@app.on("OPTIONS")
def fine(request):
    return request.reply(200)
"""
CREDIT = 8


class Hanging:
    """An edge that waits a second, and a worker with a small credit."""

    def __init__(self, start: Start, folder: Path) -> None:
        plugin, ring, bus = folder / "plugin.py", new_keys(folder), free_bus_address("ipc", folder)
        plugin.write_text(PLUGIN)
        edge = start_edge(start, ring, bus, options=("--handler-timeout", "1", "--tries", "1"))
        self.edge, self.port, self.figures = edge.process, edge.port, edge.figures
        words = ("--bus", bus, "--keys", str(ring), "--plugin", str(plugin), "--credit", str(CREDIT))
        self.worker = start("handler", *words)
        self.worker.wait_for("handler ready")

    def ask(self, method: str, count: int) -> list[int]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(within(5.0))
            sock.connect(("127.0.0.1", self.port))
            for number in range(count):
                via = f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{method}{number}"
                sock.send(request(method, call_id=f"{method}-{number}", via=via))
            return [read_reply(sock.recv(65_535)).status for _ in range(count)]


def test_hung_awaits_are_told_of_and_ended_and_the_worker_serves_on(start_slbroker: Start, tmp_path: Path) -> None:
    site = Hanging(start_slbroker, tmp_path)
    assert site.ask("INVITE", CREDIT) == [500] * CREDIT
    log = site.worker
    assert "hang at" in log.wait_for(f"{CREDIT} calls of hang at")
    assert "longer than 1 s" in log.log
    for number in range(CREDIT):
        log.wait_for(f"INVITE, Call-ID INVITE-{number}: handler hang at")
    log.wait_for("is cancelled after", times=CREDIT)
    until(lambda: [worker["open"] for worker in site.figures()["workers"]] == [0], 5.0)
    assert site.ask("OPTIONS", 20) == [200] * 20
    assert site.figures()["unaccounted"] == 0
    assert log.stop() == 0


def test_an_async_handler_that_blocks_is_named_with_its_milliseconds(start_slbroker: Start, tmp_path: Path) -> None:
    site = Hanging(start_slbroker, tmp_path)
    assert site.ask("MESSAGE", 1) == [200]
    line = site.worker.wait_for("kept all others waiting")
    assert "block at" in line
    assert int(line.partition("waiting for ")[2].partition(" ms")[0]) >= 300


def test_a_blocking_handler_that_outlasts_its_edge_is_told_of_at_both_ends(
    start_slbroker: Start, tmp_path: Path
) -> None:
    site = Hanging(start_slbroker, tmp_path)
    assert site.ask("INFO", 1) == [500]
    line = site.worker.wait_for("INFO, Call-ID INFO-0: handler sleep at")
    assert "took 1." in line
