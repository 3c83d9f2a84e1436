"""SIPp calls slbroker at 2,000 calls a second: no call fails, and no ACK gets past the edge.

For 3 s; `make calls` goes on for 10 s, here and in the other tests with SIPp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers.sipp import SECONDS, run_sipp
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start
    from tests.peers.conftest import Deployment

RATE = 2_000  # calls a second
CALLS = RATE * SECONDS

pytestmark = pytest.mark.peer


@pytest.mark.timeout(within(120))
@pytest.mark.parametrize("scenario", ["options", "register"])
def test_requests_are_answered(scenario: str, deployment: Deployment, start_program: Start, tmp_path: Path) -> None:
    """200 to each, To-tag and Via as the scenario checks them."""
    run = run_sipp(start_program, scenario, deployment.edge.port, tmp_path, calls=CALLS, rate=RATE)
    assert (run.failed, run.successful) == (0, CALLS), run.errors
    figures = deployment.edge.wait_for_figures(in_flight=0)
    (sent,) = run.sent.values()
    # A repeat that was lost on its way to us is in SIPp's count and not in ours.
    assert CALLS <= figures["received"] <= sent
    assert figures["replied"] == figures["received"]


@pytest.mark.timeout(within(120))
@pytest.mark.parametrize("scenario", ["invite_404_ack", "reinvite_488_ack"])
def test_every_ack_is_absorbed(scenario: str, deployment: Deployment, start_program: Start, tmp_path: Path) -> None:
    """Also the ACKs of re-INVITEs, which carry the peer's own To-tag."""
    run = run_sipp(start_program, scenario, deployment.edge.port, tmp_path, calls=CALLS, rate=RATE)
    assert (run.failed, run.successful) == (0, CALLS), run.errors
    figures = deployment.edge.wait_for_figures(in_flight=0, absorbed=run.sent["ACK"])
    assert figures["passed"] == figures["forwarded"] == deployment.acks_seen() == 0
    assert figures["dropped"] == {}
    assert figures["received"] == figures["replied"] + figures["absorbed"]
