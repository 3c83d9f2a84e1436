"""Handlers that take 5 ms: more workers, more answers; and one worker whose handlers await holds many at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest

from tests.lab.bench.processes import TICKS_PER_SECOND, process_tree
from tests.lab.fire.checks import assert_all_answered_once, source_figures
from tests.lab.fire.site import SCALE, after, seconds
from tests.support.timing import TIME

if TYPE_CHECKING:
    from tests.lab.fire.conftest import Report
    from tests.lab.fire.site import Site

WARM_UP: Final = 0.5  # seconds
EIGHT: Final = 7  # times what one worker does, at least, that eight do
ASYNC: Final = 50  # times what a blocking worker holds, and does, at least, that one with async handlers does
CREDIT: Final = 512  # what the async worker takes at once
TRIES: Final = 3  # 10,000 requests a second take both cores: whatever else runs here for a moment is in the way

pytestmark = pytest.mark.alone  # it measures what the machine can do


def cpu(pid: int) -> float:
    """CPU seconds that a process has used, with all its threads."""
    return sum(stat.ticks for stat in process_tree(pid).values()) / TICKS_PER_SECOND


class Measured:
    """Throughput of some workers, all of them kept busy, and the CPU that it took."""

    def __init__(self, site: Site, workers: int, user: str, credit: int, time_full: float = 4.0) -> None:
        edge = site.edge("--handler-timeout", "30", "--max-wait", "30", calls=False)
        running = site.workers(workers, "--credit", str(credit))
        pids = {"edge": [edge.process.pid], "workers": [worker.pid for worker in running]}
        lasts = seconds(time_full, 1.2)
        # Twice what they take, so that edge and source need not wait for the workers, nor they for these.
        load = site.load(edge, window=workers * credit * 2, user=user, seconds=WARM_UP + lasts, linger=30)
        after(WARM_UP)
        begun, used = time.monotonic(), {name: sum(map(cpu, those)) for name, those in pids.items()}
        after(lasts - 0.1)
        ended = time.monotonic()
        self.cpu = {name: (sum(map(cpu, pids[name])) - used[name]) / (ended - begun) for name in pids}
        result = load.result()
        assert_all_answered_once(result, edge)
        self.rate = result.rate(begun, ended)
        self.held = max(record.held for record in result)
        self.source = source_figures(result)
        for process in (*running, edge.process):
            process.kill()

    def __str__(self) -> str:
        costs = (f"{name} {share:.0%}, {share / self.rate * 1e6:.0f} us each" for name, share in self.cpu.items())
        return f"{self.rate:,.0f}/s; CPU: {'; '.join(costs)}"


def test_blocking_handlers_scale_with_workers(site: Site, report: Report) -> None:
    # A machine that is busy otherwise shows less than there is.
    for _ in range(TRIES):
        rates = {}
        for count in (1, 8) if SCALE < 1 else (1, 2, 4, 8):
            measured = Measured(site, count, "block", credit=8)
            rates[count] = measured.rate
            report(f"{count} workers", measured)
        report("eight to one", f"{rates[8] / rates[1]:.2f}", "7 at least")
        if rates[8] >= EIGHT * rates[1] / TIME:
            return
    raise AssertionError(rates)


def test_an_async_worker_holds_many(site: Site, report: Report) -> None:
    blocking = Measured(site, 1, "block", credit=8)
    report("blocking", f"{blocking}; {blocking.held} held")
    assert blocking.held == 1
    # A machine that is busy otherwise shows less; that so many are held at once, it does show.
    enough = ASYNC * blocking.rate * SCALE / TIME
    for _ in range(TRIES):
        waiting = Measured(site, 1, "wait", CREDIT)
        report(f"async, credit {CREDIT}", f"{waiting}; {waiting.held} held")
        report("async to blocking", f"{waiting.rate / blocking.rate:.0f}", "50 at least")
        assert waiting.held >= ASYNC
        if waiting.rate >= enough:
            return
    assert waiting.rate >= enough
