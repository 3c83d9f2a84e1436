"""Compare slbroker with its peers in one run: bare echoes, Kamailio with a native and with a KEMI Python script.

Round after round each subject is started, warmed up, loaded by the same generator, and stopped. The tables go to
stdout and to --out, the plot to --plot. With --latency each subject is offered a tenth of what it can do, in an open
loop.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.lab.bench import plots
from tests.lab.bench.goals import LATENCY_GOALS, LOAD_GOALS, goals_table
from tests.lab.bench.measure import EXPECTED, Case, Plan, ToolError, compile_tools, measure, measure_latency
from tests.lab.bench.processes import ends_raise_interrupt
from tests.lab.bench.report import all_samples, as_markdown, as_text, latency_tables, load_tables, render, spread
from tests.lab.bench.rounds import Bench, all_subjects, describe_machine, describe_plan, progress, select
from tests.lab.bench.subjects import C_ECHO

if TYPE_CHECKING:
    from tests.lab.bench.measure import Sample
    from tests.lab.bench.report import Results
    from tests.lab.bench.subjects import Subject

NUMBERS = (1, 2)
"""Kamailio's children and slbroker's workers."""


def run(
    plan: Plan, rounds: int, cases: list[Case], wanted: tuple[str, ...], *, latency: bool
) -> tuple[Bench, list[str], bool]:
    """Measure; return the results, notes for the report, and whether it came to its end."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ends_raise_interrupt():
        folder = Path(name)
        try:
            tools = compile_tools(folder)
        except ToolError as error:
            raise click.ClickException(str(error)) from error
        subjects, notes = all_subjects(tools.echo, folder, NUMBERS, NUMBERS, NUMBERS)

        def measure_one(subject: Subject, case: Case) -> Sample:
            how = measure_latency if latency else measure
            return how(tools, subject, case.method, replace(plan, window=case.window))

        bench = Bench(select(subjects, wanted), cases, measure_one)
        try:
            bench.run(rounds, plan.warmup + plan.seconds * (1.5 if latency else 1))
        except KeyboardInterrupt:
            return bench, [*notes, "Interrupted: not all rounds were run."], False
    return bench, notes, True


def generator_note(results: Results) -> list[str]:
    """Return a line on how fast the load generator can be: what it reached against the C echo."""
    lines = []
    for case, by_subject in results.items():
        samples = list(by_subject.get(C_ECHO, {}).values())
        if samples:
            rates = spread([sample.load.rps for sample in samples])
            busy = spread([100 * sample.load.cpu_s / sample.load.seconds for sample in samples])
            lines.append(
                f"The generator reaches {rates} requests/s against the C echo with {busy} % of a CPU ({case})."
            )
    return lines


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 100))
@click.option("--seconds", default=4.0, show_default=True, type=click.FloatRange(0.1, 600), help="Of each measurement.")
@click.option("--warmup", default=1.0, show_default=True, type=click.FloatRange(0, 60), help="Seconds before it.")
@click.option("--window", multiple=True, type=click.IntRange(1, 8192), help="In flight; repeatable; 128 and 1024.")
@click.option("--method", multiple=True, type=click.Choice(list(EXPECTED)), help="Repeatable; both by default.")
@click.option("--subject", multiple=True, help="Part of a name; repeatable; all by default.")
@click.option("--latency", is_flag=True, help="Open loop at a tenth of each subject's capacity.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the tables there, in Markdown.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw them there, PNG or SVG.")
def main(
    rounds: int,
    seconds: float,
    warmup: float,
    window: tuple[int, ...],
    method: tuple[str, ...],
    subject: tuple[str, ...],
    latency: bool,
    out: Path | None,
    plot: Path | None,
) -> None:
    if plot is not None and not plots.possible():
        progress(plots.MISSING)
        plot = None
    plan = Plan(seconds, warmup)
    # The window of an open loop only bounds what may be open: as much as it takes for nothing to wait for its turn.
    windows = window or ((1024,) if latency else (128, 1024))
    cases = [Case(each, size) for size in windows for each in method or EXPECTED]
    bench, notes, finished = run(plan, rounds, cases, subject, latency=latency)
    loop = "open loop at a tenth of each subject's capacity" if latency else "closed loop"
    notes = [describe_machine(), describe_plan(plan, rounds, loop), *notes, *bench.repeated, *bench.failures]
    if not latency:
        notes += generator_note(bench.results)
    tables = latency_tables if latency else load_tables
    goals = goals_table(bench.results, LATENCY_GOALS if latency else LOAD_GOALS)
    click.echo("\n" + render(bench.results, notes, as_text, tables, [goals]), nl=False)
    if out is not None:
        out.write_text(render(bench.results, notes, as_markdown, tables, [goals]), encoding="utf-8")
        progress(f"The tables are in {out}.")
    if plot is not None and all_samples(bench.results):
        (plots.draw_latency if latency else plots.draw_peers)(bench.results, plot)
        progress(f"The plot is in {plot}.")
    if not finished:
        sys.exit(130)
    sys.exit(1 if bench.failures else 0)


if __name__ == "__main__":
    main()
