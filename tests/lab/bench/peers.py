"""Compare slbroker with its peers in one run: bare echoes, Kamailio with a native and a KEMI Python script, OpenSIPS.

Round after round each subject is started, warmed up, loaded by the same generator, and stopped: in a closed loop, with
so many requests in flight, and in an open one, with so many a second. With --base another slbroker runs beside this
one. The tables and the goals go to stdout and to --out, the plots to --plots, all figures to --json.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.lab.bench import base, plots, results, rows
from tests.lab.bench.goals import goals_table
from tests.lab.bench.measure import EXPECTED, Plan, ToolError, compile_tools, measure_all
from tests.lab.bench.processes import ends_raise_interrupt
from tests.lab.bench.report import as_markdown, as_text, generator_note, render
from tests.lab.bench.rounds import Bench, describe_machine, describe_plan, progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.lab.bench.measure import Case
    from tests.lab.bench.rounds import Row
    from tests.lab.bench.rows import Lineup

LOOPS = {
    "closed": "closed loop",
    "open": "open loop",
    "forward": "closed loop, forwarded to a back end",
    "watched": "closed and open loop, watched",
}
SHORT_SECONDS = 1.0  # of a measurement of what is watched, where it is a part of all


def run(
    plan: Plan,
    rounds: int,
    wanted_base: str | None,
    choose: Callable[[Lineup], list[Row]],
    plan_of: Callable[[Sequence[Case]], Plan],
) -> tuple[Bench, list[str], bool]:
    """Measure; return the results, notes for the report, and whether it came to its end."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ends_raise_interrupt():
        folder = Path(name)
        try:
            tools = compile_tools(folder)
            beside = None
            if wanted_base:
                progress(f"Building {wanted_base}; about a minute.")
                (folder / "base").mkdir()
                beside = base.build(wanted_base, folder / "base")
        except ToolError as error:
            raise click.ClickException(str(error)) from error
        found = rows.look_round(tools.echo, beside)
        bench = Bench(choose(found), lambda subject, cases: measure_all(tools, subject, cases, plan_of(cases)))
        try:
            bench.run(rounds, plan.warmup + plan.seconds, plan.settle)
        except KeyboardInterrupt:
            return bench, [*found.notes, "Interrupted: not all rounds were run."], False
    return bench, found.notes, True


def describe_ours() -> str:
    """Return a line on the slbroker that is measured: its version, and its commit where git knows it."""
    with contextlib.suppress(ToolError):
        return f"slbroker {version('slbroker')} is {base.commit_of(base.ROOT)}."
    return f"slbroker {version('slbroker')}."


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 100))
@click.option("--seconds", default=2.5, show_default=True, type=click.FloatRange(0.1, 600), help="Of each measurement.")
@click.option("--warmup", default=0.5, show_default=True, type=click.FloatRange(0, 60), help="Seconds before it.")
@click.option("--settle", default=2.0, show_default=True, type=click.FloatRange(0, 60), help="Seconds after a start.")
@click.option("--only", type=click.Choice(list(LOOPS)), help="That one alone; all by default.")
@click.option("--window", multiple=True, type=click.IntRange(1, 8192), help="In flight; repeatable; 128 and 1024.")
@click.option("--rate", multiple=True, type=click.IntRange(1), help="A second; repeatable; 1000, 5000 and 20000.")
@click.option(
    "--method", multiple=True, type=click.Choice(list(EXPECTED)), help="Repeatable; by default both, OPTIONS if open."
)
@click.option("--subject", multiple=True, help="Part of a name; repeatable; all by default.")
@click.option("--base", "wanted_base", help="A checkout, or a commit of this one, that is built and measured, too.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the tables there, in Markdown.")
@click.option("--json", "kept", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures there.")
@click.option("--plots", "drawn", type=click.Path(file_okay=False, path_type=Path), help="Draw the plots there.")
def main(
    rounds: int,
    seconds: float,
    warmup: float,
    settle: float,
    only: str | None,
    window: tuple[int, ...],
    rate: tuple[int, ...],
    method: tuple[str, ...],
    subject: tuple[str, ...],
    wanted_base: str | None,
    out: Path | None,
    kept: Path | None,
    drawn: Path | None,
) -> None:
    if drawn is not None and not plots.possible():
        progress(plots.MISSING)
        drawn = None

    def choose(found: Lineup) -> list[Row]:
        closed = rows.closed_rows(found, method or rows.METHODS, window or rows.WINDOWS)
        opened = rows.open_rows(found, method or rows.METHODS[:1], rate or rows.RATES)
        forward, watched = rows.forward_rows(found), rows.watched_rows(found)
        chosen = {"closed": closed, "open": opened, "forward": forward, "watched": watched}
        return rows.choose(chosen[only] if only else [*closed, *opened, *forward, *watched], subject)

    def plan_of(cases: Sequence[Case]) -> Plan:
        is_short = only is None and all(case.watched for case in cases)
        return replace(plan, seconds=min(plan.seconds, SHORT_SECONDS)) if is_short else plan

    plan = Plan(seconds, warmup, settle=settle)
    bench, notes, finished = run(plan, rounds, wanted_base, choose, plan_of)
    loop = LOOPS[only] if only else "closed and open loop"
    about = [
        describe_machine(),
        describe_ours(),
        describe_plan(plan, rounds, loop),
        *notes,
        *bench.repeated,
        *bench.failures,
    ]
    notes, goals = about + generator_note(bench.results), goals_table(bench.results)
    click.echo("\n" + render(bench.results, notes, as_text, [goals]), nl=False)
    if out is not None:
        out.write_text(render(bench.results, notes, as_markdown, [goals]), encoding="utf-8")
        progress(f"The tables are in {out}.")
    if kept is not None:
        results.write(results.Run(f"{datetime.now(UTC):%Y-%m-%d}", about, bench.results), kept)
        progress(f"All figures are in {kept}; make speed-page writes them into docs/speed.md.")
    if drawn is not None:
        for file in plots.draw_all(bench.results, drawn):
            progress(f"A plot is in {file}.")
    if not finished:
        sys.exit(130)
    sys.exit(1 if bench.failures else 0)


if __name__ == "__main__":
    main()
