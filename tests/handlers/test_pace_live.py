"""Blocking handlers, and three times what they can do: they answer as much as ever, soon, and nothing twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from tests.handlers.load import make_calls
from tests.lab.fire.records import percentile
from tests.peers.brokers import free_bus_address, new_keys, start_edge
from tests.support.timing import TIME, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

SERVICE: Final = 0.05  # seconds of one request
WORKERS: Final = 2
CAPACITY: Final = WORKERS / SERVICE
SECONDS: Final = 6.0
MAX_WAIT: Final = 0.5  # seconds at the edge, which looks every 50 ms
QUEUE: Final = 0.5  # seconds in the worker

PLUGIN = f"""
import asyncio, os, time
from slbroker import Handlers

app = Handlers(keepalive=False)

@app.otherwise
{{kind}} slow(request):
    with open(os.environ["CALLS"], "a") as calls:
        calls.write(request.headers["Call-ID"] + "\\n")
    {{first}}
    time.sleep({SERVICE})
    {{last}}
    return request.reply(200)
"""
KINDS = {
    "def": ("def", "pass", "pass"),
    "async def": ("async def", "pass", "pass"),
    "async def, after it has waited": ("async def", "await asyncio.sleep(0.01)", "pass"),
    "async def, before it waits": ("async def", "pass", "await asyncio.sleep(0.01)"),
    "async def, between": ("async def", "await asyncio.sleep(0.01)", "await asyncio.sleep(0.01)"),
}


@pytest.mark.timeout(within(60))
@pytest.mark.parametrize("kind", KINDS)
def test_three_times_what_blocking_handlers_can_do(start_slbroker: Start, tmp_path: Path, kind: str) -> None:
    plugin, calls = tmp_path / "answers.py", tmp_path / "calls"
    word, first, last = KINDS[kind]
    plugin.write_text(PLUGIN.format(kind=word, first=first, last=last))
    ring, bus = new_keys(tmp_path), free_bus_address("ipc", tmp_path)
    # The worker that has too much is found out within the test: 128 requests of 50 ms are 6.4 s.
    edge = start_edge(start_slbroker, ring, bus, options=("--handler-timeout", "2", "--tries", "2"))
    words = ("handler", "--bus", bus, "--plugin", str(plugin), "--keys", str(ring))
    workers = [start_slbroker(*words, env={"CALLS": str(calls)}) for _ in range(WORKERS)]
    for worker in workers:
        worker.wait_for("handler ready")
    made = asyncio.run(make_calls(edge.port, int(3 * CAPACITY), SECONDS, "OPTIONS", again=False))
    statuses = Counter(call.response.status if call.response else 0 for call in made)
    answered = [call for call in made if call.response and call.response.status == 200]
    times = sorted(call.seconds or 0.0 for call in answered)
    in_time = sum(call.sent + (call.seconds or 0.0) < made[0].sent + SECONDS for call in answered)
    print(f"{in_time} answered of {CAPACITY * SECONDS:.0f}, p99 {percentile(times, 0.99):.3f} s")
    for worker in workers:
        worker.wait_for("credit")
    assert set(statuses) == {200, 503}
    turns = 1 + (first + last).count("await")  # of the loop, behind the others in each
    assert in_time >= (0.9 if turns == 1 else 0.8) * CAPACITY * SECONDS / TIME
    assert percentile(times, 0.99) < within(MAX_WAIT + turns * QUEUE + SERVICE)
    assert max(Counter(calls.read_text().split()).values()) == 1
    assert edge.figures()["retried"] == 0
