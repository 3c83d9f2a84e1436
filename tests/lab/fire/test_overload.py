"""Three times as many requests as the workers can answer: they answer as many as ever, and the rest is told, or not."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Final

import pytest

from tests.lab.fire.checks import spread, summary
from tests.lab.fire.lines import shed
from tests.lab.fire.plugin import SERVICE
from tests.lab.fire.records import percentile
from tests.lab.fire.site import SCALE, after, seconds
from tests.lab.fuzz.memory import read_usage
from tests.support.timing import TIME, within

if TYPE_CHECKING:
    from tests.lab.fire.conftest import Report
    from tests.lab.fire.records import Result
    from tests.lab.fire.site import Site
    from tests.peers.brokers import Edge

WORKERS: Final = 4
CREDIT: Final = 4
MAX_WAIT: Final = 0.5  # seconds
TICK: Final = 0.05  # seconds between two looks of the edge at what has waited for too long
OVERLOAD: Final = 3  # times what the workers can do
BUDGET: Final = 300  # 503s a second
NOISE: Final = 0.1  # seconds that this machine may take for itself
WARM_UP: Final = 1.0  # seconds; the queue is full after half of it
MAX_GROWTH: Final = 2_048  # kB of the edge's memory from then on

pytestmark = pytest.mark.alone  # it measures what the machine can do

POLICIES: Final = {
    "503 within a budget": ("503", BUDGET),
    "drop": ("drop", BUDGET),
    **({"503": ("503", 100_000)} if SCALE >= 1 else {}),
}


def test_three_times_what_can_be_done(site: Site, report: Report) -> None:
    """Edges with a policy each, one after the other, before the same workers."""
    edges = {
        name: site.edge(
            *("--max-wait", str(MAX_WAIT), "--overload", policy, "--overload-budget", str(budget)),
            bus=f"{site.bus}-{number}",
        )
        for number, (name, (policy, budget)) in enumerate(POLICIES.items())
    }
    site.workers(WORKERS, "--credit", str(CREDIT), buses=tuple(edge.bus for edge in edges.values()))
    capacity = measure_capacity(site, edges["drop"])
    for name, edge in edges.items():
        report(f"{name}: capacity, offered", f"{capacity:,.0f}/s, {capacity * OVERLOAD:,.0f}/s")
        overload(site, report, edge, capacity, *POLICIES[name])
        assert_the_log_tells_how_many(edge)


def overload(site: Site, report: Report, edge: Edge, capacity: float, policy: str, budget: int) -> None:
    load = site.load(edge, rate=capacity * OVERLOAD, user="block", linger=MAX_WAIT + 0.5)
    begun, sizes = after(WARM_UP), []
    while time.monotonic() < begun + seconds(8, 1.5):
        sizes.append(read_usage(edge.process.pid).rss)
        after(0.1)
    ended = time.monotonic()
    result = load.stop()

    answered = result.rate(begun, ended)
    refused = result.rate(begun, ended, 503)
    # It waits for max-wait, and no longer than a look at the clock beyond; at its worker the credit is in front of it.
    limit = MAX_WAIT + TICK + CREDIT * WORKERS / capacity
    p99 = percentile(result.latencies(), 0.99)
    half = len(sizes) // 2
    growth = median(sizes[half:]) - median(sizes[:half])
    report("    answered, 503, nothing", f"{answered:,.0f}/s, {refused:,.0f}/s, {len(result.unanswered):,}")
    report("    answered / capacity", f"{answered / capacity:.3f}", "0.9 at least")
    report("    answered: p50 / p99 / slowest", spread(result), f"p99 {limit * 1e3:.0f} ms")
    report("    503: p50 / p99 / slowest", spread(result, 503))
    report("    edge memory, growth", f"{max(sizes) / 1024:.1f} MB, {growth:+.0f} kB", "flat")

    assert set(result.statuses) <= {0, 200, 503}, summary(result)
    assert result.duplicates == result.stray == 0, summary(result)
    assert_fates(result, edge, policy, budget, refused)
    assert 0.9 * capacity / TIME <= answered
    assert p99 < within(limit + NOISE)
    assert growth < MAX_GROWTH


def assert_the_log_tells_how_many(edge: Edge) -> None:
    """Without --log-calls requests that are shed have no line each: a counted one every ten seconds, and at the end."""
    figures = edge.wait_for_figures(in_flight=0)
    refused, silent = figures["shed"], figures["dropped"].get("overload", 0)
    edge.process.stop()
    log = edge.process.log
    assert "no credit in pool default: shedding; 4 workers are connected" in log
    assert shed(log) == (refused + silent, refused)
    assert log.count("requests were shed in") + log.count(": shedding;") <= 4 + seconds(8, 1.5) // 5


def measure_capacity(site: Site, edge: Edge) -> float:
    """Answers a second when there is always enough to do, and no more."""
    load = site.load(edge, window=WORKERS * CREDIT * 2, user="block", seconds=seconds(3, 1.0))
    result = load.result()
    assert result.statuses == {200: len(result)}, summary(result)
    capacity = len(result) / (max(record.answered for record in result) - load.began)
    assert capacity < WORKERS / SERVICE
    return capacity


def assert_fates(result: Result, edge: Edge, policy: str, budget: int, refused: float) -> None:
    """The edge's figures are what the load source saw: each request answered, refused, or dropped as overload."""
    figures = edge.wait_for_figures(in_flight=0)
    statuses = result.statuses
    assert figures["received"] >= len(result)  # and what the capacity was measured with
    assert figures["shed"] == statuses[503]
    assert figures["dropped"].get("overload", 0) == len(result.unanswered)
    assert figures["failed"] == 0
    if policy == "drop":
        assert not statuses[503]
    elif budget == BUDGET:
        assert statuses[503] <= budget * (result.seconds + MAX_WAIT + 1.0)  # one second's worth may go at once
        assert refused >= 0.8 * budget
    else:
        assert not result.unanswered
