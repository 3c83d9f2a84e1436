"""The processes of one subject under test: started in order, their CPU read, ended by pid."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

READY_SECONDS = 20.0
"""A subject that is not ready by then is reported as failed."""

STOP_SECONDS = 5.0
"""What SIGTERM has not ended by then gets SIGKILL."""

POLL_SECONDS = 0.02

BACK_END = "back end"
"""The role of who answers behind a subject that forwards: it is the same for all, and its CPU is not theirs."""

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class SubjectError(Exception):
    """A subject that does not start, dies, or never answers; the message is one line."""


@dataclass(frozen=True)
class Program:
    """One command of a subject.

    `role` groups CPU figures ("server", "edge", "workers"); `ready` is a text in its log that says it serves,
    empty when nothing needs to be waited for. `children` is the role of its children, the same if that is empty.
    """

    role: str
    argv: Sequence[str]
    ready: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    children: str = ""


@dataclass(frozen=True)
class Stat:
    """From /proc/PID/stat: parent, start in ticks since boot, CPU ticks with those of reaped children.

    A process that has ended and was not waited for yet still has figures, but is not alive.
    """

    parent: int
    started: int
    ticks: int
    alive: bool


def read_stat(pid: int) -> Stat | None:
    """Return the figures of `pid`, or None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command name may hold spaces and parentheses; what follows the last one is numbers.
    fields = text[text.rindex(")") + 2 :].split()
    return Stat(
        parent=int(fields[1]),
        started=int(fields[19]),
        ticks=sum(map(int, fields[11:15])),
        alive=fields[0] not in "ZX",
    )


def run_time(pid: int) -> float:
    """Return the CPU seconds of the threads that `pid` has now, to the nanosecond; 0 where the kernel does not say.

    Ticks alone are a hundredth of a second: a server that takes a thousand requests a second uses ten of them in five.
    """
    nanoseconds = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            nanoseconds += int(file.read_text(encoding="ascii").split()[0])
    return nanoseconds / 1e9


def machine_busy() -> float:
    """Return the CPU seconds that all processors were not idle, time stolen by other machines included."""
    first = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0].split()
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, first[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND


def process_tree(root: int) -> dict[int, Stat]:
    """Return `root` and all its descendants, by pid."""
    stats = {int(entry.name): read_stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    tree: dict[int, Stat] = {}
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        stat = stats.get(pid)
        if stat is not None:
            tree[pid] = stat
            waiting += [child for child, its in stats.items() if its is not None and its.parent == pid]
    return tree


class Server:
    """A context manager: inside it the programs of a subject run, after it none of them does."""

    def __init__(self, programs: Sequence[Program], folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._running: list[tuple[Program, subprocess.Popen[bytes], Path]] = []

    def __enter__(self) -> Self:
        """Start every program; those of a role start together, and must be ready before the next ones start."""
        try:
            for _, alike in itertools.groupby(self._programs, lambda program: program.role):
                for program in alike:
                    self._start(program, self._folder / f"{len(self._running)}-{program.role}.log")
                self._wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self, program: Program, log: Path) -> None:
        with log.open("wb") as output:
            # A session of its own, so that Ctrl-C reaches the benchmark alone and it ends things in order.
            process = subprocess.Popen(
                program.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(program.environment) or None,
                cwd=self._folder,
                start_new_session=True,
            )
        self._running.append((program, process, log))

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        for program, _, log in self._running:
            while program.ready not in log.read_text(encoding="utf-8", errors="replace"):
                self.check()
                if time.monotonic() > deadline:
                    raise SubjectError(f"{program.role}: no {program.ready!r} in {READY_SECONDS:.0f} s{last_line(log)}")
                time.sleep(POLL_SECONDS)

    @property
    def pids(self) -> list[int]:
        """Return the processes that were started; each may have children."""
        return [process.pid for _, process, _ in self._running]

    def check(self) -> None:
        """Raise SubjectError when one of the processes has ended."""
        for program, process, log in self._running:
            if process.poll() is not None:
                raise SubjectError(f"{program.role} ended with code {process.returncode}{last_line(log)}")

    def cpu(self) -> dict[str, float]:
        """Return seconds of user and system time by role, all threads and children counted."""
        seconds: dict[str, float] = {}
        for program, process, _ in self._running:
            for role in (program.role, program.children or program.role):
                seconds.setdefault(role, 0.0)
            for pid, stat in process_tree(process.pid).items():
                role = program.role if pid == process.pid or not program.children else program.children
                seconds[role] += max(stat.ticks / TICKS_PER_SECOND, run_time(pid))
        return seconds

    def stop(self) -> None:
        """End all processes: SIGTERM and some time, then SIGKILL to what is left, children too."""
        trees = [process_tree(process.pid) for _, process, _ in self._running]
        try:
            for _, process, _ in reversed(self._running):
                process.terminate()
            deadline = time.monotonic() + STOP_SECONDS
            for _, process, _ in self._running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            for tree in trees:
                kill_leftovers(tree)
            for _, process, _ in self._running:
                process.wait()
            self._running.clear()

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.stop()


def still_runs(pid: int, then: Stat) -> bool:
    """Return whether this is still the process it was; one that merely reuses its pid started at another time."""
    now = read_stat(pid)
    return now is not None and now.alive and now.started == then.started


def kill_leftovers(tree: Mapping[int, Stat]) -> None:
    """SIGKILL the processes of `tree` that still run, and return when none of them does."""
    for pid, stat in tree.items():
        while still_runs(pid, stat):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            time.sleep(POLL_SECONDS / 10)


def last_line(log: Path) -> str:
    """Return ": " and the last line of a log, or nothing when it is empty."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return f": {said[-1]}" if said else ""


@contextlib.contextmanager
def ends_raise_interrupt() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM raise KeyboardInterrupt, so that the programs under test are ended too.

    SIGINT as well: a shell starts background jobs with it ignored.
    """
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
