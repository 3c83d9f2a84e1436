"""Are the processes of a subject counted and ended, children too?"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.bench.processes import Program, Server, SubjectError, read_stat

if TYPE_CHECKING:
    from pathlib import Path


def test_cpu_counts_children_and_all_of_them_are_ended(tmp_path: Path) -> None:
    code = (
        "import os, signal, time\n"
        "child = os.fork()\n"
        "if not child: signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "while not child and time.process_time() < 0.2: pass\n"
        "print('ready' if not child else child, flush=True)\n"
        "time.sleep(60)\n"
    )
    with Server([Program("server", [sys.executable, "-c", code], "ready")], tmp_path) as server:
        seconds = server.cpu()["server"]
        log = (tmp_path / "0-server.log").read_text(encoding="ascii")
    child = int(next(line for line in log.split("\n") if line.isdigit()))
    assert seconds >= 0.19
    # Whoever inherits it may take its time to wait for it; it must not run any more.
    stat = read_stat(child)
    assert stat is None or not stat.alive


def test_a_subject_that_dies_is_reported_with_its_last_words(tmp_path: Path) -> None:
    program = Program("edge", [sys.executable, "-c", "raise SystemExit('no such option')"], "ready")
    with (
        pytest.raises(SubjectError, match="edge ended with code 1: no such option"),
        Server([program], tmp_path),
    ):
        pass


def test_cpu_is_counted_finer_than_in_ticks(tmp_path: Path) -> None:
    """A server that takes a thousand requests a second uses a few hundredths of a second, and a tick is one."""
    code = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.001)\n"
    with Server([Program("server", [sys.executable, "-c", code], "ready")], tmp_path) as server:
        seen = set()
        for _ in range(5):
            time.sleep(0.02)
            seen.add(server.cpu()["server"])
    assert len(seen) == 5


def test_programs_of_a_role_start_together_and_the_next_role_when_they_are_ready(tmp_path: Path) -> None:
    slow = "import time; time.sleep(0.5); print('ready', flush=True); time.sleep(9)"
    looks = (
        "import glob, time\n"
        "print(*[open(name).read() for name in glob.glob('*edge.log')], 'up', flush=True)\n"
        "time.sleep(9)\n"
    )
    edge = Program("edge", [sys.executable, "-c", slow], "ready")
    last = Program("workers", [sys.executable, "-c", looks], "up")
    began = time.monotonic()
    with Server([edge] * 16 + [last], tmp_path):
        assert time.monotonic() - began < 16 * 0.5
        assert (tmp_path / "16-workers.log").read_text("utf-8").count("ready") == 16
