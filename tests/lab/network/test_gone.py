"""A host that loses its power and comes back with the same address: nobody hears a last word from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.network.scenarios import crash
from tests.lab.network.test_unreachable import check_nothing_lost
from tests.support.timing import within

if TYPE_CHECKING:
    from tests.lab.network.site import Site

AWAY = 2.0  # seconds
BACK = 1.0  # ... of a worker, which connects as soon as it has started
FOUND = 2.5  # ... of an edge, which its workers look for: an attempt has a second, and up to 0.5 s of pause follow


def test_a_workers_host_is_used_as_soon_as_it_is_back(site: Site) -> None:
    site.start()
    outcome = crash(site, AWAY, site.there, lambda: site.start_worker(site.there), "handler started")
    check_nothing_lost(outcome)
    assert outcome.back < within(BACK)


def test_workers_find_an_edge_that_is_back(site: Site) -> None:
    """What comes while there is no edge is lost, as to any server; SIP clients repeat it."""
    site.start()
    outcome = crash(site, AWAY, site.edge, site.start_edge, "edge ready")
    calls = outcome.caller.calls
    assert outcome.back < within(FOUND)
    assert all(call.replies for call in calls if call.sent > outcome.mended)
    back = outcome.mended + outcome.back
    assert {call.status for call in calls if call.sent > back} == {200}  # before, with no worker: 503
    assert outcome.caller.doubles == 0
