"""Write the tables of a run of `peers.py` into docs/speed.md, and draw its plots beside it.

Usage: page.py [build/peers.json ...]; of several files the last that has a table counts. Only what lies between the
page's marks is replaced: `<!-- closed: ... -->` and `<!-- end -->`; a table that no file has stays as it is.
"""

from __future__ import annotations

import re
import statistics
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.lab.bench import plots, results
from tests.lab.bench.goals import FORWARD_KEMI, FORWARD_NATIVE, KEMI, NATIVE, P99, SPEED, UNKNOWN, goals_table
from tests.lab.bench.measure import oddities
from tests.lab.bench.report import COLUMNS, as_markdown, generator_note, ratios
from tests.lab.bench.watched import NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.lab.bench.measure import Case, Sample
    from tests.lab.bench.report import Results, Samples, Table
    from tests.lab.bench.results import Run

ROOT: Final = Path(__file__).resolve().parents[3]
MARKED: Final = re.compile(r"(?P<begin><!-- (?P<name>\w+): [^\n]*-->\n).*?(?P<end><!-- end -->)", re.DOTALL)
PAGE: Final = ROOT / "docs" / "speed.md"
LONGEST: Final = 140  # characters of a line of the page


def blocks(run: Run) -> dict[str, str]:
    """Return what belongs between the marks, by their names: closed, open, ..., as far as the run has them."""
    alone = {case: by_subject for case, by_subject in run.results.items() if not case.forwarded and not case.watched}
    closed = {case: by_subject for case, by_subject in alone.items() if not case.rate}
    opened = {case: by_subject for case, by_subject in alone.items() if case.rate}
    found = {}
    if closed:
        tables = [closed_table(closed, window) for window in dict.fromkeys(case.window for case in closed)]
        found["closed"] = "\n\n".join([about(run, closed), *map(as_markdown, tables)])
    if opened:
        picture = ["![CPU and latency of every subject](open.png)"] * plots.possible()
        parts = [about(run, opened), *picture, as_markdown(open_table(opened)), *unanswered(opened)]
        found["open"] = "\n\n".join(parts)
    forwarded = {case: by_subject for case, by_subject in run.results.items() if case.forwarded}
    if forwarded:
        found["forward"] = "\n\n".join([about(run, forwarded), as_markdown(forward_table(forwarded))])
    watched = {case: by_subject for case, by_subject in run.results.items() if case.watched}
    if watched:
        picture = ["![CPU, requests per second and latency by who watches](watched.png)"] * plots.possible()
        found["watched"] = "\n\n".join([about(run, watched), *picture, as_markdown(watched_table(watched))])
    return found


def about(run: Run, cases: Results) -> str:
    """Return when, on what and how it was measured, and how fast or exact the generator was in these cases."""
    notes = [f"Measured {run.date}", *run.notes, *generator_note(cases)]
    return wrapped(" ".join(note.rstrip(".") + "." for note in notes))


def closed_table(cases: Results, window: int) -> Table:
    """Return a row for each subject: CPU, ratios and requests/s of each method, so many in flight."""
    chosen = {case: by_subject for case, by_subject in cases.items() if case.window == window}
    head = [f"{window:,} in flight"]
    for case in chosen:
        head += [f"{case.method}, CPU us", "/ native", "/ KEMI", "requests/s"]
    return [head, *rows(chosen, lambda by_subject, name: closed_cells(by_subject, name))]


def closed_cells(by_subject: Samples, name: str, to: Sequence[str] = (NATIVE, KEMI)) -> list[str]:
    """Return the cells of a subject in one case, with ratios `to` others; edge and workers in brackets."""
    rounds = by_subject.get(name, {})
    parts = [figure(rounds, part) for part in ("edge", "workers")]
    cost = figure(rounds, "CPU us/request") + (f" ({' + '.join(parts)})" if "-" not in parts else "")
    return [cost, *(ratio(by_subject, name, other) for other in to), figure(rounds, "requests/s", "{:,.0f}")]


def forward_table(cases: Results) -> Table:
    """Return a row for each subject: CPU, its ratios to Kamailio's forward() and requests/s."""
    head = ["forwarded"]
    for case in cases:
        head += [f"{case.method}, {case.window:,} in flight: CPU us", "/ forward()", "/ KSR.forward()", "requests/s"]
    return [head, *rows(cases, lambda by_subject, name: closed_cells(by_subject, name, (FORWARD_NATIVE, FORWARD_KEMI)))]


def watched_table(cases: Results) -> Table:
    """Return a row for each way to be watched: at full load CPU by part, requests/s, p99; else what is left of that."""
    head, plain = ["OPTIONS"], NOBODY.title
    for case in cases:
        said = f"{case.rate:,} a second" if case.rate else f"{case.window:,} in flight"
        speed = [] if case.rate else ["requests/s", "/ nobody"]
        head += [f"{said}: CPU us of edge", "worker", "beside", *speed, "p99 ms", "/ nobody"]

    def cells(case: Case, by_subject: Samples, name: str) -> list[str]:
        rounds = by_subject.get(name, {})
        parts = [figure(rounds, part) for part in ("edge", "workers", "beside")]
        speed = [figure(rounds, SPEED, "{:,.0f}"), ratio(by_subject, name, plain, SPEED)]
        late = [figure(rounds, P99, "{:.2f}", 1_000), ratio(by_subject, name, plain, P99)]
        return [*parts, *([] if case.rate else speed), *late]

    names = dict.fromkeys(name for by_subject in cases.values() for name, rounds in by_subject.items() if rounds)
    return [head, *([name, *(cell for case in cases for cell in cells(case, cases[case], name))] for name in names)]


def open_table(cases: Results) -> Table:
    """Return a row for each subject: CPU, its ratio, p50 and p99 for each number of requests a second."""
    head = ["requests/s"]
    for case in cases:
        head += [f"{case.rate:,}: CPU us", "/ native", "p50 ms", "p99 ms"]
    return [head, *rows(cases, open_cells)]


def open_cells(by_subject: Samples, name: str) -> list[str]:
    """Return the cells of a subject in one case."""
    rounds = by_subject.get(name, {})
    latencies = [figure(rounds, column, "{:.2f}", 1_000) for column in ("p50 us", "p99 us")]
    return [figure(rounds, "CPU us/request"), ratio(by_subject, name, NATIVE), *latencies]


def rows(cases: Results, cells: Callable[[Samples, str], list[str]]) -> Table:
    """Return a row of `cells` for each subject that was measured in any of the cases; ours stand out."""
    names = dict.fromkeys(name for by_subject in cases.values() for name, rounds in by_subject.items() if rounds)
    found = [[name, *(cell for by_subject in cases.values() for cell in cells(by_subject, name))] for name in names]
    return [[f"**{name}**" if name.startswith("slbroker") else name, *rest] for name, *rest in found]


def figure(rounds: Mapping[int, Sample], column: str, form: str = "{:.1f}", unit: float = 1.0) -> str:
    """Return the median of a column in so many of its units, "-" where there is none."""
    values = [value for value in map(COLUMNS[column], rounds.values()) if value is not None]
    return form.format(statistics.median(values) / unit) if values else "-"


def ratio(by_subject: Samples, name: str, to: str, column: str = "CPU us/request") -> str:
    """Return the median over the rounds of the ratio of a column, "-" where there is none."""
    values = ratios(by_subject.get(name, {}), by_subject.get(to, {}), COLUMNS[column])
    return f"{statistics.median(values):.2f}" if values else "-"


def unanswered(cases: Results) -> list[str]:
    """Return a paragraph on what was lost or answered otherwise; nothing where nothing was."""
    said = []
    for case, by_subject in cases.items():
        for name, rounds in by_subject.items():
            lost, sent = (sum(getattr(sample.load, part) for sample in rounds.values()) for part in ("lost", "sent"))
            odd = oddities(list(rounds.values()))
            if lost or odd:
                lost_of = f"{lost:,} of {sent:,} lost" if lost else ""
                said.append(f"{name}, {case}: {', '.join(filter(None, (lost_of, odd)))}.")
    return [wrapped(" ".join(said))] if said else []


def wrapped(text: str) -> str:
    """Return text in lines as long as the page's."""
    return textwrap.fill(text, LONGEST, break_long_words=False, break_on_hyphens=False)


def goals_block(results: Results, page: str) -> dict[str, str]:
    """Return the goals as they were reached; of those that were not measured a `page` says what was the last time."""
    table = goals_table(results)
    if not table:
        return {}
    before = {
        tuple(cells[1:3]): cells[1:-1]
        for mark in MARKED.finditer(page)
        if mark["name"] == "goals"
        for cells in ([cell.strip() for cell in line.split("|")] for line in mark[0].splitlines())
    }
    return {"goals": as_markdown([before.get((*row[:2],), row) if row[-1] == UNKNOWN else row for row in table])}


def filled(page: str, found: Mapping[str, str]) -> str:
    """Return the page with what was found between its marks; ClickException where a mark is missing."""
    missing = found.keys() - {mark["name"] for mark in MARKED.finditer(page)}
    if missing:
        raise click.ClickException(f"the page has no mark for {', '.join(sorted(missing))}: <!-- NAME: ... -->")

    def fill(mark: re.Match[str]) -> str:
        text = found.get(mark["name"])
        return mark[0] if text is None else f"{mark['begin']}\n{text}\n\n{mark['end']}"

    return MARKED.sub(fill, page)


@click.command(help=__doc__)
@click.argument("files", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--page", default=PAGE, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(files: tuple[Path, ...], page: Path) -> None:
    try:
        runs = [results.read(file) for file in files or (ROOT / "build" / "peers.json",)]
    except results.ResultsError as error:
        raise click.ClickException(str(error)) from error
    found: dict[str, str] = {}
    measured: Results = {}
    for run in runs:
        found |= blocks(run)
        measured = {**measured, **run.results}
        if plots.possible():
            for file in plots.draw_all(run.results, page.parent):
                click.echo(f"{file} is drawn.")
    text = page.read_text("utf-8")
    page.write_text(filled(text, found | goals_block(measured, text)), "utf-8")
    click.echo(f"{page} has new tables: {', '.join(found)}.")
    if not plots.possible():
        click.echo(plots.MISSING, err=True)


if __name__ == "__main__":
    main()
