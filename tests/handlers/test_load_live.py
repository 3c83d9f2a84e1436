"""Handlers that wait for others, under load: every answer is the right one. One that blocks harms its own worker only.

`make load` has 2,000 requests a second, and wants them kept; else it is what any machine keeps beside other tests.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.handlers.load import make_calls
from tests.peers.brokers import Edge, free_bus_address, new_keys, start_edge
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conftest import Start
    from tests.support.processes import Process

WANTED = os.environ.get("SLBROKER_TEST_LOAD")
RATE = int(WANTED or "300")
SECONDS = 3.0
HERE = Path(__file__).parent

SQLITE = """
import asyncio, os, sqlite3
from concurrent.futures import ThreadPoolExecutor
from slbroker import Handlers

app = Handlers()
pool, state = ThreadPoolExecutor(1), []

@app.startup
async def connect():
    open_file = lambda: sqlite3.connect("file:" + os.environ["NUMBERS"] + "?mode=ro", uri=True)
    state.append(await asyncio.get_running_loop().run_in_executor(pool, open_file))

@app.shutdown
async def close():
    await asyncio.get_running_loop().run_in_executor(pool, state.pop().close)
    pool.shutdown()

def ask(number):
    row = state[0].execute("SELECT gateway FROM routes WHERE number = ?", (number,)).fetchone()
    return row and row[0]

@app.on("INVITE", timeout=5.0)
async def where(request):
    gateway = await asyncio.get_running_loop().run_in_executor(pool, ask, request.uri.user)
    if gateway is None:
        return request.reply(404)
    return request.redirect(f"sip:{request.uri.user}@{gateway}")
"""

SLEEPY = """
import time
from slbroker import Handlers

app = Handlers()

@app.on("INVITE")
def sleep(request):
    time.sleep(30)
    return request.reply(200)

app.on("OPTIONS")(lambda request: request.reply(200))
"""


class Site:
    """An edge and some workers."""

    def __init__(self, start: Start, folder: Path, options: Sequence[str] = ()) -> None:
        self._start = start
        self._keys = new_keys(folder)
        self.edge: Edge = start_edge(start, self._keys, free_bus_address("ipc", folder), options=options)

    def handlers(self, plugin: Path, count: int, env: dict[str, str] | None = None) -> list[Process]:
        words = ("handler", "--bus", self.edge.bus, "--plugin", str(plugin), "--keys", str(self._keys))
        started = [self._start(*words, env=env) for _ in range(count)]
        for handler in started:
            handler.wait_for("handler ready")
        return started

    def call_all(self, gateway: str) -> None:
        """Make the calls; fails when one is not answered with its own number at `gateway`, or they were made slowly."""
        calls = asyncio.run(make_calls(self.edge.port, RATE, SECONDS))
        assert len(calls) == RATE * SECONDS
        for call in calls:
            assert call.response is not None
            assert call.response.all("Contact") == [f"<sip:{call.number}@{gateway}>"], call
        rate = len(calls) / (calls[-1].sent - calls[0].sent)
        times = sorted((call.seconds or 0.0) * 1e3 for call in calls)
        half, most = times[len(times) // 2], times[len(times) * 99 // 100]
        print(
            f"{gateway}: {len(calls)} calls, {rate:,.0f} a second; half within {half:.1f} ms, 99 % within {most:.1f} ms"
        )
        assert rate > RATE * 0.9 or not WANTED, f"{rate:,.0f} a second is not what was asked for"


@pytest.mark.timeout(within(90))
def test_a_handler_that_awaits_a_real_http_server(start_slbroker: Start, start_program: Start, tmp_path: Path) -> None:
    server = start_program(sys.executable, str(HERE / "httpserver.py"))
    port = server.wait_for("serving port").rpartition(" ")[2]
    site = Site(start_slbroker, tmp_path)
    site.handlers(HERE / "httpplugin.py", 2, {"HTTP_PORT": port})
    site.call_all("gw.example.com")


@pytest.mark.timeout(within(90))
def test_a_handler_that_awaits_sqlite(start_slbroker: Start, tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.db"
    database = sqlite3.connect(numbers)
    with database:
        database.execute("CREATE TABLE routes (number TEXT PRIMARY KEY, gateway TEXT)")
        database.executemany("INSERT INTO routes VALUES (?, 'db.example.com')", ((str(n),) for n in range(100_000)))
    database.close()
    plugin = tmp_path / "answers.py"
    plugin.write_text(SQLITE)
    site = Site(start_slbroker, tmp_path)
    site.handlers(plugin, 2, {"NUMBERS": str(numbers)})
    site.call_all("db.example.com")


@pytest.mark.timeout(within(90))
@pytest.mark.alone
def test_a_handler_that_sleeps_harms_its_own_worker_only(start_slbroker: Start, tmp_path: Path) -> None:
    """It is tried on two workers, as any request; the third serves on. After that the policy answers: 500."""
    plugin = tmp_path / "answers.py"
    plugin.write_text(SLEEPY)
    site = Site(start_slbroker, tmp_path, ("--handler-timeout", "1"))
    handlers = site.handlers(plugin, 3)

    async def play() -> tuple[list[float], int]:
        # Not sent again: each repeat would be another request, and put another worker to sleep.
        sleeping = asyncio.ensure_future(make_calls(site.edge.port, 1, 1.0, again=False))
        await asyncio.sleep(0.2)
        calls = await make_calls(site.edge.port, 100, 4.0, "OPTIONS")
        assert all(call.response is not None and call.response.status == 200 for call in calls)
        (slept,) = await sleeping
        assert slept.response is not None
        assert slept.seconds is not None
        assert 1.9 <= slept.seconds <= within(4.0)
        return sorted(call.seconds or 0.0 for call in calls), slept.response.status

    times, status = asyncio.run(play())
    assert status == 500
    assert times[len(times) * 95 // 100] < within(0.25)  # who met a worker just as it fell asleep waits for another
    assert times[-1] < within(3.5)
    for handler in handlers:
        handler.kill()  # asked to end, they would first wake up
