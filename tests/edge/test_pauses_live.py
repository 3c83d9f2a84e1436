"""A paused machine: edge, broker and workers stopped together, and continued. Nobody is given up, nothing fails."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from slbroker.bus.dispatcher import EXCUSED, Cause
from slbroker.bus.envelope import Kind
from slbroker.bus.pauses import HELD_UP, Pauses
from slbroker.keys import create as create_keys
from slbroker.settings.dispatch import DispatchSettings
from tests.support.bus import FIRST_ID, Desk, hello
from tests.support.processes import run_slbroker
from tests.support.sip import read_reply, request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

PAUSE = float(os.environ.get("SLBROKER_TEST_PAUSE", "5.5"))  # seconds, more than twice TIMEOUT; 13 takes longer
TIMEOUT = "2.5"  # of handlers
CALLS = 128
PLUGIN = """
import asyncio
from slbroker import Handlers
app = Handlers()
@app.on("INVITE")
async def slow(request):
    await asyncio.sleep(1.5)
    return request.reply(486)
"""


def test_a_pause_is_what_the_clock_has_jumped_beyond_our_own_slowness() -> None:
    pauses = Pauses()
    assert [pauses.note(now) for now in (100.0, 100.05, 100.05 + HELD_UP, 114.05 + HELD_UP)] == [0.0, 0.0, 0.0, 13.0]
    assert [pauses.note(114.05 + HELD_UP + 1.5 * HELD_UP * times) for times in (1, 2, 3)] == [0.5 * HELD_UP] * 3


def test_what_is_waited_for_has_as_much_time_as_before() -> None:
    settings = DispatchSettings()
    desk = Desk(settings)
    desk.join("a", credit=1)
    desk.submit(2)
    assert desk.shares() == {"a": 1}
    desk.now += 13.0
    desk.dispatcher.make_up(13.0, desk.now)
    desk.expire_alone(settings.max_wait - 0.01)
    assert not desk.dispatcher.ended
    assert len(desk.dispatcher.workers) == 1
    desk.expire_alone(0.02)
    assert len(desk.dispatcher.ended) == 1  # the one that waited
    desk.expire_alone(settings.handler_timeout)
    assert len(desk.dispatcher.pools["default"]) == 1  # the one that the worker had
    desk.expire_alone(settings.liveness)
    assert not desk.dispatcher.workers


def test_what_workers_had_that_gave_us_up_for_a_pause_of_ours_waits_for_them_to_come_back() -> None:
    """Both tries would be used up at once, by two connections that are both gone."""
    desk = Desk()
    for name in ("a", "b"):
        desk.join(name)
    desk.submit(2)
    assert desk.shares() == {"a": 1, "b": 1}
    desk.now += 3.0
    desk.dispatcher.make_up(2.0, desk.now)
    for name in ("a", "b"):
        desk.dispatcher.lose(name.encode(), desk.now)
    desk.submit(1)
    assert (desk.dispatcher.ended, desk.shares()) == ([], {})
    desk.now += 0.1
    desk.say("a", Kind.HELLO, hello("a", 4))
    assert desk.kinds() == {"a": [Kind.WELCOME, Kind.REQUESTS]}
    assert len(desk.answer("a", *range(FIRST_ID, FIRST_ID + 3))) == 3


def test_losses_are_excused_for_a_second_behind_a_pause_and_not_again_at_once() -> None:
    """A request whose workers die of it must not go round."""
    desk = Desk()
    desk.dispatcher.make_up(2.0, desk.now)
    desk.now += EXCUSED
    desk.dispatcher.make_up(2.0, desk.now)
    for name in ("a", "b"):
        desk.join(name)
    desk.submit(1)
    for _ in range(2):
        (name,) = desk.shares()
        desk.dispatcher.lose(name.encode(), desk.now)
    assert [cause for _job, cause in desk.dispatcher.ended] == [Cause.NO_ANSWER]
    desk.submit(1)
    assert [cause for _job, cause in desk.dispatcher.ended] == [Cause.NO_ANSWER, Cause.NO_WORKER]


def figures_of(bus: str) -> dict[str, Any]:
    (figures,) = json.loads(run_slbroker("stats", "--bus", bus, "--json").output)["edges"]
    assert isinstance(figures, dict)
    return figures


@pytest.mark.parametrize("brokered", [False, True])
def test_what_was_paused_together_goes_on_together(start_slbroker: Start, tmp_path: Path, brokered: bool) -> None:
    plugin, ring, bus = tmp_path / "plugin.py", tmp_path / "ring", f"ipc://{tmp_path}/bus"
    plugin.write_text(PLUGIN)
    create_keys(ring)
    more: tuple[str, ...] = ()
    theirs, frozen = bus, []
    if brokered:
        theirs = f"ipc://{tmp_path}/handlers"
        frozen = [start_slbroker("broker", "--edges", f"ipc://{tmp_path}/edges", "--handlers", theirs)]
        frozen[0].wait_for("broker ready")
        more = ("--broker", f"ipc://{tmp_path}/edges")
    edge = start_slbroker(
        *("edge", "--listen", "udp:127.0.0.1:0", "--keys", str(ring), "--bus", bus, "--handler-timeout", TIMEOUT, *more)
    )
    port = int(edge.wait_for("edge ready").rpartition("udp:127.0.0.1:")[2].partition(",")[0])
    worker = start_slbroker("handler", "--bus", theirs, "--keys", str(ring), "--plugin", str(plugin))
    worker.wait_for("handler ready")
    until(lambda: figures_of(bus)["pools"]["default"]["workers"])
    frozen += [edge, worker]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(within(8.0))
        sock.connect(("127.0.0.1", port))
        for call in range(CALLS):
            via = f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{call}"
            sock.send(request("INVITE", call_id=f"call{call}", via=via))
        time.sleep(0.5)  # they are at the worker
        for process in frozen:
            process.send(signal.SIGSTOP)
        time.sleep(PAUSE)
        for process in frozen:
            process.send(signal.SIGCONT)
        statuses = [read_reply(sock.recv(65_535)).status for _ in range(CALLS)]
    figures = figures_of(bus)
    assert statuses == [486] * CALLS
    assert (figures["failed"], figures["shed"], figures["replied"], figures["in_flight"]) == (0, 0, CALLS, 0)
    assert "this process was held up for" in edge.log
    assert "INVITE" not in worker.log
