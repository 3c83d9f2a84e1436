"""Many calls a second through an edge, and through an edge and Kamailio; none fails, and a handler refuses every tenth.

200 a second for 3 s; `make forward-calls` makes 1,000 a second for 30 s, and wants the machine for itself.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.peers.brokers import free_bus_address, new_keys, start_edge
from tests.peers.forwarding.calls import LADDERS, End, Sides, failures, steps
from tests.peers.forwarding.middle import start_kamailio
from tests.peers.forwarding.plugin import REFUSED, write_plugin
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

FULL = "SLBROKER_TEST_FORWARD" in os.environ
SECONDS = int(os.environ.get("SLBROKER_TEST_FORWARD", "3"))
RATE = 1_000 if FULL else 200  # calls a second
REFUSALS = RATE // 10  # of these

pytestmark = [pytest.mark.peer, pytest.mark.alone, pytest.mark.timeout(within(60 + 2 * SECONDS))]


@pytest.mark.parametrize("stateful", [False, True], ids=["straight", "through Kamailio"])
def test_no_call_fails_while_every_tenth_is_refused(
    start_slbroker: Start, start_program: Start, tmp_path: Path, stateful: bool
) -> None:
    """INVITEs go by a worker, which refuses or forwards; all else goes by a route."""
    good = {"call": LADDERS["call"]}
    bad = {REFUSED: steps("INVITE +sdp ->, <- 403, ACK ->")}
    calls = (RATE - REFUSALS) * SECONDS
    sides = Sides(start_program, tmp_path, End(), calls, good, seconds=SECONDS + 10)
    refused = Sides(start_program, tmp_path, End(), REFUSALS * SECONDS, bad, seconds=SECONDS + 10, answered=False)
    hop = f"sip:127.0.0.1:{sides.ports['call']}"
    if stateful:
        hop = f"sip:127.0.0.1:{start_kamailio(start_program, tmp_path, {'call': hop}, stateful=True).port}"

    keys, bus = new_keys(tmp_path), free_bus_address("ipc", tmp_path)
    options = ("--route", "pool=default method=INVITE", "--pass", hop, "--route", f"pass={hop}", "--record-route")
    edge = start_edge(start_slbroker, keys, bus, options=options)
    plugin = write_plugin(tmp_path, {"call": hop})
    words = ("--bus", bus, "--keys", str(keys), "--plugin", str(plugin), "--workers", "1")
    start_slbroker("handler", *words).wait_for("handler ready")

    sides.begin(edge.port, End(), RATE - REFUSALS)
    refused.begin(edge.port, End(), REFUSALS)
    assert failures(sides.finish() | refused.finish()) == {}, str(edge.process)
    figures = edge.wait_for_figures(in_flight=0)
    print(f"{calls + REFUSALS * SECONDS} calls, {RATE} a second: {figures}")  # for who runs it with -s
    assert figures["absorbed"] >= REFUSALS * SECONDS
    assert figures["forwarded"] >= 3 * calls
    assert figures["replies"]["received"] == figures["replies"]["forwarded"] >= 3 * calls
    for fate in ("failed", "shed", "passed", "kernel_drops"):
        assert figures[fate] == 0, figures
