"""Which request was lost, by whom and why: read from the logs of real processes, as an operator would."""

from __future__ import annotations

import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from tests.peers.brokers import free_bus_address, new_keys, start_edge
from tests.support.sip import request
from tests.support.timing import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

PLUGIN = """
import time
from slbroker import Handlers
app = Handlers()
@app.on("INVITE")
def hang(request):
    time.sleep(2.0)
    return request.reply(486)
"""
CALLS = ["a\\x1b[31m\xff".encode("latin-1"), b"b", b"c"]
SHOWN = [r"a\\x1b[31m\xff", "b", "c"]


@pytest.mark.parametrize("brokered", [False, True])
@pytest.mark.parametrize("how", ["SIGKILL", "hangs"])
def test_the_logs_tell_which_request_was_lost_by_whom_and_why(
    start_slbroker: Start, tmp_path: Path, how: str, brokered: bool
) -> None:
    plugin, ring, bus = tmp_path / "plugin.py", new_keys(tmp_path), free_bus_address("ipc", tmp_path)
    plugin.write_text(PLUGIN)
    more: tuple[str, ...] = ()
    theirs, broker = bus, None
    if brokered:
        theirs = f"ipc://{tmp_path}/handlers"
        broker = start_slbroker("broker", "--edges", f"ipc://{tmp_path}/edges", "--handlers", theirs)
        broker.wait_for("broker ready")
        more = ("--broker", f"ipc://{tmp_path}/edges")
    started = start_edge(start_slbroker, ring, bus, options=("--handler-timeout", "1", "--tries", "1", *more))
    edge, port = started.process, started.port
    worker = start_slbroker("handler", "--bus", theirs, "--keys", str(ring), "--plugin", str(plugin))
    worker.wait_for("handler ready")
    edge.wait_for("joins pool default, credit 128")
    if broker is not None:
        broker.wait_for(f":{worker.pid}:")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        for number, call in enumerate(CALLS):
            via = f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{number}"
            sock.send(request("INVITE", call_id="@@", via=via).replace(b"@@", call))
        time.sleep(0.3)
        if how == "SIGKILL":
            worker.kill()
    for name in SHOWN:
        line = edge.wait_for(f"INVITE, Call-ID {name}: worker ")
        assert ("broker" if brokered else f":{worker.pid}:") in line or ":" in line
        assert "given up after 1 tries" in line
        if how == "SIGKILL":
            assert ("lost the worker that had it (" if brokered else "is lost (its connection is gone)") in line
            assert f":{worker.pid}:" in line, "behind a broker, too"
        else:
            assert "has had it for 1 s" in line
    if how == "SIGKILL" and broker is not None:
        lost = broker.wait_for("is lost: its connection is gone; 3 requests go back")
        assert f":{worker.pid}:" in lost
    if how == "hangs":  # the worker's own end; behind a broker it alone knows who
        worker.wait_for("handler hang at")
        assert "took 2" in worker.log
    edge.send(signal.SIGTERM)
    until(lambda: not edge.running, 10.0)
    if how == "hangs" and not brokered:
        worker.wait_for(" requests of its are open here")  # it leaves; or has left, while the handler blocked


WAITS = """
import asyncio
from slbroker import Handlers
app = Handlers()
@app.on("INVITE")
async def look_up(request):
    await asyncio.sleep(60.0)
    return request.reply(486)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_the_workers_log_tells_which_requests_an_edge_that_has_gone_took_along(
    start_slbroker: Start, tmp_path: Path, end: signal.Signals
) -> None:
    plugin, ring, bus = tmp_path / "plugin.py", new_keys(tmp_path), free_bus_address("ipc", tmp_path)
    plugin.write_text(WAITS)
    started = start_edge(start_slbroker, ring, bus)
    edge, port = started.process, started.port
    worker = start_slbroker("handler", "--bus", bus, "--keys", str(ring), "--plugin", str(plugin))
    worker.wait_for("handler ready")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number in range(3):
            via = f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{number}"
            sock.sendto(request("INVITE", call_id=f"call-{number}", via=via), ("127.0.0.1", port))
        time.sleep(0.5)
        edge.send(end)
    worker.wait_for(f":{edge.pid} at {bus} is silent for 2 s; 3 requests of its are open here")
    for number in range(3):
        line = worker.wait_for(f"INVITE, Call-ID call-{number}: handler look_up at")
        assert "is open, and nobody waits for its answer: edge " in line
        assert f":{edge.pid} at {bus} is silent for 2 s" in line
    edge.send(signal.SIGKILL)
