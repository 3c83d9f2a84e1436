"""Retransmissions to workers that hang, over real sockets: no duplicate leaves."""

from __future__ import annotations

import json
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from slbroker.keys import create as create_keys
from tests.support.processes import run_slbroker
from tests.support.sip import read_reply, request
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

PLUGIN = """
import os
from slbroker import Handlers
app = Handlers()
@app.otherwise
def answer(request):
    return request.reply(486, headers={"X-Worker": str(os.getpid())})
"""
CALLS, TIMES = 40, 5
VIA = "SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{}"


@pytest.mark.parametrize("brokered", [False, True])
def test_what_a_hung_worker_has_is_repeated_and_answered_once(
    start_slbroker: Start, tmp_path: Path, brokered: bool
) -> None:
    """Half of the calls are at a stopped worker; each is sent five times, and answered by it once it goes on."""
    plugin, ring, bus = tmp_path / "plugin.py", tmp_path / "ring", f"ipc://{tmp_path}/bus"
    plugin.write_text(PLUGIN)
    create_keys(ring)
    more: tuple[str, ...] = ()
    theirs = bus
    if brokered:
        theirs = f"ipc://{tmp_path}/handlers"
        start_slbroker("broker", "--edges", f"ipc://{tmp_path}/edges", "--handlers", theirs).wait_for("broker ready")
        more = ("--broker", f"ipc://{tmp_path}/edges")
    edge = start_slbroker("edge", "--listen", "udp:127.0.0.1:0", "--keys", str(ring), "--bus", bus, *more)
    port = int(edge.wait_for("edge ready").rpartition("udp:127.0.0.1:")[2].partition(",")[0])
    workers = [
        start_slbroker("handler", "--bus", theirs, "--keys", str(ring), "--plugin", str(plugin)) for _ in range(2)
    ]
    for worker in workers:
        worker.wait_for("handler ready")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(within(3.0))
        sock.connect(("127.0.0.1", port))
        workers[0].send(signal.SIGSTOP)
        for turn in range(TIMES):
            for call in range(CALLS):
                sock.send(request("INVITE", call_id=f"call{call}", via=VIA.format(call)))
            time.sleep(0.25 if turn < TIMES - 1 else 0)
        workers[0].send(signal.SIGCONT)
        replies = [read_reply(sock.recv(65_535)) for _ in range(CALLS)]
        asked = run_slbroker("stats", "--bus", bus, "--json")
        (figures,) = json.loads(asked.output)["edges"]
        # A call whose answer has left is a new one when it comes again; what was in flight was answered once.
        while figures["replied"] > len(replies):
            replies.append(read_reply(sock.recv(65_535)))
    slow = [reply.one(b"Call-ID") for reply in replies if reply.one(b"X-Worker") == b"%d" % workers[0].pid]
    assert len({reply.one(b"Call-ID") for reply in replies}) == CALLS
    assert slow
    assert len(slow) == len(set(slow))
    # How many came again while they were in flight depends on when the hung one got them: any but the last time.
    assert 0 < figures["repeated"] <= len(slow) * (TIMES - 1)
    assert (figures["received"], figures["unaccounted"]) == (CALLS * TIMES, 0)
    assert figures["repeated"] + len(replies) == CALLS * TIMES
