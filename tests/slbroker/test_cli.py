"""Where a command's output cannot go, or has no letters for what is said: one line and an exit code, no traceback."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import Exit
from tests.support.processes import child_environment

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: str, out: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a command, its standard output into the file `out`."""
    environment = child_environment(env)
    del environment["PYTHONUNBUFFERED"]
    with open(out or "/dev/null", "wb") as stream:  # noqa: PTH123
        return subprocess.run(
            [sys.executable, "-m", "slbroker", *words], stdout=stream if out else subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment, check=False,
        )  # fmt: skip


@pytest.mark.parametrize("words", [("--help",), ("config", "edge"), ("check",), ()])
def test_a_disk_that_is_full_is_said_so(words: tuple[str, ...]) -> None:
    done = run(*words, out="/dev/full")
    assert (done.returncode, done.stderr) == (Exit.FAILURE, b"slbroker: cannot write: No space left on device\n")


def test_letters_that_the_terminal_has_not_are_escaped(tmp_path: Path) -> None:
    config = tmp_path / "\u0142.toml"
    config.write_text("listen = 'udp:127.0.0.1:0'\n")
    done = run("check", "--config", str(config), env={"PYTHONIOENCODING": "latin-1"})
    assert (done.returncode, done.stderr) == (Exit.OK, b"")
    assert rb"\u0142.toml:1 listen" in done.stdout


def test_a_name_that_the_locale_cannot_say_is_told_of(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('keys = "gr\u00fcn.ring"\n', encoding="utf-8")
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = run("check", "--config", str(config), env=env)
    assert done.returncode == Exit.CONFIG
    assert b"LC_ALL=C.UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr
