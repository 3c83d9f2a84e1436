"""Programs run beside a test, slbroker's own commands first: started, listened to, and always stopped."""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from threading import Event, Thread
from typing import IO, TYPE_CHECKING, NamedTuple, Self
from unittest.mock import patch

from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
_SLBROKER = (sys.executable, "-m", "slbroker")
_POLL_SECONDS = 0.05
# How long the pipes of an ended program may take to run dry.
_DRAIN_SECONDS = 2.0


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Every child's environment: this tree first, warnings as errors, none of the caller's own settings.

    Those of a `make test` that we run under are among these: a make of our own would go on with them.
    """
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("SLBROKER_", "MAKE")) or n == "SLBROKER_PURE"}
    kept["PYTHONPATH"] = os.pathsep.join(str(ROOT / part) for part in (".", "edge", "handlers"))
    kept["PYTHONWARNINGS"] = "error"
    kept["PYTHONUNBUFFERED"] = "1"
    return kept | dict(extra or {})


def gone(pid: int) -> bool:
    """Whether a process that is not our child has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


class Process:
    """A running program. As a context manager it is stopped at the end, whatever happened.

    It leads a process group of its own: what it leaves behind ends with it.
    """

    def __init__(self, *command: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
        self.command = command
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(env),
            cwd=cwd,
            start_new_session=True,
            encoding="utf-8",
            errors="backslashreplace",
        )
        # A pidfd tells the end without reaping, so the pid cannot be a stranger's when the group is swept.
        self._handle = os.pidfd_open(self._popen.pid)
        self._news = Event()
        self._output: list[str] = []
        self._log: list[str] = []
        self._readers = [
            self._read(self._popen.stdout, self._output),
            self._read(self._popen.stderr, self._log),
        ]

    def _read(self, pipe: IO[str] | None, lines: list[str]) -> Thread:
        def follow() -> None:
            for line in pipe or ():
                lines.append(line)
                self._news.set()

        reader = Thread(target=follow, daemon=True)
        reader.start()
        return reader

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._popen.returncode is None and not self._ends_within(0)

    @property
    def log(self) -> str:
        """All that it has written on stderr."""
        return "".join(self._log)

    @property
    def output(self) -> str:
        """All that it has written on stdout."""
        return "".join(self._output)

    def wait_for(self, text: str, seconds: float = 10.0, *, times: int = 1) -> str:
        """Wait for `text` on stderr, in so many lines, and return the last of these; fails with the log."""
        deadline = time.monotonic() + within(seconds)
        while True:
            self._news.clear()
            ended = not self.running
            if ended:
                self._drain()
            late = time.monotonic() >= deadline
            found = [line for line in self._log if text in line]
            if len(found) >= times:
                return found[times - 1].rstrip("\n")
            if ended or late:
                why = "it ended first" if ended else f"not within {within(seconds):g} s"
                raise AssertionError(f"only {len(found)} of {times} lines with {text!r}: {why}\n{self}")
            self._news.wait(_POLL_SECONDS)

    def send(self, number: signal.Signals) -> None:
        """Send it one signal; nothing happens if it has ended."""
        if self._popen.returncode is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def wait(self, seconds: float = 10.0) -> int:
        """Its exit status (minus the signal's number if one ended it); fails if it has not ended in time."""
        if self._popen.returncode is None:
            if not self._ends_within(within(seconds)):
                raise AssertionError(f"still running after {within(seconds):g} s: {self}")
            self._sweep()
        return self._popen.returncode

    def kill(self) -> int:
        """SIGKILL, as a crash would be."""
        self.send(signal.SIGKILL)
        return self.wait()

    def stop(self, seconds: float = 10.0) -> int:
        """SIGTERM, then SIGKILL if that has not ended it in time; returns the exit status."""
        self.send(signal.SIGTERM)
        if self._popen.returncode is None and not self._ends_within(within(seconds)):
            self.send(signal.SIGKILL)
        return self.wait()

    def _ends_within(self, seconds: float) -> bool:
        return bool(select.select([self._handle], [], [], seconds)[0])

    def _sweep(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()
        os.close(self._handle)
        self._drain()
        for pipe in (self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()

    def _drain(self) -> None:
        for reader in self._readers:
            reader.join(within(_DRAIN_SECONDS))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def __str__(self) -> str:
        return f"`{' '.join(self.command)}`\n--- stderr\n{self.log}--- stdout\n{self.output}---"


def slbroker(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Process:
    """Start `slbroker ARGUMENTS` from this tree, under the interpreter that runs the tests."""
    return Process(*_SLBROKER, *arguments, env=env, cwd=cwd)


def run_slbroker(
    *arguments: str, seconds: float = 20.0, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Process:
    """Run `slbroker ARGUMENTS` to its end and return it: see its `wait()`, `output` and `log`."""
    with slbroker(*arguments, env=env, cwd=cwd) as process:
        process.wait(seconds)
    return process


class Ended(NamedTuple):
    """A command that was called in this process, as a Process that has ended is looked at."""

    code: int
    output: str
    log: str

    def wait(self) -> int:
        """Its exit status."""
        return self.code


def call_slbroker(*arguments: str, cwd: Path | None = None) -> Ended:
    """Run `slbroker ARGUMENTS` to its end in this process: for a table, where Python's start would be most of it."""
    from slbroker.cli import main

    output, log = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        patch.object(sys, "argv", ["slbroker", *arguments]),
        patch.dict(os.environ, child_environment(), clear=True),
        redirect_stdout(output),
        redirect_stderr(log),
        chdir(cwd or Path()),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    assert isinstance(code, int)
    return Ended(code, output.getvalue(), log.getvalue())
