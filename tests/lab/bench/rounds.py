"""The rounds: every subject in every case in turn, with word of how far it is and how long it will still take."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tests.lab.bench import kamailio
from tests.lab.bench.measure import ToolError
from tests.lab.bench.processes import SubjectError
from tests.lab.bench.subjects import c_echo, python_echo, slbroker, slbroker_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.lab.bench.measure import Case, Plan, Sample
    from tests.lab.bench.subjects import Subject

START_AND_STOP_SECONDS = 1.5
"""What starting and ending a subject takes, roughly; only for the estimate shown at the start."""


class Bench:
    """The rounds, and what came out of them so far."""

    def __init__(
        self, subjects: Sequence[Subject], cases: Sequence[Case], measure: Callable[[Subject, Case], Sample]
    ) -> None:
        """`measure` starts a subject, loads it and stops it; it may raise SubjectError and ToolError."""
        self._subjects = subjects
        self._cases = cases
        self._measure = measure
        self.results: dict[Case, dict[str, dict[int, Sample]]] = {
            case: {subject.name: {} for subject in subjects} for case in cases
        }
        self.failures: list[str] = []
        self.repeated: list[str] = []

    def run(self, rounds: int, once: float) -> None:
        """Measure everything `rounds` times, each measurement about `once` seconds long.

        A subject that fails is tried a second time, and that is noted: now and then a Kamailio comes up mute.
        """
        steps = [
            (number, case, subject)
            for number in range(1, rounds + 1)
            for case in self._cases
            for subject in self._subjects
        ]
        progress(f"{len(steps)} measurements, about {minutes(len(steps) * (once + START_AND_STOP_SECONDS))}")
        began = time.monotonic()
        for done, (number, case, subject) in enumerate(steps, 1):
            said = self._step(number, case, subject)
            left = (time.monotonic() - began) / done * (len(steps) - done)
            progress(f"[{done}/{len(steps)}, {minutes(left)} left] round {number}, {case}, {subject.name}: {said}")

    def _step(self, number: int, case: Case, subject: Subject) -> str:
        where = f"round {number}, {case}, {subject.name}"
        try:
            sample = self._twice(subject, case, where)
        except (SubjectError, ToolError) as error:
            self.failures.append(f"FAILED in {where}: {error}")
            return f"FAILED: {error}"
        self.results[case][subject.name][number] = sample
        load = sample.load
        return f"{load.rps:.0f} requests/s, {sample.cpu_us():.1f} us CPU/request, {load.lost} lost"

    def _twice(self, subject: Subject, case: Case, where: str) -> Sample:
        try:
            return self._measure(subject, case)
        except (SubjectError, ToolError) as error:
            self.repeated.append(f"Failed once and was measured again, {where}: {error}")
            progress(self.repeated[-1])
            return self._measure(subject, case)


def progress(line: str) -> None:
    """Say what is going on; on stderr, so that stdout holds the tables alone."""
    click.echo(line, err=True)


def minutes(seconds: float) -> str:
    """Return a time span as people say it."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def describe_machine() -> str:
    """Return a line on the processor, the kernel, the interpreter and Kamailio, where there is one."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n"):
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    program = kamailio.find_kamailio()
    peer = f", {kamailio.version(program)}" if program else ""
    cpus = f"{len(os.sched_getaffinity(0))} CPUs ({model})"
    return f"{cpus}, Linux {platform.release()}, Python {platform.python_version()}{peer}"


def describe_plan(plan: Plan, rounds: int, loop: str) -> str:
    """Return a line on how it was measured; `loop` says what decided when a request was sent."""
    times = f"{rounds} round{'s' if rounds > 1 else ''} of {plan.seconds:g} s"
    return f"{times} after {plan.warmup:g} s of warm-up, {loop}, median (lowest-highest)"


def all_subjects(
    echo: Path, folder: Path, workers: Iterable[int], children: Iterable[int], kemi_children: Sequence[int] = ()
) -> tuple[list[Subject], list[str]]:
    """Return what can be measured on this machine, and a line for each thing that cannot.

    `echo` is the compiled echo; the numbers say with how many workers and children there is a subject each.
    """
    ours, notes = slbroker_subjects(folder, workers)
    theirs, more = kamailio_subjects(children, kemi_children)
    return [c_echo(echo), python_echo(), *theirs, *ours], notes + more


def slbroker_subjects(folder: Path, workers: Iterable[int]) -> tuple[list[Subject], list[str]]:
    """Return slbroker in the variants that are installed."""
    try:
        kind = slbroker_kind(folder)
    except SubjectError as error:
        return [], [f"Not measured: {error}"]
    kinds = ["compiled", "pure"] if kind == "compiled" else ["pure"]
    notes = ["The compiled twins are not built here: slbroker ran in pure Python only."]
    subjects = [slbroker(each, number) for each in kinds for number in workers]
    subjects += [slbroker(each, 1, remembered=True) for each in kinds]
    if kind == "compiled":
        subjects.insert(len(subjects) // 2, slbroker(kind, 1, kemi=kamailio.KEMI_SCRIPT))
    return subjects, [] if kind == "compiled" else notes


def kamailio_subjects(children: Iterable[int], kemi_children: Sequence[int]) -> tuple[list[Subject], list[str]]:
    """Return Kamailio with its two kinds of script."""
    program = kamailio.find_kamailio()
    if program is None:
        return [], ["Not measured: Kamailio is not installed, so there are no ratios to it."]
    subjects = [kamailio.native(program, number) for number in children]
    subjects += [kamailio.checked(program, number) for number in kemi_children[-1:]]
    wanted = list(kemi_children)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        if wanted and not kamailio.runs_python(program, Path(name)):
            return subjects, [f"Not measured: {kamailio.PYTHON_MISSING}."]
    return subjects + [kamailio.kemi(program, number) for number in wanted], []


def select(subjects: Sequence[Subject], wanted: Sequence[str]) -> list[Subject]:
    """Return the subjects whose name contains one of `wanted`, all of them when it is empty."""
    if not wanted:
        return list(subjects)
    chosen = [each for each in subjects if any(text.lower() in each.name.lower() for text in wanted)]
    if not chosen:
        names = ", ".join(f'"{each.name}"' for each in subjects)
        raise click.UsageError(f"--subject matches none of {names}")
    return chosen
