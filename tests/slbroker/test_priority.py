"""Who carries no calls stands back: in its own session and among all others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os, sys
from pathlib import Path
from slbroker.priority import stand_back
path, before = Path(sys.argv[1]), os.nice(0)
stand_back(10, path)
print(os.nice(0) - before, os.sched_getscheduler(0) == os.SCHED_BATCH, path.read_text())
"""


@pytest.mark.parametrize(("own_session", "written"), [(True, "10"), (False, "")])
def test_a_session_is_lowered_by_who_has_begun_it(tmp_path: Path, own_session: bool, written: str) -> None:
    """A shell's session has the shell in it, and whatever else was started there."""
    path = tmp_path / "autogroup"
    path.touch()
    argv = [sys.executable, "-c", CODE, str(path)]
    done = subprocess.run(argv, start_new_session=own_session, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["10", "True", *([written] if written else [])]


def test_without_autogroups_it_is_nice_alone(tmp_path: Path) -> None:
    code = CODE.replace("path.read_text()", "''")
    argv = [sys.executable, "-c", code, str(tmp_path / "none" / "autogroup")]
    done = subprocess.run(argv, start_new_session=True, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["10", "True"]


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this kernel has no autogroups")
def test_linux_takes_it() -> None:
    code = "from slbroker.priority import stand_back; stand_back(); print(open('/proc/self/autogroup').read())"
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, start_new_session=True, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("nice 10")
    assert os.nice(0) < 10
