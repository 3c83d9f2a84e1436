"""Every process is replaced, one by one, while requests come in: none of them is left without an answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.lab.fire.checks import assert_all_answered_once, source_figures, spread, summary
from tests.lab.fire.lines import leavers, losses, lost_requests
from tests.lab.fire.prober import wait_until_back
from tests.lab.fire.site import RATE, SCALE, after, seconds
from tests.support.processes import Process
from tests.support.timing import within

if TYPE_CHECKING:
    from tests.lab.fire.conftest import Report
    from tests.lab.fire.records import Result
    from tests.lab.fire.site import Site
    from tests.peers.brokers import Edge

WORKERS: Final = 4 if SCALE >= 1 else 2
KILLED_WITHIN: Final = 1.0  # seconds from its sending, for what a broker had that was killed
NOTICE: Final = 0.6  # seconds that an edge serves on while it answers OPTIONS with 503


def test_workers_are_replaced_one_by_one(site: Site, report: Report) -> None:
    edge = site.edge()
    workers = site.workers(WORKERS)
    gone = [worker.pid for worker in workers]
    load = site.load(edge, rate=RATE)
    for number, worker in enumerate(workers):
        after(seconds(1, 0.3))
        assert worker.stop() == 0, worker
        workers[number] = site.worker()
    after(seconds(1, 0.3))
    result = load.stop()
    report("requests a second", f"{len(result) / result.seconds:,.0f}", "5,000 at full size")
    report("requests, unanswered", f"{len(result):,}, {len(result.unanswered)}", "none unanswered")
    report("p50 / p99 / slowest", spread(result))
    report("load source: CPU, behind by", source_figures(result))
    assert_all_answered_once(result, edge)
    assert {record.worker for record in result} >= {worker.pid for worker in workers}
    log = edge.process.log
    assert [int(name.split(":")[1]) for name in leavers(log)] == gone
    assert not losses(log)
    assert not lost_requests(log)


@pytest.mark.parametrize("notice", [0.0, NOTICE], ids=["unannounced", "announced"])
def test_edges_are_replaced_one_by_one(site: Site, report: Report, notice: float) -> None:
    buses = (f"{site.bus}-a", f"{site.bus}-b")
    option = ("--drain-notice", str(notice))
    edges = [site.edge(*option, bus=bus) for bus in buses]
    workers = site.workers(2, buses=buses)
    # A peer that repeats itself as SIP does; that it asks who is there first is what the notice is for.
    load = site.load(*edges, rate=RATE, retransmit=True, probe=bool(notice), linger=10)
    for number, edge in enumerate(edges):
        after(seconds(1, 0.6))
        assert edge.process.stop() == 0, edge.process
        assert_nothing_left(edge)
        for worker in workers:
            assert re.search(rf"INFO .*edge \S+:{edge.process.pid} at \S+ leaves; \d+ requests", worker.log), worker
        edges[number] = site.edge(*option, bus=edge.bus, port=edge.port)
        wait_until_back(edge.port)
    after(seconds(1, 0.6))
    result = load.stop()
    again = sum(record.sends > 1 for record in result)
    report("requests a second", f"{len(result) / result.seconds:,.0f}", "5,000 at full size")
    report("requests, unanswered", f"{len(result):,}, {len(result.unanswered)}", "none unanswered")
    report("sent again after T1", again, "none when it is announced" if notice else "")
    report("503 from an edge without workers", result.statuses[503], "none when it is announced" if notice else "")
    report("p50 / p99 / slowest", spread(result))
    report("load source: CPU, behind by", source_figures(result))
    assert not result.unanswered, summary(result)
    assert result.duplicates == result.stray == 0, summary(result)
    # An edge that is back says 503 until its workers are back, too. Who asks first sees that, and goes elsewhere.
    assert set(result.statuses) <= ({200} if notice else {200, 503}), summary(result)
    if notice:
        assert_told_in_time(result)


def assert_nothing_left(edge: Edge) -> None:
    """What it had taken in was answered before it ended; so it says itself."""
    said = dict(re.findall(r"(\w+) (\d+)", edge.process.wait_for("edge stopped").partition("stopped: ")[2]))
    assert int(said.pop("received")) == sum(int(said.pop(fate, 0)) for fate in ("replied", "shed")) > 0
    assert not said


def assert_told_in_time(result: Result) -> None:
    """Each edge said 503 to the probes before it went, and answered what it had: nothing had to be sent again."""
    assert {target for _at, target, status in result.probes if status == 503} == {0, 1}
    assert all(record.sends == 1 for record in result), summary(result)


def test_brokers_are_replaced_one_by_one(site: Site, report: Report) -> None:
    """Two of them, of which one ends well and the other is killed; no peer notices."""
    brokers = [site.addresses(number) for number in range(2)]
    running = [site.broker(broker) for broker in brokers]
    ended, killed = (process.pid for process in running)
    edge = site.edge(*brokers[0].option, *brokers[1].option)
    workers = site.workers(2, buses=tuple(broker.handlers for broker in brokers))
    wait_until_back(edge.port)
    before = edge.figures()["received"]
    load = site.load(edge, rate=RATE)
    for end, broker, process in zip((Process.stop, Process.kill), brokers, running, strict=True):
        after(seconds(1, 0.5))
        end(process)
        new = site.broker(broker)
        for worker in workers:
            worker.wait_for(f":{new.pid}:")  # whom it is ready for
        after(seconds(1, 0.5))
    result = load.stop()
    report("requests a second", f"{len(result) / result.seconds:,.0f}", "5,000 at full size")
    report("requests, unanswered", f"{len(result):,}, {len(result.unanswered)}", "none unanswered")
    report("p50 / p99 / slowest", spread(result), "slowest 1 s")
    report("load source: CPU, behind by", source_figures(result))
    assert_all_answered_once(result, edge, before)
    assert max(record.latency for record in result) < within(KILLED_WITHIN)
    log = edge.process.log
    assert [name for name in leavers(log) if f":{ended}:" in name], log
    (lost,) = losses(log)
    assert f":{killed}:" in lost.worker
    assert len(lost_requests(log)) == lost.had
    assert all(f":{killed}:" in each.worker for each in lost_requests(log))
