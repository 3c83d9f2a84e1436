"""Are the processes of a subject counted and ended, children too?"""

from __future__ import annotations

import sys
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
