"""SIPp calls two SIPps through an edge with a group of them: one is killed, and calls go to the other."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING

import pytest

from tests.peers.brokers import new_keys, start_edge
from tests.support.peers import free_udp_port, require_peer, sipp_ports
from tests.support.processes import run_slbroker
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.processes import Process

pytestmark = pytest.mark.peer

CALLS = 40


def start_server(start: Start, port: int, folder: Path) -> Process:
    words = ("-sn", "uas", "-i", "127.0.0.1", "-p", str(port), *sipp_ports(), "-nostdin")
    return start(require_peer("sipp"), *words, cwd=folder)


def call(start: Start, port: int, folder: Path) -> tuple[int, int]:
    """Make calls; return how many succeeded, and how many failed."""
    words = ("-sn", "uac", "-i", "127.0.0.1", "-p", str(free_udp_port()), *sipp_ports(), "-nostdin")
    more = ("-r", "20", "-m", str(CALLS), "-d", "100", "-timeout", f"{within(30):.0f}s")
    sipp = start(require_peer("sipp"), f"127.0.0.1:{port}", *words, *more, cwd=folder)
    sipp.wait(within(40))
    counted = [
        re.findall(rf"{which} call\s*\|\s*\d+\s*\|\s*(\d+)", sipp.output)[-1] for which in ("Successful", "Failed")
    ]
    return int(counted[0]), int(counted[1])


def test_calls_go_to_the_server_that_is_there(start_slbroker: Start, start_program: Start, tmp_path: Path) -> None:
    ports = [free_udp_port(), free_udp_port()]
    servers = [start_server(start_program, port, tmp_path) for port in ports]
    the_list = tmp_path / "dispatcher.list"
    the_list.write_text("\n".join(f"1 sip:127.0.0.1:{port}" for port in ports))
    # SIPp's server scenario takes no OPTIONS: whatever it answers, if anything, pings are not what this is about.
    options = ("--route", "pass=group:1", "--pass", "group:1", "--groups", str(the_list), "--ping-interval", "0")
    edge = start_edge(start_slbroker, new_keys(tmp_path), f"ipc://{tmp_path}/bus", options=options)

    def states() -> list[str]:
        found = json.loads(run_slbroker("stats", "--json", "--bus", edge.bus).output)["edges"][0]
        return [row["state"] for row in found["groups"]["1"]]

    assert call(start_program, edge.port, tmp_path) == (CALLS, 0)
    assert states() == ["active", "active"]
    servers[0].send(signal.SIGKILL)
    servers[0].wait()
    assert call(start_program, edge.port, tmp_path) == (CALLS, 0)  # who met the dead one has repeated its INVITE
    assert states() == ["inactive", "active"]
    assert edge.figures()["dropped"] == {}
