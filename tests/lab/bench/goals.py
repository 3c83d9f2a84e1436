"""The goals for the cost and the speed of slbroker beside its peers, and whether a run of `peers.py` reached them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.bench.kamailio import kemi_name, native_name
from tests.lab.bench.report import COLUMNS, ratios
from tests.lab.bench.subjects import C_ECHO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.bench.report import Results, Samples, Table

COMPILED, PURE = "slbroker compiled", "slbroker pure"
REMEMBERED = "slbroker remembered, compiled"  # what the handler has decided is said again by the edge


@dataclass(frozen=True)
class Goal:
    """A ratio of a variant of slbroker to a reference that is to be reached: `limit` at most, or at least."""

    ours: str
    column: str
    reference: str
    limit: float
    at_least: bool = False

    def __str__(self) -> str:
        bound = "at least" if self.at_least else "at most"
        return f"{self.ours}: {self.column} {bound} {self.limit:.2g} of {self.reference}"

    def holds(self, ratio: float) -> bool:
        """Return whether `ratio` reaches it."""
        return ratio >= self.limit if self.at_least else ratio <= self.limit


LOAD_GOALS = (
    Goal(COMPILED, "CPU us/request", native_name(2), 0.6),
    Goal(COMPILED, "CPU us/request", kemi_name(2), 0.35),
    Goal(PURE, "CPU us/request", native_name(2), 1.0),
    Goal(COMPILED, "requests/s", native_name(2), 1.3, at_least=True),
    Goal(COMPILED, "CPU us/request", native_name(2), 1 / 3),
    Goal(COMPILED, "CPU us/request", C_ECHO, 3.0),
    Goal(REMEMBERED, "CPU us/request", native_name(2), 0.6),
    Goal(REMEMBERED, "requests/s", native_name(2), 1.3, at_least=True),
)
LATENCY_GOALS = (Goal(COMPILED, "p99 us", native_name(2), 2.0),)


def best(goal: Goal, by_subject: Samples) -> float | None:
    """Return the median ratio over the rounds of the variant's best number of workers; None where there is none."""
    reference = by_subject.get(goal.reference, {})
    found = [
        ratios(rounds, reference, COLUMNS[goal.column])
        for name, rounds in by_subject.items()
        if name.startswith(goal.ours)
    ]
    medians = [statistics.median(values) for values in found if values]
    return (max if goal.at_least else min)(medians) if medians else None


def goals_table(results: Results, goals: Sequence[Goal]) -> Table:
    """Return what was reached of each goal in each case; nothing where no goal could be judged."""
    rows = [["goal", *map(str, results)]]
    for goal in goals:
        reached = [best(goal, by_subject) for by_subject in results.values()]
        if any(ratio is not None for ratio in reached):
            rows.append([str(goal), *[_verdict(goal, ratio) for ratio in reached]])
    return rows if len(rows) > 1 else []


def _verdict(goal: Goal, ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f} {'reached' if goal.holds(ratio) else 'missed'}"
