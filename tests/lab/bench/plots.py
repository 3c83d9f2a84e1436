"""The plots, with matplotlib where it is installed (the extra `bench`); the tables say the same without."""

from __future__ import annotations

import importlib.util
import statistics
from typing import TYPE_CHECKING, Any, Final

from tests.lab.bench.report import COLUMNS, measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.lab.bench.curves import Curve
    from tests.lab.bench.measure import Sample
    from tests.lab.bench.report import Results, Samples

MISSING: Final = "No plot: matplotlib is not installed. For one: pip install 'slbroker[bench]'"

EDGE, WORKERS, PEER, INK = "#1f5f8b", "#7fb2d6", "#b3b3b3", "#333333"
LINES: Final = ("#1f5f8b", "#c1622d", "#5a8f3c")
QUANTILES: Final = {"p50 us": "o", "p99 us": "D", "p99.9 us": "x"}
DPI: Final = 130


def possible() -> bool:
    """Return whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure, sizes in inches; there is no window and no state beside it."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def middle(rounds: Mapping[int, Sample], column: str) -> float:
    """Return the median of a column over the rounds, 0 where the subject has no such part."""
    values = [value for value in map(COLUMNS[column], rounds.values()) if value is not None]
    return statistics.median(values) if values else 0.0


def reach(rounds: Mapping[int, Sample], column: str) -> tuple[list[float], list[float]]:
    """Return how far below and above the median the rounds lie, as an error bar wants it."""
    values = [value for value in map(COLUMNS[column], rounds.values()) if value is not None]
    return [statistics.median(values) - min(values)], [max(values) - statistics.median(values)]


# What every subject costs ---------------------------------------------------------------------------------------


def draw_peers(results: Results, file: Path) -> None:
    """Draw CPU per request and requests/s of every subject, a column for each case."""
    cases = [(case, measured(by_subject)) for case, by_subject in results.items() if measured(by_subject)]
    subjects = max(len(by_subject) for _, by_subject in cases)
    figure = new_figure(3.4 * len(cases) + 2, 2 * (0.28 * subjects + 1.1))
    grid = figure.subplots(2, len(cases), sharey=True, squeeze=False)
    for (case, by_subject), cost, speed in zip(cases, *grid, strict=True):
        draw_costs(cost, by_subject)
        draw_bars(speed, by_subject, "requests/s")
        cost.set_title(str(case), fontsize=9, color=INK)
    figure.savefig(file, dpi=DPI)


def draw_costs(axes: Any, by_subject: Samples) -> None:
    """Draw a bar of CPU for each subject, the edge and its workers in parts."""
    for at, rounds in enumerate(by_subject.values()):
        edge, workers = middle(rounds, "edge"), middle(rounds, "workers")
        if edge or workers:
            axes.barh(at, edge, color=EDGE)
            axes.barh(at, workers, left=edge, color=WORKERS)
        else:
            axes.barh(at, middle(rounds, "CPU us/request"), color=PEER)
        label(axes, at, rounds, "CPU us/request", "{:.1f}")
    finish_bars(axes, by_subject, "CPU us/request (dark: edge, light: workers)")


def draw_bars(axes: Any, by_subject: Samples, column: str) -> None:
    """Draw a bar of `column` for each subject."""
    for at, (name, rounds) in enumerate(by_subject.items()):
        axes.barh(at, middle(rounds, column), color=EDGE if name.startswith("slbroker") else PEER)
        label(axes, at, rounds, column, "{:,.0f}")
    finish_bars(axes, by_subject, column)


def label(axes: Any, at: int, rounds: Mapping[int, Sample], column: str, form: str) -> None:
    """Write the median behind a bar, and mark where the rounds lie."""
    value, spread = middle(rounds, column), reach(rounds, column)
    axes.errorbar(value, at, xerr=spread, color=INK, linewidth=0.8, capsize=1.5)
    axes.annotate(
        form.format(value), (value + spread[1][0], at), (3, 0), textcoords="offset points", va="center", fontsize=7
    )


def finish_bars(axes: Any, by_subject: Samples, what: str) -> None:
    """Name the bars, and leave room for what is written behind them."""
    axes.set_xlim(0, axes.get_xlim()[1] * 1.15)
    axes.locator_params(axis="x", nbins=4)  # or long figures run into each other
    name_rows(axes, by_subject, what)


def name_rows(axes: Any, by_subject: Samples, what: str) -> None:
    """Name the subjects, the first on top, and what is shown of them."""
    axes.set_yticks(range(len(by_subject)), list(by_subject), fontsize=7)
    axes.set_ylim(len(by_subject) - 0.4, -0.6)
    axes.set_xlabel(what, fontsize=7)
    tidy(axes)


def tidy(axes: Any) -> None:
    """Take away what holds no figures."""
    axes.tick_params(axis="both", labelsize=7, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


# How long a reply takes -----------------------------------------------------------------------------------------


def draw_latency(results: Results, file: Path) -> None:
    """Draw p50, p99 and p99.9 of every subject, a panel for each case."""
    cases = [(case, measured(by_subject)) for case, by_subject in results.items() if measured(by_subject)]
    subjects = max(len(by_subject) for _, by_subject in cases)
    figure = new_figure(3.6 * len(cases) + 2, 0.28 * subjects + 1.4)
    panels = figure.subplots(1, len(cases), sharey=True, squeeze=False)[0]
    for (case, by_subject), axes in zip(cases, panels, strict=True):
        for column, marker in QUANTILES.items():
            values = [middle(rounds, column) for rounds in by_subject.values()]
            axes.plot(values, range(len(values)), marker, color=EDGE, markersize=4, label=column.removesuffix(" us"))
        axes.set_xscale("log")
        name_rows(axes, by_subject, "microseconds, at a tenth of the subject's capacity")
        axes.set_title(str(case), fontsize=9, color=INK)
        axes.grid(axis="x", color="#e0e0e0", linewidth=0.5)
    panels[0].legend(fontsize=7, frameon=False)
    figure.savefig(file, dpi=DPI)


# What costs grow with -------------------------------------------------------------------------------------------


def draw_curves(curves: Sequence[Curve], file: Path) -> None:
    """Draw small multiples: a panel for each thing that costs may grow with, all from 0."""
    panels = list(dict.fromkeys(curve.what for curve in curves))
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(3.3 * columns, 2.5 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, what in zip(grid, panels, strict=False):
        draw_panel(axes, [curve for curve in curves if curve.what == what])
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    figure.savefig(file, dpi=DPI)


def draw_panel(axes: Any, curves: Sequence[Curve]) -> None:
    """Draw the curves of one panel."""
    for curve, color in zip(curves, LINES, strict=False):
        points = sorted(curve.medians().items())
        axes.plot(*zip(*points, strict=True), "o-", color=color, markersize=3, linewidth=1, label=curve.name)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.1)
    sizes = sorted({size for curve in curves for size in curve.points})
    if 0 < sizes[0] < sizes[-1] / 20:
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
    axes.set_title(curves[0].what, fontsize=8, color=INK)
    axes.set_ylabel("CPU us/request", fontsize=7)
    axes.legend(fontsize=6, frameon=False)
    tidy(axes)
