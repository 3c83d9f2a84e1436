"""deploy/systemd: what systemd itself says of the units, and what they say of slbroker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from slbroker_edge.transports.buffers import WANTED
from tests.deploy.files import DEPLOY, seconds
from tests.support.peers import require_peer

if TYPE_CHECKING:
    from pathlib import Path

UNITS: Final = sorted((DEPLOY / "systemd").glob("*.service"))
MOST_EXPOSED: Final = 1.5  # of 10, by `systemd-analyze security`

each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


def run(*words: str | Path) -> str:
    """Return all that a program says; fails where it fails."""
    ran = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def verify(unit: Path, folder: Path, more: str = "") -> str:
    """Return what `systemd-analyze verify` has to say of a unit whose program is there."""
    text = unit.read_text("utf-8").replace("/opt/slbroker/bin/slbroker", sys.executable)
    assert sys.executable in text
    (folder / unit.name).write_text(text.replace("[Service]\n", f"[Service]\n{more}"))
    words = (require_peer("systemd-analyze"), "verify", "--man=no", "--recursive-errors=no", folder / unit.name)
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout


def directives(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", unit.read_text("utf-8"), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def test_there_is_a_unit_for_each_role() -> None:
    assert [unit.name for unit in UNITS] == [
        "slbroker-broker.service", "slbroker-edge@.service", "slbroker-handler@.service", "slbroker-monitor.service",
    ]  # fmt: skip


@each_unit
def test_systemd_has_nothing_to_say_of_a_unit(unit: Path, tmp_path: Path) -> None:
    assert verify(unit, tmp_path) == ""


def test_an_unknown_directive_would_be_said(tmp_path: Path) -> None:
    """Without --recursive-errors `verify` ends with 0 all the same."""
    assert "WatchDogSecs" in verify(UNITS[0], tmp_path, "WatchDogSecs=3\n")


@each_unit
def test_what_a_unit_may_do_is_little(unit: Path) -> None:
    said = run(require_peer("systemd-analyze"), "security", "--offline=true", "--no-pager", unit)
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert exposure is not None, said
    assert float(exposure[1]) <= MOST_EXPOSED


@each_unit
def test_what_would_break_slbroker_is_left_allowed(unit: Path) -> None:
    told = directives(unit)
    assert "~@resources" not in " ".join(told["SystemCallFilter"]), "libzmq sets its thread's scheduling, or aborts"
    assert "ProcSubset" not in told, "boot_id is in /proc/sys: without it an edge forgets its ACKs at a restart"
    assert told["ReadWritePaths"] == ["/run/slbroker"]


@each_unit
def test_a_unit_waits_longer_than_a_drain_takes(unit: Path) -> None:
    least = {
        "slbroker-edge@": 10.0 + 5.0 + 6.0,
        "slbroker-handler@": 16.0,
        "slbroker-broker": 11.0,
        "slbroker-monitor": 5.0,
    }[unit.stem]
    assert float(directives(unit)["TimeoutStopSec"][0]) > least
    assert directives(unit)["Type"] == ["notify"]
    assert float(directives(unit)["WatchdogSec"][0]) >= seconds("30s")
    assert directives(unit)["KillMode"] == ["mixed"], "the parent of several processes tells its children"


@each_unit
def test_a_reload_needs_no_program_that_a_small_debian_lacks(unit: Path) -> None:
    """kill is procps's; a shell has its own."""
    assert directives(unit)["ExecReload"] == ["/bin/sh -c 'kill -HUP $MAINPID'"]


@each_unit
def test_every_variable_is_one_of_slbroker(unit: Path) -> None:
    from slbroker.cli import cli
    from slbroker.commands.variables import unknown_variables

    names = {value.partition("=")[0]: "x" for value in directives(unit).get("Environment", ())}
    assert list(unknown_variables(cli, names)) == []


def test_the_sysctl_allows_what_an_edge_asks_for() -> None:
    text = (DEPLOY / "systemd" / "slbroker.sysctl").read_text("utf-8")
    assert re.findall(r"^net\.core\.([rw])mem_max = (\d+)$", text, re.MULTILINE) == [
        ("r", str(WANTED)),
        ("w", str(WANTED)),
    ]


def test_user_and_directories_are_made_as_the_units_want_them(tmp_path: Path) -> None:
    """By systemd's own programs, in a root of the test's own."""
    if os.geteuid():
        pytest.skip("giving files away takes root")
    (tmp_path / "etc").mkdir()
    shutil.copy(DEPLOY / "systemd" / "slbroker.sysusers", tmp_path / "slbroker.conf")
    run(require_peer("systemd-sysusers"), f"--root={tmp_path}", tmp_path / "slbroker.conf")
    entry = re.search(r"^slbroker:\w*:(\d+):(\d+):", (tmp_path / "etc" / "passwd").read_text(), re.MULTILINE)
    assert entry is not None
    shutil.copy(DEPLOY / "systemd" / "slbroker.tmpfiles", tmp_path / "files.conf")
    run(require_peer("systemd-tmpfiles"), f"--root={tmp_path}", "--create", tmp_path / "files.conf")
    for name in ("run/slbroker", "etc/slbroker/keys"):
        status = (tmp_path / name).stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (int(entry[1]), int(entry[2]), 0o700)
