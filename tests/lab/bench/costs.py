"""Measure what costs grow with: headers, body, workers, edge processes, routes, keys, TCP connections.

Some are measured in this process by its CPU clock, where whole processes are too noisy; the table says which. In each
round every size of each is measured once.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from slbroker import twins
from tests.lab.bench import plots
from tests.lab.bench.curves import curves_table
from tests.lab.bench.inside import inside_curves
from tests.lab.bench.measure import Plan, ToolError, Tools, compile_tools
from tests.lab.bench.outside import Outside
from tests.lab.bench.processes import SubjectError, ends_raise_interrupt
from tests.lab.bench.report import as_markdown
from tests.lab.bench.rounds import describe_machine, minutes, progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.bench.curves import Curve


def run(curves: Sequence[Curve], rounds: int) -> list[str]:
    """Measure every size of every curve `rounds` times; return a line for each that failed."""
    steps = [(number, curve, size) for number in range(1, rounds + 1) for curve in curves for size in curve.sizes]
    failures = []
    began = time.monotonic()
    for done, (number, curve, size) in enumerate(steps, 1):
        where = f"round {number}, {curve.what} ({curve.name}), {size:,}"
        try:
            said = f"{curve.take(size):.1f} us CPU/request"
        except (SubjectError, ToolError) as error:
            said = f"FAILED: {error}"
            failures.append(f"FAILED in {where}: {error}")
        left = (time.monotonic() - began) / done * (len(steps) - done)
        progress(f"[{done}/{len(steps)}, {minutes(left)} left] {where}: {said}")
    return failures


def choose(curves: Sequence[Curve], wanted: Sequence[str]) -> list[Curve]:
    """Return the curves that one of `wanted` is part of, all of them when it is empty."""
    chosen = [curve for curve in curves if not wanted or any(word in f"{curve.what}, {curve.name}" for word in wanted)]
    if not chosen:
        names = "; ".join(f"{curve.what}, {curve.name}" for curve in curves)
        raise click.UsageError(f"--curve matches none of: {names}")
    return chosen


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 100))
@click.option("--seconds", default=2.0, show_default=True, type=click.FloatRange(0.1, 600), help="Of each load.")
@click.option("--warmup", default=1.0, show_default=True, type=click.FloatRange(0, 60), help="Seconds before it.")
@click.option("--curve", "wanted", multiple=True, help="Part of a name, such as routes; repeatable; all by default.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the table there, in Markdown.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw it there, PNG or SVG.")
def main(
    rounds: int, seconds: float, warmup: float, wanted: tuple[str, ...], out: Path | None, plot: Path | None
) -> None:
    if plot is not None and not plots.possible():
        progress(plots.MISSING)
        plot = None
    notes = [f"{describe_machine()}, {twins.KIND} twins", f"Medians of {rounds} rounds."]
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ends_raise_interrupt():
        outside = Outside(Tools.of(Path(name)), twins.KIND, Plan(seconds, warmup))
        curves = choose([*inside_curves(), *outside.curves()], wanted)
        try:
            compile_tools(Path(name))
        except ToolError as error:
            raise click.ClickException(str(error)) from error
        try:
            failures = run(curves, rounds)
        except KeyboardInterrupt:
            failures = ["Interrupted: not all rounds were run."]
    measured = [curve for curve in curves if curve.points]
    text = "\n".join(f"- {note}" for note in notes + failures) + "\n\n" + as_markdown(curves_table(measured)) + "\n"
    click.echo("\n" + text, nl=False)
    if out is not None:
        out.write_text(text, encoding="utf-8")
        progress(f"The table is in {out}.")
    if plot is not None and measured:
        plots.draw_curves(measured, plot)
        progress(f"The plot is in {plot}.")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
