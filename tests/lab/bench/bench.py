"""Measure slbroker beside Kamailio and two bare echoes: CPU for each request, requests/s, latency. The short form.

Run it with the interpreter that slbroker is installed for: `python tests/lab/bench/bench.py`. All subjects are
measured in turn, round after round, so that what else the machine does falls on all of them alike. `peers.py` is the
whole comparison.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.lab.bench.measure import EXPECTED, Case, Plan, ToolError, compile_tools, measure_all
from tests.lab.bench.processes import ends_raise_interrupt
from tests.lab.bench.report import as_markdown, as_text, render
from tests.lab.bench.rounds import Bench, describe_machine, describe_plan
from tests.lab.bench.rows import choose, look_round, short_rows


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 100))
@click.option("--seconds", default=4.0, show_default=True, type=click.FloatRange(0.1, 600), help="Of each measurement.")
@click.option("--warmup", default=1.0, show_default=True, type=click.FloatRange(0, 60), help="Seconds before it.")
@click.option("--window", default=128, show_default=True, type=click.IntRange(1, 8192), help="Requests in flight.")
@click.option("--rate", default=0, type=click.IntRange(0), help="Requests/s of an open loop; closed by default.")
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
    rate: int,
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
        found = look_round(tools.echo, None)
        notes = list(found.notes)
        cases = [Case(each, window, rate) for each in method or EXPECTED]
        rows = choose(short_rows(found, cases, workers), subject)
        bench = Bench(rows, lambda subject, cases: measure_all(tools, subject, cases, plan))
        try:
            bench.run(rounds, seconds + warmup)
        except KeyboardInterrupt:
            interrupted = True
            notes.append("Interrupted: not all rounds were run.")
    loop = f"open loop at {rate:g} requests/s" if rate else "closed loop"
    notes = [describe_machine(), describe_plan(plan, rounds, loop), *notes, *bench.repeated, *bench.failures]
    click.echo("\n" + render(bench.results, notes, as_text), nl=False)
    if markdown is not None:
        markdown.write_text(render(bench.results, notes, as_markdown), encoding="utf-8")
    if interrupted:
        sys.exit(130)
    sys.exit(1 if bench.failures else 0)


if __name__ == "__main__":
    main()
