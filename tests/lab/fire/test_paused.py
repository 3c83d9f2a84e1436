"""An edge that is paused for seconds under load (SIGSTOP, `docker pause`), and what its workers do meanwhile."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

import pytest

from slbroker.bus.roster import BROKER_LIVENESS
from tests.lab.fire.site import SCALE, after
from tests.support.timing import until, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.fire.conftest import Report
    from tests.lab.fire.site import Site

PAUSE: Final = 3.0  # seconds: more than a connection of the bus is silent for before it is given up
RATE: Final = 200  # requests a second
TIMES: Final = 10 if SCALE >= 1 else 4
# Answers leave one by one, many while the edge is paused: more than a queue of the bus takes.
PLUGIN: Final = """
import asyncio, random
from slbroker import Handlers
app = Handlers()
@app.on("MESSAGE")
async def slow(request):
    await asyncio.sleep(random.uniform(0.01, 2.0))
    return request.reply(200)
"""


@pytest.mark.parametrize("workers_are", ["killed meanwhile", "there"])
def test_an_edge_that_was_paused_goes_on(site: Site, report: Report, tmp_path: Path, workers_are: str) -> None:
    """libzmq 4.3.5 has ended it: a PING behind a full queue, of a connection that has gone (its issue 4767)."""
    plugin = tmp_path / "slow.py"
    plugin.write_text(PLUGIN)
    edge = site.edge(calls=False)
    workers = site.workers(2, "--plugin", str(plugin))
    load = site.load(edge, rate=RATE, seconds=600, linger=within(10))
    for _ in range(TIMES):
        after(2.0)
        edge.process.send(signal.SIGSTOP)
        after(PAUSE / 2)
        if workers_are != "there":
            for worker in workers:
                worker.kill()
        after(PAUSE / 2)
        edge.process.send(signal.SIGCONT)
        if workers_are != "there":
            after(0.3)
            workers = site.workers(2, "--plugin", str(plugin))
        after(0.7)  # libzmq's timers come every 0.5 s
        assert edge.process.running, edge.process
    result = load.stop()
    report("pauses of 3 s; requests", f"{TIMES}; {len(result):,}")
    report("unanswered; by status", f"{len(result.unanswered)}; {dict(result.statuses)}", "0")
    assert not result.unanswered
    until(lambda: edge.process.running, what="the edge is there")


def test_what_a_paused_broker_has_goes_to_the_other_one_in_two_seconds(site: Site, report: Report) -> None:
    """It says something four times a second, so its silence tells, PINGs or not; continued it goes on."""
    brokers = [site.addresses(number) for number in range(2)]
    paused, _other = running = [site.broker(broker) for broker in brokers]
    edge = site.edge(*brokers[0].option, *brokers[1].option, calls=False)
    site.workers(2, buses=tuple(broker.handlers for broker in brokers))
    edge.process.wait_for("joins pool", times=2)
    load = site.load(edge, rate=RATE, seconds=600, linger=within(10))
    after(1.0)
    paused.send(signal.SIGSTOP)
    after(PAUSE + 1)
    paused.send(signal.SIGCONT)
    edge.process.wait_for("joins pool", times=3)
    after(1.0)
    result = load.stop()
    slowest = max(record.latency for record in result)
    report("requests, unanswered", f"{len(result):,}, {len(result.unanswered)}", "none unanswered")
    report("slowest", f"{slowest:.2f} s", "2.5 s")
    assert not result.unanswered
    assert dict(result.statuses) == {200: len(result)}
    assert slowest < within(BROKER_LIVENESS + 0.5)
    assert all(process.running for process in running)
