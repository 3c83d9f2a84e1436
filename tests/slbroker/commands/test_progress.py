"""How far long work is: a bar on a terminal, lines at intervals elsewhere."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from slbroker.commands.progress import EVERY, Progress
from slbroker.recording import Record, count_records, read_request, write_record
from slbroker.sip.message import Source
from tests.support.processes import child_environment, run_slbroker
from tests.support.sip import request

if TYPE_CHECKING:
    from pathlib import Path

RECORD = write_record(
    Record(1.0, Source("192.0.2.1", 5060, "udp:192.0.2.2:5060"), read_request(request("OPTIONS", "sip:192.0.2.2")))
)


def write_recording(folder: Path, count: int) -> Path:
    file = folder / "requests.jsonl"
    file.write_text(RECORD * count)
    return file


def on_terminal(*words: str, stdout_too: bool = False) -> tuple[int, bytes]:
    """The exit code of a slbroker whose standard error is a terminal, and what it writes there."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "slbroker", *words], stderr=theirs, stdout=theirs if stdout_too else subprocess.DEVNULL,
        env=child_environment({"TERM": "xterm"}),
    )  # fmt: skip
    os.close(theirs)
    said = b""
    with suppress(OSError):  # EIO: nobody has it open any more
        while data := os.read(ours, 65_536):
            said += data
    os.close(ours)
    return done.wait(), said


def test_where_nobody_watches_there_is_a_line_at_intervals() -> None:
    now, stream = [100.0], io.StringIO()
    with Progress("replay", 6_400, stream, lambda: now[0]) as progress:
        for done in range(1, 6_401):
            now[0] += 1 / 128
            progress.reach(done, "2 differ")
    lines = stream.getvalue().splitlines()
    counts = (1_280, 2_560, 3_840, 5_120, 6_400)
    assert lines == [f"replay: {count:,} of 6,400 ({count / 64:.0f}%), 128 a second; 2 differ" for count in counts]
    assert EVERY == 10


def test_what_is_short_says_nothing_there() -> None:
    stream = io.StringIO()
    with Progress("replay", 5, stream, lambda: 1.0) as progress:
        progress.reach(5)
    assert stream.getvalue() == ""


def test_of_what_nobody_knows_the_end_the_number_is_said() -> None:
    now, stream = [0.0], io.StringIO()
    with Progress("replay", None, stream, lambda: now[0]) as progress:
        now[0] = 20.0
        progress.reach(1_000)
    assert stream.getvalue() == "replay: 1,000, 50 a second\n"


def test_a_recording_is_counted(tmp_path: Path) -> None:
    assert count_records(write_recording(tmp_path, 7)) == 7
    assert count_records(tmp_path / "nowhere") is None
    os.mkfifo(tmp_path / "pipe")
    assert count_records(tmp_path / "pipe") is None


def test_replay_has_a_bar_on_a_terminal(tmp_path: Path) -> None:
    file = write_recording(tmp_path, 300)
    code, said = on_terminal("replay", str(file))
    assert code == 0
    assert b"replay" in said
    shown = [int(percent) for percent in re.findall(rb"(\d+)%", said)]
    assert shown == sorted(shown)
    assert shown[-1] == 100
    assert b"300/300" in said


def test_replay_has_no_bar_between_its_own_lines(tmp_path: Path) -> None:
    code, said = on_terminal("replay", str(write_recording(tmp_path, 3)), stdout_too=True)
    assert code == 0
    assert said.count(b"200 OK") == 3
    assert b"%" not in said


def test_replay_has_no_bar_in_a_log(tmp_path: Path) -> None:
    ended = run_slbroker("replay", str(write_recording(tmp_path, 300)))
    assert (ended.wait(), ended.log) == (0, "")
    assert ended.output.count("\n") == 301
