"""Calls from a browser over WebSocket through an edge to a SIPp that knows UDP only, ended from either side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.phones.browser import JSSIP, SIP_JS, Stack
from tests.interop.phones.phone import Task
from tests.peers.forwarding.calls import LADDERS, End, Sides, failures, steps
from tests.peers.forwarding.middle import UDP, Way, start_forwarding
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]

ANSWERED = "INVITE ->, <- 180, <- 200 +web, ACK ->"
LADDERS_OF_A_BROWSER = {
    "far-end": steps(ANSWERED, "<- wait 500, <- BYE, 200 ->"),
    "held": steps(ANSWERED, "INVITE ->, <- 200 +webhold, ACK ->, BYE ->, <- 200"),
    "cancelled": steps("INVITE ->, <- 180, CANCEL ->, <- 200, <- 487 INVITE, ACK ->"),
    "busy": steps("INVITE ->, <- 486, ACK ->"),
    "register": LADDERS["register"],
}
CALLS = ("far-end", "held", "cancelled", "busy")


@pytest.mark.parametrize(
    "stack", [pytest.param(JSSIP, id="JsSIP"), pytest.param(SIP_JS, id="SIP.js", marks=pytest.mark.proof)]
)
def test_a_browser_calls_a_phone_that_knows_udp_only(
    stack: Stack, start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    """What the callee sends inside the dialog comes back over the WebSocket, which is the only way to a browser.

    A browser's INVITE has more than 1,300 bytes: without transport=udp it would go by TCP (RFC 3261 18.1.1).
    """
    stack.require()
    sides = Sides(start_program, tmp_path, End(), 1, LADDERS_OF_A_BROWSER, seconds=60)
    hops = {user: f"sip:127.0.0.1:{port};transport=udp" for user, port in sides.ports.items()}
    of = Way(UDP, "ws:127.0.0.1", UDP, "udp:127.0.0.1")
    registers = hops.pop("register")
    others = ("--route", f"pass={registers} method=REGISTER", "--route", f"pass={registers}")
    edge = start_forwarding(start_slbroker, tmp_path, hops, of, others)
    server = f"127.0.0.1:{edge.ports[of.near_listen]}"
    task = Task(server, "ws", ["alice"], CALLS, tmp_path, within(1.0), within(1.5), frozenset(("held",)))
    said = stack.play(start_program, task)
    assert failures(sides.finish()) == {}, f"{said}\n{edge.process}"
