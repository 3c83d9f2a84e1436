"""Is the simulation true? Against queueing theory where there is one, and against what the dispatcher promises."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import pytest

from slbroker.bus.dispatcher import Cause
from slbroker.bus.envelope import Kind
from slbroker.bus.membership import Standing
from slbroker.settings.dispatch import DispatchSettings
from tests.lab.simulation.scenario import MS, EdgeCost, Failure, Scenario, exponential, fixed, hung, stalling
from tests.lab.simulation.world import FIRST_ARRIVAL, World, percentile, simulate

FREE = EdgeCost(turn=0.0, request=0.0, envelope=0.0)
# One server, nothing else takes time: textbook queues. The credit keeps the queue in the worker.
QUEUE = Scenario(1, 100.0, exponential(5 * MS), credit=10_000, seconds=150.0, link=0.0, edge=FREE)
SMALL = Scenario(20, 1_500.0, exponential(5 * MS), seconds=3.0, audit=True)


# Against theory -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "wait"),
    [
        (QUEUE, 5 * MS),  # M/M/1 at load 0.5: load / (1 - load) of the service time
        (replace(QUEUE, service=fixed(5 * MS)), 2.5 * MS),  # M/D/1: half of that
        (replace(QUEUE, rate=160.0), 20 * MS),  # M/M/1 at load 0.8
    ],
)
def test_one_worker_is_the_queue_of_the_textbooks(scenario: Scenario, wait: float) -> None:
    outcome = simulate(scenario)
    # Answers of 2 ms and less wait for one another, so what is compared is the time to the handler's start.
    assert fmean(outcome.waits) == pytest.approx(wait, rel=0.08)
    assert outcome.answered == outcome.arrived


def test_an_async_worker_answers_credit_by_time_of_one() -> None:
    scenario = Scenario(1, 2_000.0, fixed(50 * MS), credit=16, seconds=2.0, is_async=True, edge=FREE)
    way = 50 * MS + 2 * scenario.link
    assert simulate(scenario).in_time == pytest.approx(16 / way, rel=0.03)


@pytest.mark.parametrize("credit", [4, 32])
def test_an_overloaded_worker_has_its_credit_as_a_queue(credit: int) -> None:
    """Little's law: what is answered has waited for credit, then behind as many as the credit allows."""
    outcome = simulate(Scenario(1, 400.0, fixed(5 * MS), credit=credit, seconds=5.0))
    expected = DispatchSettings().max_wait + credit * 5 * MS
    assert percentile(outcome.totals, 90) == pytest.approx(expected, rel=0.08)
    assert outcome.ended[Cause.NO_CREDIT] > 0.3 * outcome.arrived


def test_more_credit_than_the_timeout_allows_is_work_for_nothing() -> None:
    """Requests that wait in a worker for longer than the handler timeout are given again, and run twice."""
    scenario = Scenario(
        2, 60.0, fixed(50 * MS), credit=16, seconds=20.0, settings=DispatchSettings(handler_timeout=1.0)
    )
    good, bad = simulate(scenario), simulate(replace(scenario, credit=64))
    assert good.runs == good.answered
    assert bad.runs > 1.5 * bad.answered
    assert bad.in_time < 0.7 * good.in_time


# What always holds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["killed", "stopped", "restarted"])
@pytest.mark.parametrize("is_async", [False, True])
def test_every_request_ends_once_whatever_breaks(kind: str, is_async: bool) -> None:
    """`audit` counts after every turn of the edge; `run` fails when one has not ended."""
    failures = (Failure(0.5, 0.5, kind), Failure(1.5, 1.0, "restarted", down=0.3))
    outcome = simulate(replace(SMALL, failures=failures, is_async=is_async))
    assert outcome.answered + outcome.ended.total() == outcome.arrived
    assert outcome.lost >= 20
    assert outcome.retried > 0


def test_the_audit_sees_a_request_that_is_lost() -> None:
    world = World(SMALL)
    world.agenda.run(FIRST_ARRIVAL + 0.5)
    account = next(account for account in world.edge.dispatcher.workers.values() if account.open)
    account.open.popitem()
    with pytest.raises(AssertionError, match="have not ended"):
        world.edge.audit()


def test_a_seed_is_a_run() -> None:
    assert simulate(SMALL) == simulate(SMALL)
    assert simulate(SMALL).totals != simulate(replace(SMALL, seed=2)).totals


def test_a_quiet_fleet_says_what_the_protocol_says() -> None:
    """A heartbeat every 0.25 s, as far as both ends look at the clock then: every 0.05 s and every 0.1 s."""
    outcome = simulate(replace(SMALL, rate=1.0, seconds=9.0))
    assert 20 * 33 < outcome.sent[Kind.HEARTBEAT] < 20 * 41
    assert 20 * 28 < outcome.heard[Kind.HEARTBEAT] < 20 * 41
    assert (outcome.heard[Kind.HELLO], outcome.sent[Kind.WELCOME]) == (20, 20)


# What breaks ----------------------------------------------------------------------------------------------------


def test_what_killed_workers_had_is_answered_at_once() -> None:
    outcome = simulate(replace(SMALL, failures=(Failure(1.0, 0.1, "killed"),)))
    assert outcome.answered == outcome.arrived
    assert outcome.lost == 2
    assert outcome.totals[-1] < 0.5


def test_what_stopped_workers_had_is_answered_after_the_handler_timeout() -> None:
    outcome = simulate(replace(SMALL, failures=(Failure(1.0, 0.1, "stopped"),)))
    assert outcome.answered == outcome.arrived
    late = [total for total in outcome.totals if total > 0.5]
    assert len(late) == outcome.retried == outcome.slower_than(5.0)
    assert late[-1] < 5.2


def test_a_herd_that_comes_back_together_is_welcome_within_the_second() -> None:
    world = World(replace(SMALL, workers=300, failures=(Failure(1.0, 1.0, "restarted", down=0.5),)))
    world.agenda.run(FIRST_ARRIVAL + 1.5)
    assert not any(worker.membership.standing is Standing.MEMBER for worker in world.workers)
    world.agenda.run(FIRST_ARRIVAL + 1.6)
    assert all(worker.membership.standing is Standing.MEMBER for worker in world.workers)


def test_a_worker_that_hangs_takes_no_more_than_the_others_are_behind_with() -> None:
    outcome = simulate(replace(SMALL, odd={0: hung}))
    assert outcome.answered == outcome.arrived
    assert 1 <= outcome.retried < 10


def test_a_stall_holds_up_what_is_behind_it_in_its_worker_alone() -> None:
    outcome = simulate(replace(SMALL, service=stalling(fixed(5 * MS), 500, 1.0)))
    assert 0 < outcome.slower_than(0.9) < 40
    assert percentile(outcome.totals, 95) < 0.1
