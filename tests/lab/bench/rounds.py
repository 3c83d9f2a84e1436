"""The rounds: every subject in every case in turn, with word of how far it is and how long it will still take."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from tests.lab.bench import kamailio, opensips
from tests.lab.bench.measure import ToolError
from tests.lab.bench.processes import SubjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from tests.lab.bench.measure import Case, Plan, Sample
    from tests.lab.bench.subjects import Subject

START_AND_STOP_SECONDS = 1.5
"""What starting and ending a subject takes, roughly; only for the estimate shown at the start."""


class Row(NamedTuple):
    """A subject, and what it is asked in one go, between its start and its end."""

    subject: Subject
    cases: Sequence[Case]


class Bench:
    """The rounds, and what came out of them so far."""

    def __init__(
        self, rows: Sequence[Row], measure: Callable[[Subject, Sequence[Case]], Generator[Sample, None, None]]
    ) -> None:
        """`measure` starts a subject, loads it by each case, and stops it; it may raise SubjectError and ToolError."""
        self._rows = rows
        self._measure = measure
        self.results: dict[Case, dict[str, dict[int, Sample]]] = {}
        for row in rows:
            for case in row.cases:
                self.results.setdefault(case, {})[row.subject.name] = {}
        self.failures: list[str] = []
        self.repeated: list[str] = []
        self._done = 0

    def run(self, rounds: int, once: float, start: float = 0.0) -> None:
        """Measure everything `rounds` times, each measurement about `once` seconds long, and each start `start`.

        A subject that fails is tried a second time, and that is noted: now and then a Kamailio comes up mute.
        """
        steps = rounds * sum(len(row.cases) for row in self._rows)
        starts = rounds * len(self._rows)
        progress(f"{steps} measurements, about {minutes(steps * once + starts * (START_AND_STOP_SECONDS + start))}")
        began = time.monotonic()

        def say(where: str, said: str) -> None:
            self._done += 1
            left = (time.monotonic() - began) / self._done * (steps - self._done)
            progress(f"[{self._done}/{steps}, {minutes(left)} left] {where}: {said}")

        for number in range(1, rounds + 1):
            for row in self._rows:
                self._row(number, row, say)

    def _row(self, number: int, row: Row, say: Callable[[str, str], None]) -> None:
        left, failed = list(row.cases), False
        while left:
            try:
                with contextlib.closing(self._measure(row.subject, tuple(left))) as samples:
                    for sample in samples:
                        case, failed = left.pop(0), False
                        self.results[case][row.subject.name][number] = sample
                        say(f"round {number}, {case}, {row.subject.name}", in_words(sample))
            except (SubjectError, ToolError) as error:
                where = f"round {number}, {left[0]}, {row.subject.name}"
                if failed:
                    self.failures.append(f"FAILED in {where}: {error}")
                    say(where, f"FAILED: {error}")
                    left.pop(0)
                else:
                    self.repeated.append(f"Failed once and was measured again, {where}: {error}")
                    progress(self.repeated[-1])
                failed = not failed


def in_words(sample: Sample) -> str:
    """Return the figures of a measurement that show whether all is well."""
    load = sample.load
    latency = f", p50 {load.p50_us} us, p99 {load.p99_us} us" if load.rate else ""
    return f"{load.rps:.0f} requests/s, {sample.cpu_us():.1f} us CPU/request{latency}, {load.lost} lost"


def progress(line: str) -> None:
    """Say what is going on; on stderr, so that stdout holds the tables alone."""
    click.echo(line, err=True)


def minutes(seconds: float) -> str:
    """Return a time span as people say it."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def describe_machine() -> str:
    """Return a line on the processor, the kernel, the interpreter, and Kamailio and OpenSIPS, where there are any."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n"):
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    program, other = kamailio.find_kamailio(), opensips.find_opensips()
    peers = f", {kamailio.version(program)}" if program else ""
    peers += f", {opensips.version(other[0])}" if other else ""
    cpus = f"{len(os.sched_getaffinity(0))} CPUs ({model})"
    return f"{cpus}, Linux {platform.release()}, Python {platform.python_version()}{peers}"


def describe_plan(plan: Plan, rounds: int, loop: str) -> str:
    """Return a line on how it was measured; `loop` says what decided when a request was sent."""
    times = f"{rounds} round{'s' if rounds > 1 else ''} of {plan.seconds:g} s"
    settled = f", {plan.settle:g} s of full load behind each start" if plan.settle else ""
    return f"{times} after {plan.warmup:g} s of warm-up{settled}, {loop}, median (lowest-highest)"
