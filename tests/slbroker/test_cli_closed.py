"""Files in a folder that is closed to us: each command says so in one line, and ends with the code for it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import Exit
from tests.support.processes import child_environment

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = 65_534
# What is named is in the folder {}: the words, the exit code, and what is said.
CASES = {
    "edge --listen udp:127.0.0.1:0 --keys {}/ring": (Exit.CONFIG, "cannot read key file"),
    "edge --config {}/a.toml": (Exit.CONFIG, "a.toml: Permission denied"),
    "edge --listen udp:127.0.0.1:0 --keys ring --pcap {}/inner/sip.pcap": (Exit.CONFIG, "there is no folder"),
    "edge --listen tls:127.0.0.1:0 --keys ring --tls-cert {}/c": (Exit.CONFIG, "c: Permission denied"),
    "monitor --token-file {}/token": (Exit.CONFIG, "token: Permission denied"),
    "rpc --token-file {}/token sl.stats": (Exit.CONFIG, "token: Permission denied"),
    "check --plugin {}/plugin.py": (Exit.PLUGIN, "plugin.py: Permission denied"),
    "check --kemi {}/script.py": (Exit.PLUGIN, "script.py: Permission denied"),
    "check edge --groups {}/list": (Exit.CONFIG, "list: Permission denied"),
    "check handler --record {}/inner/file": (Exit.CONFIG, "file cannot be written"),
}


@pytest.mark.parametrize("words", CASES)
def test_a_folder_that_is_closed_to_us_is_said_to_be(tmp_path: Path, words: str) -> None:
    code, said = CASES[words]
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0)
    is_root = os.geteuid() == 0  # whom nothing is closed to
    named = words.format(closed).split()
    done = subprocess.run(
        [sys.executable, "-m", "slbroker", *named], env=child_environment(), cwd="/", capture_output=True, text=True,
        timeout=60, check=False, user=NOBODY if is_root else None, extra_groups=[] if is_root else None,
    )  # fmt: skip
    closed.chmod(0o700)
    if "No module named" in done.stderr:
        pytest.skip("nobody cannot read this checkout")
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
