"""What a cost does as something grows: the points of a curve, the straight line through them, and what to call it."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.lab.bench.report import Table

FLAT: Final = 1.2
"""A cost that ends at no more than so many times what it began with is called flat: machines are no more exact."""


@dataclass
class Curve:
    """The CPU microseconds of a request at some sizes of `what`.

    `measure` returns it for one size; `why` says where growth comes from. Several curves may share a `what`.
    """

    what: str
    name: str
    sizes: Sequence[int]
    measure: Callable[[int], float]
    why: str = ""
    points: dict[int, list[float]] = field(default_factory=dict)

    def take(self, size: int) -> float:
        """Measure one size once more, and return what came out."""
        cost = self.measure(size)
        self.points.setdefault(size, []).append(cost)
        return cost

    def medians(self) -> dict[int, float]:
        """Return the median over the rounds for each size that was measured."""
        return {size: statistics.median(costs) for size, costs in sorted(self.points.items())}


def growth(medians: Mapping[int, float]) -> str:
    """Return "flat", "logarithmic: ... a doubling", "linear: ... each", or "falling", whichever is nearest."""
    sizes, costs = list(medians), list(medians.values())
    if len(sizes) < 3:
        return "-"  # any line fits two points
    if costs[-1] * FLAT < costs[0]:
        return "falling"
    if max(costs[-1], costs[len(costs) // 2]) <= FLAT * costs[0]:
        return "flat"
    by_size, straight = fit(sizes, costs)
    by_doubling, bent = fit([math.log2(size + 1) for size in sizes], costs)
    if straight <= bent:
        return f"linear: {by_size:.2g} us each" if by_size >= 0.01 else f"linear: {1000 * by_size:.2g} us a thousand"
    return f"logarithmic: {by_doubling:.2g} us a doubling"


def fit(sizes: Sequence[float], costs: Sequence[float]) -> tuple[float, float]:
    """Return the slope of the straight line through the points, and the sum of the squared distances from it."""
    slope, intercept = statistics.linear_regression(sizes, costs)
    return slope, sum((cost - intercept - slope * size) ** 2 for size, cost in zip(sizes, costs, strict=True))


def curves_table(curves: Sequence[Curve]) -> Table:
    """Return a row for each curve: its points, what they do, and why."""
    rows = [["what grows", "measured", "CPU us/request at each size", "growth", "why"]]
    for curve in curves:
        medians = curve.medians()
        points = ", ".join(f"{size:,}: {cost:.1f}" for size, cost in medians.items())
        rows.append([curve.what, curve.name, points, growth(medians), curve.why])
    return rows
