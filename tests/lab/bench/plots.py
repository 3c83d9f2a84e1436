"""The plots, with matplotlib where it is installed (the extra `bench`); the tables say the same without."""

from __future__ import annotations

import importlib.util
import math
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
ANSWERS: Final = {"OPTIONS": "OPTIONS -> 200", "INVITE": "INVITE -> 404 -> ACK"}
DECADES: Final = (0.01, 0.1, 1.0, 10.0, 100.0, 1_000.0)  # milliseconds
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


def draw_all(results: Results, folder: Path) -> list[Path]:
    """Draw what there is of a run into `folder`: peers.png of the closed loop, open.png, watched.png."""
    found = [case for case in results if measured(results[case]) and not case.forwarded]
    closed = [case for case in found if not case.rate and not case.watched]
    closed = [case for case in closed if case.window == min(each.window for each in closed)]
    opened = [case for case in found if case.rate and not case.watched]
    watched = [case for case in found if case.watched]
    drawn = []
    plots = ("peers.png", draw_peers, closed), ("open.png", draw_open, opened), ("watched.png", draw_watched, watched)
    for name, draw, cases in plots:
        if cases:
            draw({case: measured(results[case]) for case in cases}, folder / name)
            drawn.append(folder / name)
    return drawn


def panels(results: Results) -> tuple[Any, Any]:
    """Return a figure with two rows of panels, a column for each case, the same subjects in all of them."""
    subjects = max(len(by_subject) for by_subject in results.values())
    figure = new_figure(3.4 * len(results) + 2.2, 2 * (0.25 * subjects + 1.1))
    return figure, figure.subplots(2, len(results), sharey=True, squeeze=False)


# What every subject costs ---------------------------------------------------------------------------------------


def draw_peers(results: Results, file: Path) -> None:
    """Draw CPU per request and requests/s of every subject, a column for each case."""
    figure, grid = panels(results)
    for (case, by_subject), cost, speed in zip(results.items(), *grid, strict=True):
        draw_costs(cost, by_subject)
        draw_bars(speed, by_subject, "requests/s")
        cost.set_title(f"{ANSWERS[case.method]}, closed loop, {case.window:,} in flight", fontsize=9, color=INK)
    figure.savefig(file, dpi=DPI)


def draw_costs(axes: Any, by_subject: Samples) -> None:
    """Draw a bar of CPU for each subject, the edge, its workers and what stands beside them in parts."""
    for at, rounds in enumerate(by_subject.values()):
        edge, workers = middle(rounds, "edge"), middle(rounds, "workers")
        if edge or workers:
            axes.barh(at, edge, color=EDGE)
            axes.barh(at, workers, left=edge, color=WORKERS)
            axes.barh(at, middle(rounds, "beside"), left=edge + workers, color=PEER)
        else:
            axes.barh(at, middle(rounds, "CPU us/request"), color=PEER)
        label(axes, at, rounds, "CPU us/request", "{:.1f}")
    finish_bars(axes, by_subject, "CPU us/request (dark: edge, light: workers, grey: others, or beside)")


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
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1_000:g}k" if value >= 10_000 else f"{value:g}")
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


# Less than all it can do ----------------------------------------------------------------------------------------


def draw_open(results: Results, file: Path) -> None:
    """Draw CPU per request and latency of every subject, a column for each number of requests a second."""
    figure, grid = panels(results)
    for (case, by_subject), cost, latency in zip(results.items(), *grid, strict=True):
        draw_costs(cost, by_subject)
        draw_latency(latency, by_subject)
        cost.set_title(f"{ANSWERS[case.method]}, open loop, {case.rate:,} a second", fontsize=9, color=INK)
    figure.savefig(file, dpi=DPI)


def draw_watched(results: Results, file: Path) -> None:
    """Draw CPU per request, and requests/s or latency, for each way to be watched."""
    figure, grid = panels(results)
    for (case, by_subject), cost, other in zip(results.items(), *grid, strict=True):
        draw_costs(cost, by_subject)
        if case.rate:
            draw_latency(other, by_subject)
        else:
            draw_bars(other, by_subject, "requests/s")
        said = f"open loop, {case.rate:,} a second" if case.rate else f"closed loop, {case.window:,} in flight"
        cost.set_title(f"{ANSWERS[case.method]}, {said}", fontsize=9, color=INK)
    figure.savefig(file, dpi=DPI)


def draw_latency(axes: Any, by_subject: Samples) -> None:
    """Draw a line from p50 to p99 for each subject, in milliseconds, and write both behind it."""
    lowest, highest = math.inf, 0.0
    for at, (name, rounds) in enumerate(by_subject.items()):
        line, ends = (WORKERS, EDGE) if name.startswith("slbroker") else (PEER, INK)
        middles = (middle(rounds, "p50 us") / 1_000, middle(rounds, "p99 us") / 1_000)
        p50, p99 = (max(0.001, value) for value in middles)  # what is measured in microseconds may be none
        axes.plot((p50, p99), (at, at), color=line, linewidth=2.5, solid_capstyle="butt", zorder=1)
        axes.plot(p50, at, "o", color=ends, markersize=4)
        axes.plot(p99, at, "D", color=ends, markersize=3.5)
        said = " ... ".join(f"{float(f'{value:.2g}'):g}" for value in middles)
        axes.annotate(said, (p99, at), (5, 0), textcoords="offset points", va="center", fontsize=7)
        lowest, highest = min(lowest, p50), max(highest, p99)
    axes.set_xscale("log")
    axes.set_xlim(lowest / 1.5, highest * (highest / lowest) ** 0.4 * 1.5)
    ticks = [tick for tick in DECADES if lowest / 1.5 <= tick <= highest * 1.5]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(axis="x", color="#e0e0e0", linewidth=0.5)
    axes.set_axisbelow(True)
    name_rows(axes, by_subject, "latency in ms (circle: p50, diamond: p99)")


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
