"""The tables: medians over the rounds with lowest and highest figure, ratios within the same round."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from tests.lab.bench import forwarding, watched
from tests.lab.bench.kamailio import checked_name, kemi_name, native_name
from tests.lab.bench.measure import oddities
from tests.lab.bench.subjects import C_ECHO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.lab.bench.measure import Case, Sample

    # By subject, and the number of the round.
    Samples = Mapping[str, Mapping[int, Sample]]
    Results = Mapping[Case, Samples]
    Figure = Callable[[Sample], float | None]
    Table = Sequence[Sequence[str]]

REFERENCES = (
    native_name(2), checked_name(2), kemi_name(2), C_ECHO,
    forwarding.native_name(2), forwarding.checked_name(2), forwarding.kemi_name(2), watched.NOBODY.title,
)  # fmt: skip
"""What the others are compared with, as far as it was measured."""

COLUMNS: dict[str, Figure] = {
    "requests/s": lambda sample: sample.load.rps,
    "CPU us/request": lambda sample: sample.cpu_us(),
    "edge": lambda sample: sample.cpu_us("edge"),
    "workers": lambda sample: sample.cpu_us("workers"),
    "beside": lambda sample: sample.cpu_us(watched.BESIDE),
    "p50 us": lambda sample: sample.load.p50_us,
    "p99 us": lambda sample: sample.load.p99_us,
    "p99.9 us": lambda sample: sample.load.p999_us,
    "lost": lambda sample: sample.load.lost,
    "generator CPU %": lambda sample: 100 * sample.load.cpu_s / sample.load.seconds,
}

# What an open loop has instead of requests/s: what was sent and answered, and how well the generator kept its pace.
OPEN_COLUMNS: dict[str, Figure] = {
    "sent": lambda sample: sample.load.sent,
    "answered": lambda sample: sample.load.ok,
    "sent late, p99 us": lambda sample: sample.load.sent_late_p99_us,
}

FIGURE_BEGINS = "+-0123456789"

ONE_DECIMAL = {"CPU us/request", "edge", "workers", "beside"}


def spread(values: Sequence[float], decimals: int = 0) -> str:
    """Return "median (lowest-highest)", or the figure alone where all are the same."""
    low, middle, high = (f"{value:.{decimals}f}" for value in (min(values), statistics.median(values), max(values)))
    return middle if low == high else f"{middle} ({low}-{high})"


def figures_table(title: str, by_subject: Samples, columns: Mapping[str, Figure] = COLUMNS) -> Table:
    """Return the figures of one case, a row for each subject, "-" where a subject has no such part."""
    rows = [[title, *columns]]
    for name, rounds in by_subject.items():
        row = [name]
        for column, figure in columns.items():
            values = [value for value in map(figure, rounds.values()) if value is not None]
            row.append(spread(values, int(column in ONE_DECIMAL)) if values else "-")
        rows.append(row)
    return rows


def ratios(of: Mapping[int, Sample], to: Mapping[int, Sample], figure: Figure) -> list[float]:
    """Return one ratio for each round that both subjects came through."""
    pairs = [(figure(of[number]), figure(to[number])) for number in of if number in to]
    return [ours / theirs for ours, theirs in pairs if ours is not None and theirs]


def ratios_table(
    title: str,
    by_subject: Samples,
    columns: Sequence[str] = ("CPU us/request", "requests/s"),
    to: Sequence[str] = REFERENCES,
) -> Table:
    """Return `columns` relative to those of the subjects `to`, as far as these were measured."""
    references = [name for name in to if by_subject.get(name)]
    head = [f"{column.split(' us')[0]} / {name.split(',')[0]}" for name in references for column in columns]
    rows = [[f"{title}, ratios", *head]]
    for name, rounds in by_subject.items():
        row = [name]
        for reference in references:
            for column in columns:
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
    """Return a table in Markdown, columns of figures to the right."""
    head, *rows = table
    rule = ["---:" if all(row[at][:1] in FIGURE_BEGINS for row in rows) else "---" for at in range(len(head))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def remarks(results: Results) -> list[str]:
    """Return a line for each subject whose answers were not all as they should be."""
    lines = []
    for case, by_subject in results.items():
        for name, rounds in by_subject.items():
            odd = oddities(list(rounds.values()))
            if odd:
                lines.append(f"{name}, {case}: {odd}.")
    return lines


def disturbance(results: Results) -> list[str]:
    """Return a line on how busy the machine was with other things, none when nothing was measured."""
    shares = [100 * sample.other / sample.load.seconds for sample in all_samples(results)]
    return [f"Other programs meanwhile: {spread(shares)} % of one CPU."] if shares else []


def generator_note(results: Results) -> list[str]:
    """Return a line for each case on how fast and exact the load generator is: against the C echo."""
    lines = []
    for case, by_subject in results.items():
        samples = list(by_subject.get(C_ECHO, {}).values())
        if samples:
            busy = spread([100 * sample.load.cpu_s / sample.load.seconds for sample in samples])
            rates = spread([sample.load.rps for sample in samples])
            late = spread([float(sample.load.sent_late_p99_us) for sample in samples])
            said = f"sends 99 % within {late} us of when they are due" if case.rate else f"reaches {rates} requests/s"
            lines.append(f"The generator {said} against the C echo, with {busy} % of a CPU ({case}).")
    return lines


def all_samples(results: Results) -> list[Sample]:
    """Return every measurement."""
    return [sample for by_subject in results.values() for rounds in by_subject.values() for sample in rounds.values()]


def measured(by_subject: Samples) -> Samples:
    """Leave out the subjects that failed in every round."""
    return {name: rounds for name, rounds in by_subject.items() if rounds}


def case_tables(case: Case, by_subject: Samples) -> list[Table]:
    """Return the tables of a case: figures, and ratios to what it is compared with."""
    if not case.rate:
        return [figures_table(str(case), by_subject), ratios_table(str(case), by_subject)]
    columns = {name: COLUMNS[name] for name in COLUMNS if name != "requests/s"}
    return [
        figures_table(str(case), by_subject, OPEN_COLUMNS | columns),
        ratios_table(str(case), by_subject, ("CPU us/request", "p50 us", "p99 us"), REFERENCES[:1]),
    ]


def render(
    results: Results,
    notes: Iterable[str],
    form: Callable[[Table], str],
    last: Sequence[Table] = (),
) -> str:
    """Return the whole report; `form` is as_text or as_markdown, `last` what follows the tables of the cases."""
    parts = ["\n".join(f"- {note}" for note in [*notes, *disturbance(results), *remarks(results)])]
    every = [
        table
        for case, samples in results.items()
        if measured(samples)
        for table in case_tables(case, measured(samples))
    ]
    return "\n\n".join([*parts, *[form(table) for table in [*every, *last] if table]]) + "\n"
