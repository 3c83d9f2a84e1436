"""Why the worker with the fewest open requests comes first: the other ways, on the same arrivals, do worse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.lab.simulation.policies import POLICIES
from tests.lab.simulation.scenario import MS, Scenario, exponential, hung, stalling
from tests.lab.simulation.world import Outcome, percentile, simulate

TEN = Scenario(10, 1_400.0, exponential(5 * MS), credit=64, seconds=4.0, audit=True)


def compare(scenario: Scenario) -> dict[str, Outcome]:
    outcomes = {policy: simulate(replace(scenario, pool=pool)) for policy, pool in POLICIES.items()}
    assert len({outcome.arrived for outcome in outcomes.values()}) == 1
    return outcomes


def p99(outcome: Outcome) -> float:
    return percentile(outcome.totals, 99)


def test_on_a_good_day() -> None:
    ours, spread, at_random, in_turn = compare(TEN).values()
    assert ours.totals == spread.totals  # there is nothing to pack
    assert 1.3 * p99(ours) < p99(in_turn) < p99(at_random)
    assert max(in_turn.shares) - min(in_turn.shares) <= 1
    assert max(ours.shares) < 1.2 * min(ours.shares)


def test_with_one_hung_worker_of_ten() -> None:
    ours, spread, at_random, in_turn = compare(replace(TEN, odd={0: hung})).values()
    assert ours.totals == spread.totals
    assert p99(ours) < 0.1 < 1.0 < min(p99(in_turn), p99(at_random))
    assert in_turn.retried == at_random.retried == TEN.credit
    assert ours.retried < TEN.credit / 4


def test_with_one_slow_worker_of_ten() -> None:
    ours, spread, at_random, in_turn = compare(replace(TEN, odd={0: exponential(50 * MS)})).values()
    assert ours.totals == spread.totals
    assert 5 * p99(ours) < min(p99(in_turn), p99(at_random))
    assert ours.slower_than(1.0) == 0 < min(in_turn.slower_than(1.0), at_random.slower_than(1.0))


def test_with_a_stall_now_and_then() -> None:
    ours, spread, at_random, in_turn = compare(replace(TEN, service=stalling(exponential(5 * MS), 2_000, 1.0))).values()
    assert ours.totals == spread.totals
    assert 2 * ours.slower_than(0.5) < min(in_turn.slower_than(0.5), at_random.slower_than(0.5))


@pytest.mark.parametrize("policy", POLICIES)
def test_no_worker_gets_more_than_its_credit(policy: str) -> None:
    """Ten credits for thirty requests: the rest waits, and is shed when nobody answers."""
    outcome = simulate(Scenario(10, 300.0, hung, credit=1, seconds=0.1, audit=True, pool=POLICIES[policy]))
    assert outcome.items_per_envelope == 1.0
    assert outcome.answered == 0
    assert outcome.runs == 10
