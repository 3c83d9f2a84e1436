"""Measure slbroker beside Kamailio and two bare echoes: CPU for each request, requests/s, latency.

Run it with the interpreter that slbroker is installed for: `python tests/bench/bench.py`. All subjects are
measured in turn, round after round, so that what else the machine does falls on all of them alike.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.measure import EXPECTED, Plan, Sample, ToolError, Tools, compile_tools, measure
from tests.bench.processes import SubjectError, ends_raise_interrupt
from tests.bench.report import as_markdown, as_text, render
from tests.bench.subjects import Subject, all_subjects, find_kamailio

START_AND_STOP_SECONDS = 1.5
"""What starting and ending a subject takes, roughly; only for the estimate shown at the start."""


class Bench:
    """The rounds, and what came out of them so far."""

    def __init__(self, tools: Tools, subjects: list[Subject], methods: tuple[str, ...], plan: Plan) -> None:
        self._tools = tools
        self._subjects = subjects
        self._methods = methods
        self._plan = plan
        self.results: dict[str, dict[str, dict[int, Sample]]] = {
            method: {subject.name: {} for subject in subjects} for method in methods
        }
        self.failures: list[str] = []

    def run(self, rounds: int) -> None:
        """Measure everything `rounds` times; a subject that fails is noted and tried again next round."""
        steps = [
            (number, method, subject)
            for number in range(1, rounds + 1)
            for method in self._methods
            for subject in self._subjects
        ]
        once = self._plan.seconds + self._plan.warmup + START_AND_STOP_SECONDS
        progress(f"{len(steps)} measurements, about {len(steps) * once / 60:.1f} minutes")
        for at, (number, method, subject) in enumerate(steps, 1):
            said = self._step(number, method, subject)
            progress(f"[{at}/{len(steps)}] round {number}, {method}, {subject.name}: {said}")

    def _step(self, number: int, method: str, subject: Subject) -> str:
        try:
            sample = measure(self._tools, subject, method, self._plan)
        except (SubjectError, ToolError) as error:
            self.failures.append(f"FAILED in round {number}, {method}, {subject.name}: {error}")
            return f"FAILED: {error}"
        self.results[method][subject.name][number] = sample
        load = sample.load
        return f"{load.rps:.0f} requests/s, {sample.cpu_us():.1f} us CPU/request, {load.lost} lost"


def progress(line: str) -> None:
    """Say what is going on; on stderr, so that stdout holds the tables alone."""
    click.echo(line, err=True)


def describe_machine() -> str:
    """Return a line on the processor, the kernel and the interpreter."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n"):
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    cpus = f"{len(os.sched_getaffinity(0))} CPUs ({model})"
    return f"{cpus}, Linux {platform.release()}, Python {platform.python_version()}"


def describe_kamailio() -> str:
    """Return Kamailio's version line, empty when it is not installed."""
    program = find_kamailio()
    if program is None:
        return ""
    done = subprocess.run([program, "-v"], capture_output=True, text=True, timeout=10, check=False)
    return ", " + done.stdout.partition("\n")[0].removeprefix("version:").strip()


def describe_plan(plan: Plan, rounds: int) -> str:
    """Return a line on how it was measured."""
    loop = f"open loop at {plan.rate:g} requests/s, at most" if plan.rate else "closed loop,"
    times = f"{rounds} round{'s' if rounds > 1 else ''} of {plan.seconds:g} s"
    return f"{times} after {plan.warmup:g} s of warm-up, {loop} {plan.window} in flight, median (lowest-highest)"


def select(subjects: list[Subject], wanted: tuple[str, ...]) -> list[Subject]:
    """Return the subjects whose name contains one of `wanted`, all of them when it is empty."""
    if not wanted:
        return subjects
    chosen = [each for each in subjects if any(text.lower() in each.name.lower() for text in wanted)]
    if not chosen:
        names = ", ".join(f'"{each.name}"' for each in subjects)
        raise click.UsageError(f"--subject matches none of {names}")
    return chosen


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 100))
@click.option("--seconds", default=4.0, show_default=True, type=click.FloatRange(0.1, 600), help="Of each measurement.")
@click.option("--warmup", default=1.0, show_default=True, type=click.FloatRange(0, 60), help="Seconds before it.")
@click.option("--window", default=128, show_default=True, type=click.IntRange(1, 8192), help="Requests in flight.")
@click.option("--rate", default=0.0, type=click.FloatRange(0), help="Requests/s of an open loop; closed by default.")
@click.option(
    "--workers",
    multiple=True,
    default=(1, 2),
    show_default=True,
    type=click.IntRange(1, 64),
    help="Repeatable.",
)
@click.option("--method", multiple=True, type=click.Choice(list(EXPECTED)), help="Repeatable; both by default.")
@click.option("--subject", multiple=True, help="Part of a name; repeatable; all by default.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write the tables there too.")
def main(
    rounds: int,
    seconds: float,
    warmup: float,
    window: int,
    rate: float,
    workers: tuple[int, ...],
    method: tuple[str, ...],
    subject: tuple[str, ...],
    markdown: Path | None,
) -> None:
    plan = Plan(seconds, warmup, window, rate)
    interrupted = False
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ends_raise_interrupt():
        folder = Path(name)
        try:
            tools = compile_tools(folder)
        except ToolError as error:
            raise click.ClickException(str(error)) from error
        subjects, notes = all_subjects(tools.echo, folder, workers)
        bench = Bench(tools, select(subjects, subject), method or tuple(EXPECTED), plan)
        try:
            bench.run(rounds)
        except KeyboardInterrupt:
            interrupted = True
            notes.append("Interrupted: not all rounds were run.")
    notes = [describe_machine() + describe_kamailio(), describe_plan(plan, rounds), *notes, *bench.failures]
    click.echo("\n" + render(bench.results, notes, as_text), nl=False)
    if markdown is not None:
        markdown.write_text(render(bench.results, notes, as_markdown), encoding="utf-8")
    if interrupted:
        sys.exit(130)
    sys.exit(1 if bench.failures else 0)


if __name__ == "__main__":
    main()
