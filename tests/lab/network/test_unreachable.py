"""A worker's host that cannot be reached, and one that is only busy: no request is lost, and neither is a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from slbroker.bus import sockets
from tests.lab.fire.lines import lost_requests
from tests.lab.network.scenarios import blocked, cut
from tests.support.timing import within

if TYPE_CHECKING:
    from tests.lab.network.scenarios import Outcome
    from tests.lab.network.site import Site

# Seconds after which an unreachable host is given up: what the sockets are told, and the edge's next look at it.
NOTICED = sockets.DEAD_HOST_MS / 1000 + 1.5
BACK = 2.5  # seconds from a whole link to the first answer over it
BLINK = 2.5


def check_nothing_lost(outcome: Outcome) -> None:
    assert outcome.caller.unanswered == 0
    assert outcome.caller.statuses == {200}
    assert outcome.caller.doubles == 0
    assert outcome.figures["replied"] == len(outcome.caller.calls)


def test_a_cut_link_costs_time_and_no_request(site: Site) -> None:
    """TCP says nothing for minutes. Meanwhile the other worker has all that comes, and later what was stuck."""
    site.start()
    outcome = cut(site, NOTICED)
    check_nothing_lost(outcome)
    assert outcome.noticed < within(NOTICED)
    assert len(outcome.caller.answers_of("here", outcome.broken)) > 0.9 * 300 * NOTICED
    assert outcome.back < within(BACK)
    stuck = {str(outcome.caller.calls.index(call)) for call in outcome.stuck}
    assert stuck
    told = lost_requests(site.edge_process.log)
    assert stuck <= {each.call_id.partition("@")[0].removeprefix("call-") for each in told}
    assert {each.why for each in told} == {"is lost (its connection is gone)"}


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_link_that_is_dead_in_one_direction(direction: str, site: Site) -> None:
    """The worse case: one end hears the other, and believes that all is well."""
    site.start()
    outcome = cut(site, BLINK, getattr(site.there.cable, direction))
    check_nothing_lost(outcome)
    assert outcome.noticed < within(BLINK + BACK)
    assert outcome.back < within(BACK)


def test_a_blocked_worker_is_not_taken_for_an_unreachable_one(site: Site) -> None:
    """It says nothing and reads nothing, with all the requests on it that it takes, and keeps its account."""
    seconds = 6.0
    site.start(site.there, edge=("--handler-timeout", "20", "--worker-liveness", "20"))
    outcome = blocked(site, seconds)
    first = outcome.caller.calls[0]
    assert (first.status, first.worker, first.replies) == (200, "there", 1)
    assert first.took == pytest.approx(seconds, abs=within(0.5))
    assert outcome.figures["failed"] == 0
    (worker,) = outcome.figures["workers"]
    assert worker["answered"] == outcome.figures["replied"]  # a new account would count from 0
