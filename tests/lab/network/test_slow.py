"""Links that are long, jittery and lossy: TCP brings everything, late, and credit bounds what is on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.network.scenarios import steady
from tests.lab.network.test_unreachable import check_nothing_lost
from tests.support.timing import TIME, within

if TYPE_CHECKING:
    from tests.lab.network.site import Site

DELAY = 0.05  # seconds each way
ROUND_TRIP = 2 * DELAY
JITTER = 0.01


def test_the_near_worker_gets_most(site: Site) -> None:
    """The one with the fewest open requests gets the next: a slow link has what the fast one cannot do."""
    site.start()
    site.there.cable.worsen(DELAY, JITTER, loss=0.02)
    outcome = steady(site, 2.0)
    check_nothing_lost(outcome)
    calls = outcome.caller
    assert calls.quantile(0.5) < within(0.05)
    assert 0 < len(calls.answers_of("there", 0.0)) < 0.5 * len(calls.calls)


def test_every_request_is_answered_over_a_lossy_link(site: Site) -> None:
    """There is no other link. What TCP cannot carry in time is answered all the same: 503."""
    site.there.cable.worsen(DELAY, JITTER, loss=0.05)
    site.start(site.there)
    outcome = steady(site, 2.5, rate=50.0)
    assert outcome.caller.unanswered == 0
    assert outcome.caller.doubles == 0
    assert outcome.caller.statuses <= {200, 503}
    assert outcome.figures["failed"] == 0
    assert outcome.caller.quantile(0.0) > ROUND_TRIP - 2 * JITTER
    assert site.there.cable.up.lost > 0


def test_credit_by_round_trip_is_what_a_worker_can_do(site: Site) -> None:
    """At most `credit` requests are on their way or at work, and each takes a round trip."""
    credit = 32
    site.there.cable.worsen(DELAY)
    site.start(site.there, handler=("--credit", str(credit)))
    outcome = steady(site, 2.0, window=2 * credit)
    answered = sum(call.status == 200 for call in outcome.caller.calls)
    seconds = max(call.answered for call in outcome.caller.calls) - outcome.caller.calls[0].sent
    assert 0.6 / TIME < answered / seconds / (credit / ROUND_TRIP) < 1.05
