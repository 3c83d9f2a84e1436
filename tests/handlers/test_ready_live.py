"""When a handler says that an edge is there: once for each edge process, when it serves, and not when it leaves."""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

from slbroker import keys

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

END = [signal.SIGTERM, signal.SIGKILL]


@pytest.mark.parametrize("brokered", [False, True], ids=["direct", "brokered"])
@pytest.mark.parametrize("end", END, ids=["SIGTERM", "SIGKILL"])
def test_ready_is_said_once_for_each_edge_process(
    start_slbroker: Start, tmp_path: Path, end: signal.Signals, brokered: bool
) -> None:
    ring, bus = tmp_path / "ring", f"ipc://{tmp_path}/bus"
    keys.create(ring)
    edge = ("edge", "--listen", "udp:127.0.0.1:0", "--bus", bus, "--keys", str(ring), "--handler-timeout", "7")
    broker = ("broker", "--edges", f"ipc://{tmp_path}/edges", "--handlers", bus)
    other = ("edge", "--listen", "udp:127.0.0.1:0", "--keys", str(ring), "--broker", f"ipc://{tmp_path}/edges")
    peer = broker if brokered else edge
    first = start_slbroker(*peer)
    first.wait_for(" ready")
    worker = start_slbroker("handler", "--bus", bus, "--keys", str(ring))
    worker.wait_for("handler ready")
    if brokered:  # which says WELCOME again when it learns of edges and their times
        for timeout in ("6", "9"):
            own = ("--bus", f"ipc://{tmp_path}/bus-{timeout}", "--handler-timeout", timeout)
            start_slbroker(*other, *own).wait_for("joins")
    time.sleep(0.6)
    first.send(end)
    first.wait()
    worker.wait_for("leaves; 0 requests" if end is signal.SIGTERM else "; 0 requests of its are open here", 15.0)
    time.sleep(0.6)
    ready = re.findall(r"handler ready: edge \S+?:(\d+)", worker.log)
    assert ready == [str(first.pid)], worker.log
    second = start_slbroker(*peer)
    worker.wait_for("handler ready", times=2)
    time.sleep(0.6)
    assert re.findall(r"handler ready: edge \S+?:(\d+)", worker.log) == [str(first.pid), str(second.pid)]
    gone = len(re.findall(r"edge \S+ at \S+ (leaves|was started again|is silent)", worker.log))
    assert gone == 1, worker.log
