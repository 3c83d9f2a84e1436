"""`slbroker top` and `stats --watch` in a terminal, beside a SIPp run."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest

from tests.peers.sipp import run_sipp
from tests.support.processes import child_environment
from tests.support.timing import until, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start
    from tests.peers.conftest import Deployment

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]
_control = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A command in a terminal of 160 columns, and what it has shown."""

    def __init__(self, *words: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        environment = child_environment({"TERM": "xterm", "COLUMNS": "160", "LINES": "50"})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "slbroker", *words], stdin=slave, stdout=slave, stderr=slave, env=environment
        )
        os.close(slave)
        self.shown = ""

    def wait_for(self, pattern: str) -> None:
        deadline = time.monotonic() + within(20)
        while not re.search(pattern, self.shown):
            assert time.monotonic() < deadline, self.shown[-4000:]
            if select.select([self._master], [], [], 0.1)[0]:
                self.shown += _control.sub(" ", os.read(self._master, 65_536).decode(errors="replace"))

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(within(10))
        finally:
            self.process.kill()
            os.close(self._master)


def test_top_shows_rates_replies_and_workers(deployment: Deployment, start_program: Start, tmp_path: Path) -> None:
    terminal = Terminal("top", "--bus", deployment.edge.bus, "--interval", "0.3")
    terminal.wait_for(r"Workers")
    run_sipp(start_program, "invite_404_ack", deployment.edge.port, tmp_path, calls=150, rate=150)
    terminal.wait_for(r"INVITE +404 +[1-9]\d* +\d+")
    terminal.wait_for(r"default +\S+ +2 ")
    replied = deployment.edge.wait_for_figures(in_flight=0)["replied"]
    terminal.wait_for(rf"INVITE +404 +0 +{replied}\b")
    assert terminal.interrupt() == 0


def test_top_into_a_pipe_prints_one_look_below_the_other(deployment: Deployment, start_slbroker: Start) -> None:
    top = start_slbroker("top", "--bus", deployment.edge.bus, "--interval", "0.1")
    until(lambda: top.output.count("Workers") >= 3)
    top.send(signal.SIGINT)
    assert top.wait() == 0
    assert "\x1b" not in top.output
    assert "ACKs absorbed/s" in top.output, "there is room for all columns"


def test_stats_watch_shows_what_changes(deployment: Deployment, start_program: Start, tmp_path: Path) -> None:
    terminal = Terminal("stats", "--watch", "--bus", deployment.edge.bus, "--interval", "0.3")
    terminal.wait_for(r"received +0")
    run_sipp(start_program, "options", deployment.edge.port, tmp_path, calls=50, rate=100)
    terminal.wait_for(r"received +\d+ +\+\d+")
    terminal.wait_for(r"sent: OPTIONS 200 +\d+")
    assert terminal.interrupt() == 0


def test_stats_json_has_what_workers_tell(deployment: Deployment, start_slbroker: Start) -> None:
    said = start_slbroker("stats", "--json", "--bus", deployment.edge.bus)
    assert said.wait() == 0
    (edge,) = json.loads(said.output)["edges"]
    assert {worker["told"]["served"] for worker in edge["workers"]} == {0}
    assert edge["uptime"] > 0
