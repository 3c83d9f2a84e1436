"""--max-requests: handler processes are replaced while they serve, and no request is lost, refused, or kept waiting."""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from slbroker import keys
from slbroker_handlers.tenure import LONGEST_GREETING, Tenure, draw
from tests.lab.fire import records
from tests.lab.fire.site import PLUGIN
from tests.support.peers import free_udp_port
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.processes import Process

REQUESTS, WORKERS, MOST = 3_000, 4, 200
RATE = 500  # requests a second
CHANGE = re.compile(r"INFO .*handler (\d): process (\d+) leaves after (\d+) requests, process (\d+) is in its place")


class Ear:
    """A parent that notes what it is told."""

    lifeline = -1

    def __init__(self) -> None:
        self.heard: list[str] = []

    def is_weary(self, served: int) -> None:
        self.heard.append(f"weary after {served}")

    def is_ready(self) -> None:
        self.heard.append("ready")


def test_those_that_begin_together_do_not_end_together() -> None:
    drawn = Counter(draw(1_000) for _ in range(2_000))
    assert 900 <= min(drawn) < 920
    assert 1_080 < max(drawn) <= 1_100
    assert {draw(1) for _ in range(20)} == {draw(2) - 1 for _ in range(20)} == {1}


def test_a_process_says_once_that_it_is_ready_and_once_that_it_has_served_enough() -> None:
    ear = Ear()
    tenure = Tenure(1, ear)  # type: ignore[arg-type]
    tenure.look(0.0, 0, 2)
    tenure.look(1.0, 1, 2)
    assert ear.heard == [], "one edge has not welcomed it"
    tenure.look(2.0, 2, 2)
    tenure.look(3.0, 2, 2)
    tenure.served = 7
    tenure.look(4.0, 2, 2)
    tenure.look(5.0, 2, 2)
    assert ear.heard == ["ready", "weary after 7"]


def test_an_edge_that_is_down_does_not_keep_a_successor_from_being_ready() -> None:
    ear = Ear()
    tenure = Tenure(0, ear)  # type: ignore[arg-type]
    tenure.look(100.0, 1, 2)
    tenure.look(100.0 + LONGEST_GREETING + 0.1, 1, 2)
    assert ear.heard == ["ready"]
    tenure.served = 10**9
    tenure.look(200.0, 1, 2)
    assert ear.heard == ["ready"], "0 is for ever"


def send(start_program: Start, port: int, folder: Path, *words: str) -> records.Result:
    """Send MESSAGEs, and return what became of them."""
    out = folder / "load.json"
    command = (sys.executable, "-m", "tests.lab.fire.load", "--out", str(out), "--to", f"127.0.0.1:{port}", *words)
    load = start_program(*command)
    assert load.wait(60.0) == 0, load
    return records.read(out)


def start_edge(start_slbroker: Start, folder: Path) -> tuple[Process, int, tuple[str, ...]]:
    """An edge, its port, and the words that its handlers are told, too."""
    ring, bus, port = folder / "ring", f"ipc://{folder}/bus", free_udp_port()
    keys.create(ring)
    shared = ("--bus", bus, "--keys", str(ring))
    edge = start_slbroker("edge", "--listen", f"udp:127.0.0.1:{port}", *shared)
    edge.wait_for("edge ready")
    return edge, port, shared


def test_the_processes_are_replaced_while_they_serve(
    start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    edge, port, shared = start_edge(start_slbroker, tmp_path)
    handler = start_slbroker(
        "handler", *shared, "--plugin", str(PLUGIN), "--workers", str(WORKERS), "--max-requests", str(MOST)
    )
    handler.wait_for("handler ready", times=WORKERS)
    result = send(
        start_program, port, tmp_path, "--rate", str(RATE), "--seconds", str(REQUESTS / RATE), "--linger", "2"
    )
    assert len(result) >= REQUESTS * 0.9
    assert not result.unanswered
    assert result.statuses == {200: len(result)}
    assert result.duplicates == 0
    assert max(record.latency for record in result) < within(0.5)
    handler.wait_for("is in its place", times=2 * WORKERS)
    changes = CHANGE.findall(handler.log)
    for number in range(WORKERS):
        chain = [change for change in changes if change[0] == str(number)]
        assert len(chain) >= 2, handler.log
        assert all(later[1] == earlier[3] for earlier, later in pairwise(chain))
    assert all(int(served) >= MOST * 0.9 for _number, _left, served, _next in changes)
    assert handler.stop() == 0
    assert not re.search("WARNING|ERROR", handler.log + edge.log), handler.log + edge.log
    # SIGTERM may come while a successor, of which there is one at a time, serves beside the one it follows.
    assert handler.log.count("handler stopped") - len(changes) in (WORKERS, WORKERS + 1)


def test_the_handlers_of_a_run_are_replaced_too(start_slbroker: Start, start_program: Start, tmp_path: Path) -> None:
    port = free_udp_port()
    more = ("--plugin", str(PLUGIN), "--workers", "2", "--max-requests", "100")
    command = start_slbroker("run", "--listen", f"udp:127.0.0.1:{port}", *more, env={"XDG_RUNTIME_DIR": str(tmp_path)})
    command.wait_for("handler ready", times=2)
    result = send(start_program, port, tmp_path, "--rate", "200", "--seconds", "3", "--linger", "2")
    assert result.statuses == {200: len(result)}
    command.wait_for("is in its place", times=2)
    assert {pid for _number, pid, _served, _next in CHANGE.findall(command.log)} & {str(r.worker) for r in result}
    assert command.stop() == 0
    assert not re.search("WARNING|ERROR", command.log), command.log


def test_a_handler_of_one_process_ends_well_to_be_started_again(
    start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    _edge, port, shared = start_edge(start_slbroker, tmp_path)
    processes: list[Process] = []
    for _ in range(2):  # as systemd would, with Restart=always; the other one serves meanwhile
        processes.append(start_slbroker("handler", *shared, "--plugin", str(PLUGIN), "--max-requests", "50"))
        processes[-1].wait_for("handler ready")
    result = send(start_program, port, tmp_path, "--rate", "60", "--seconds", "1.5", "--linger", "2")
    assert not result.unanswered
    deadline = time.monotonic() + within(5.0)
    while all(process.running for process in processes) and time.monotonic() < deadline:
        send(start_program, port, tmp_path, "--rate", "20", "--seconds", "0.5", "--linger", "1")
    ended = next(process for process in processes if not process.running)
    assert ended.wait() == 0
    assert re.search(r"INFO .*leaving after \d+ requests, to be started again \(--max-requests\)", ended.log)
    assert "WARNING" not in ended.log


@pytest.mark.parametrize("most", ["-1", "many"])
def test_a_number_that_is_none_is_refused_in_a_line(start_slbroker: Start, most: str) -> None:
    handler = start_slbroker("handler", "--keys", "none", "--max-requests", most)
    assert handler.wait() == 2
    assert "--max-requests wants a whole number from 0 to" in handler.log
