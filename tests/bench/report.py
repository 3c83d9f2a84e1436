"""The tables: medians over the rounds with lowest and highest figure, ratios within the same round."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from tests.bench.measure import oddities
from tests.bench.subjects import C_ECHO, KAMAILIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.bench.measure import Sample

    # By method, subject, and the number of the round.
    Results = Mapping[str, Mapping[str, Mapping[int, Sample]]]
    Table = Sequence[Sequence[str]]

COLUMNS: dict[str, Callable[[Sample], float | None]] = {
    "requests/s": lambda sample: sample.load.rps,
    "CPU us/request": lambda sample: sample.cpu_us(),
    "edge": lambda sample: sample.cpu_us("edge"),
    "workers": lambda sample: sample.cpu_us("workers"),
    "p50 us": lambda sample: sample.load.p50_us,
    "p99 us": lambda sample: sample.load.p99_us,
    "p99.9 us": lambda sample: sample.load.p999_us,
    "lost": lambda sample: sample.load.lost,
    "generator CPU %": lambda sample: 100 * sample.load.cpu_s / sample.load.seconds,
}

ONE_DECIMAL = {"CPU us/request", "edge", "workers"}


def spread(values: Sequence[float], decimals: int = 0) -> str:
    """Return "median (lowest-highest)", or the figure alone where all are the same."""
    low, middle, high = (f"{value:.{decimals}f}" for value in (min(values), statistics.median(values), max(values)))
    return middle if low == high else f"{middle} ({low}-{high})"


def figures_table(method: str, by_subject: Mapping[str, Mapping[int, Sample]]) -> Table:
    """Return the figures of one method, a row for each subject, "-" where a subject has no such part."""
    rows = [[method, *COLUMNS]]
    for name, rounds in by_subject.items():
        row = [name]
        for column, figure in COLUMNS.items():
            values = [value for value in map(figure, rounds.values()) if value is not None]
            row.append(spread(values, int(column in ONE_DECIMAL)) if values else "-")
        rows.append(row)
    return rows


def ratios(of: Mapping[int, Sample], to: Mapping[int, Sample], figure: Callable[[Sample], float | None]) -> list[float]:
    """Return one ratio for each round that both subjects came through."""
    pairs = [(figure(of[number]), figure(to[number])) for number in of if number in to]
    return [ours / theirs for ours, theirs in pairs if ours is not None and theirs]


def ratios_table(method: str, by_subject: Mapping[str, Mapping[int, Sample]]) -> Table:
    """Return CPU and requests/s relative to Kamailio and to the C echo, as far as these were measured."""
    references = [name for name in (KAMAILIO, C_ECHO) if by_subject.get(name)]
    head = [f"{what} / {name.split(',')[0]}" for name in references for what in ("CPU", "requests/s")]
    rows = [[f"{method}, ratios", *head]]
    for name, rounds in by_subject.items():
        row = [name]
        for reference in references:
            for column in ("CPU us/request", "requests/s"):
                values = ratios(rounds, by_subject[reference], COLUMNS[column])
                row.append(spread(values, 2) if values else "-")
        rows.append(row)
    return rows if references else []


def as_text(table: Table) -> str:
    """Return a table in aligned columns: names to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for name, *cells in table:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *padded]))
    return "\n".join(lines)


def as_markdown(table: Table) -> str:
    """Return a table in Markdown, figures to the right."""
    head, *rows = table
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def remarks(results: Results) -> list[str]:
    """Return a line for each subject whose answers were not all as they should be."""
    lines = []
    for method, by_subject in results.items():
        for name, rounds in by_subject.items():
            odd = oddities(list(rounds.values()))
            if odd:
                lines.append(f"{name}, {method}: {odd}.")
    return lines


def disturbance(results: Results) -> list[str]:
    """Return a line on how busy the machine was with other things, none when nothing was measured."""
    shares = [
        100 * sample.other / sample.load.seconds
        for by_subject in results.values()
        for rounds in by_subject.values()
        for sample in rounds.values()
    ]
    return [f"Other programs meanwhile: {spread(shares)} % of one CPU."] if shares else []


def render(results: Results, notes: Iterable[str], form: Callable[[Table], str]) -> str:
    """Return the whole report; `form` is as_text or as_markdown."""
    parts = ["\n".join(f"- {note}" for note in [*notes, *disturbance(results), *remarks(results)])]
    for method, by_subject in results.items():
        measured = {name: rounds for name, rounds in by_subject.items() if rounds}
        if measured:
            tables = [figures_table(method, measured), ratios_table(method, measured)]
            parts += [form(table) for table in tables if table]
    return "\n\n".join(parts) + "\n"
