"""Four workers under load: one is killed, one is stopped, both are replaced, the stopped one goes on."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.fire.checks import assert_all_answered_once, source_figures, spread
from tests.lab.fire.lines import by, losses, lost_requests
from tests.lab.fire.site import RATE, SCALE, after, seconds
from tests.support.timing import within

if TYPE_CHECKING:
    from tests.lab.fire.conftest import Report
    from tests.lab.fire.records import Record, Result
    from tests.lab.fire.site import Site

# Handler timeout, and how long one stands still. ZeroMQ gives up a connection whose other end is silent for 1.5 to 2 s,
# so the shorter one finds its connection as it was and its answers come in late; the longer one finds it gone.
SOON = (0.7, 1.0)
LONG = (5.0, 6.0)
KILLED_WITHIN = 1.0  # seconds from its sending, for what the killed one had
NOTHING = 0.1  # seconds in which a request that nobody holds up is answered
NOTICED = 1.4  # seconds of silence, and more, that make ZeroMQ give a connection up
RETRY_WITHIN = 0.5  # seconds beyond the handler timeout, for what the stopped one had


@pytest.mark.parametrize(("timeout", "pause"), [SOON, LONG] if SCALE >= 1 else [SOON])
def test_one_killed_one_stopped_both_replaced(site: Site, report: Report, timeout: float, pause: float) -> None:
    edge = site.edge("--handler-timeout", str(timeout))
    killed, stopped, *_others = site.workers(4)
    load = site.load(edge, rate=RATE, linger=within(timeout * 2))
    after(seconds(3, 0.5))
    killed.send(signal.SIGSTOP)  # for a moment, so that it surely has something when it goes
    after(0.2)
    killed_at = time.monotonic()
    killed.kill()
    site.worker()
    after(seconds(3, 0.5))
    stopped_at = time.monotonic()
    stopped.send(signal.SIGSTOP)
    (replacement,) = site.begin_workers(1)
    after(pause)
    stopped.send(signal.SIGCONT)
    replacement.wait_for("handler ready")
    after(seconds(3, 0.5))
    result = load.stop()

    before = [record for record in result if record.answered < stopped_at]
    killed_had = [record for record in before if record.sent < killed_at - NOTHING and record.answered >= killed_at]
    slow = [record for record in result if record.answered >= stopped_at and record.latency > min(timeout, NOTICED)]
    report("requests", len(result))
    report("requests a second", f"{len(result) / result.seconds:,.0f}", "5,000 at full size")
    report("unanswered", len(result.unanswered), "0")
    report("answers too many", result.duplicates, "0")
    report("one killed: p50 / p99 / slowest", spread(before), "slowest 1 s")
    report("held by the killed one", len(killed_had))
    report("one stopped: p50 / p99 / slowest", spread(result), f"slowest {timeout:g} s and the retry")
    report("held by the stopped one", len(slow))
    report("load source: CPU, behind by", source_figures(result))

    figures = assert_all_answered_once(result, edge)
    assert killed_had, "the killed one had nothing, so nothing was shown"
    assert slow, "the stopped one had nothing, so nothing was shown"
    # What it answered when it was let go on came too late, and none of it went out.
    assert (timeout, pause) != SOON or figures["late_answers"] == len(slow), figures
    assert max(record.latency for record in before) < within(KILLED_WITHIN)
    assert_the_log_tells(edge.process.log, result, killed.pid, killed_had, "is lost (its connection is gone)")
    why = f"has had it for {timeout:g} s" if (timeout, pause) == SOON else "is lost (its connection is gone)"
    assert_the_log_tells(edge.process.log, result, stopped.pid, slow, why)
    (loss,) = [each for each in losses(edge.process.log) if f":{killed.pid}:" in each.worker]
    assert loss.had >= len(killed_had)
    assert max(record.latency for record in result) < within(timeout + RETRY_WITHIN)


def assert_the_log_tells(log: str, result: Result, pid: int, had: list[Record], why: str) -> None:
    """The edge's log alone names each request that this worker did not answer, and the reason."""
    told = by(pid, lost_requests(log))
    numbers = {number for number, record in enumerate(result) if record in had}
    assert numbers <= {each.number for each in told}, (numbers, told)
    assert {(each.why, each.outcome) for each in told} == {(why, "it goes to another one")}
