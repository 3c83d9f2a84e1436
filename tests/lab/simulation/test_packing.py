"""Packing quick workers makes full envelopes, and no caller waits longer for it where some requests are slow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slbroker.bus.packing import WORK
from tests.lab.simulation.policies import POLICIES
from tests.lab.simulation.questions import GATHERING, PACKED, SHIFTS, SPREAD
from tests.lab.simulation.scenario import MS, US, Scenario, Service, fixed
from tests.lab.simulation.world import Outcome, World, percentile, simulate

ALL_PACKED = ("0.1 ms; the edge gathers",)  # requests wait for each other, up to a millisecond, and for nothing else


def both(scenario: Scenario) -> tuple[Outcome, Outcome]:
    packed, spread = (simulate(replace(scenario, pool=POLICIES[policy])) for policy in (PACKED, SPREAD))
    assert packed.answered == spread.answered == packed.arrived == packed.runs
    return packed, spread


@pytest.mark.parametrize("shift", SHIFTS)
def test_p99_is_within_5_percent_of_what_spreading_gives(shift: str) -> None:
    scenario = replace(SHIFTS[shift], seconds=min(SHIFTS[shift].seconds, 10_000 / SHIFTS[shift].rate))
    packed, spread = both(scenario)
    before, after = percentile(spread.totals, 99), percentile(packed.totals, 99)
    assert after <= (before + WORK if shift in ALL_PACKED else 1.05 * before)


def test_quick_requests_travel_together_as_they_do_to_one_worker() -> None:
    alone = simulate(Scenario(1, 20_000.0, fixed(20 * US), seconds=2.0, edge=GATHERING))
    packed, spread = both(Scenario(16, 20_000.0, fixed(20 * US), seconds=2.0, edge=GATHERING))
    assert packed.items_per_envelope > 0.6 * alone.items_per_envelope > 3 * spread.items_per_envelope


@pytest.mark.parametrize("is_async", [False, True])
def test_handlers_that_block_or_await_use_all_workers(is_async: bool) -> None:
    packed, spread = both(Scenario(8, 800.0, fixed(5 * MS), seconds=2.0, is_async=is_async, edge=GATHERING))
    assert packed.totals == spread.totals
    assert min(packed.shares) > 0.95 * max(packed.shares)


def test_a_worker_that_turns_slow_in_mid_flight_gets_hardly_more_than_if_all_was_spread() -> None:
    """From the second second on it takes 20 ms a request, as for a disk that fails."""
    delayed = {}
    for policy in (PACKED, SPREAD):
        world = World(
            Scenario(8, 20_000.0, fixed(20 * US), seconds=3.0, edge=GATHERING, pool=POLICIES[policy], audit=True)
        )
        turned = _turning(world, 2.0)
        world.workers[0]._service = turned
        delayed[policy] = world.run().slower_than(0.01)
    assert delayed[PACKED] <= delayed[SPREAD] + 64


def _turning(world: World, when: float) -> Service:
    return lambda _rng: 20 * MS if world.agenda.now > when else 20 * US
