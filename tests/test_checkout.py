"""What a checkout offers beside the command: `make run`."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import Exit
from tests.support.peers import free_udp_port, require_peer
from tests.support.processes import ROOT, Process, child_environment
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator


VENV = Path(sys.prefix)
pytestmark = pytest.mark.skipif(not (VENV / "bin" / "slbroker").exists(), reason="slbroker is not in an environment")
# A newcomer has activated nothing.
PATH_WITHOUT_US = os.pathsep.join(
    folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "slbroker").exists()
)


def make_run(listen: str) -> tuple[str, ...]:
    """`make run` with the environment that the tests run in, as it is."""
    ready = f"{VENV}/.ready"
    return (require_peer("make"), "run", f"VENV={VENV}", f"LISTEN={listen}", "-o", "setup", "-o", ready)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield int(sock.getsockname()[1])


def test_make_run_on_a_busy_port_says_what_to_type(taken: int) -> None:
    ended = subprocess.run(
        make_run(f"udp:127.0.0.1:{taken}"), cwd=ROOT, env=child_environment(), capture_output=True, text=True,
        timeout=within(60), check=False,
    )  # fmt: skip
    assert ended.returncode != 0
    assert f"cannot listen on udp:127.0.0.1:{taken}: Address already in use" in ended.stderr
    hint = re.search(r"^Name other addresses: (make run LISTEN='.*')$", ended.stderr, re.MULTILINE)
    assert hint is not None
    assert [word.partition("=")[0] for word in shlex.split(hint[1])] == ["make", "run", "LISTEN"]
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_what_make_run_says_to_try_works_as_it_stands() -> None:
    port = free_udp_port()
    program, *words = make_run(f"udp:127.0.0.1:{port}")
    with Process(program, *words, cwd=ROOT, env={"PATH": PATH_WITHOUT_US}) as made:
        made.wait_for("handler ready", times=2)
        hints = re.findall(r"^(?:    |try: )(\S+ ping .*)$", made.output, re.MULTILINE)
        assert len(hints) == 2, made.output
        for hint in hints:
            asked = subprocess.run(
                hint, shell=True, cwd=ROOT, env=child_environment({"PATH": PATH_WITHOUT_US}), capture_output=True,
                text=True, timeout=within(20), check=False,
            )  # fmt: skip
            assert (asked.returncode, asked.stderr) == (Exit.OK, "")
            assert asked.stdout.startswith(f"200 OK from sip:127.0.0.1:{port} in ")
