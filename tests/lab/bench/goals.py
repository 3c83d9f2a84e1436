"""The goals for the cost and the speed of slbroker beside its peers, and whether a run of `peers.py` reached them."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.lab.bench import forwarding, watched
from tests.lab.bench.kamailio import kemi_name, native_name
from tests.lab.bench.measure import OPEN_WINDOW, Case
from tests.lab.bench.report import COLUMNS, ratios, spread
from tests.lab.bench.rows import AT_ONCE, CHILDREN
from tests.lab.bench.subjects import C_ECHO, slbroker_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.bench.report import Results, Table

UNKNOWN: Final = "not measured"
CPU, SPEED, P50, P99 = "CPU us/request", "requests/s", "p50 us", "p99 us"
OPTIONS, INVITE = Case("OPTIONS", 128), Case("INVITE", 128)
SLOW: Final = (Case("OPTIONS", OPEN_WINDOW, 1_000), Case("OPTIONS", OPEN_WINDOW, 5_000))
FAST: Final = Case("OPTIONS", OPEN_WINDOW, 20_000)

ONE, TWO, SIXTEEN = (slbroker_name("compiled", number) for number in (1, 2, 16))
ONE_AT_ONCE: Final = slbroker_name("compiled", 1, *AT_ONCE)
REMEMBERED: Final = slbroker_name("remembered, compiled", 1)
REMEMBERED_AT_ONCE: Final = slbroker_name("remembered, compiled", 1, *AT_ONCE)
PASS: Final = forwarding.edge_name("compiled")
FORWARD_WORKERS: Final = tuple(forwarding.workers_name("compiled", number) for number in (1, 2))
FORWARD_NATIVE, FORWARD_KEMI = forwarding.native_name(CHILDREN), forwarding.kemi_name(CHILDREN)
FORWARDED: Final = Case("OPTIONS", 128, forwarded=True)
PURE: Final = slbroker_name("pure", 1)
BASE_AT_ONCE, BASE_SIXTEEN = slbroker_name("BASE", 1, *AT_ONCE), slbroker_name("BASE", 16)
NATIVE, KEMI = native_name(CHILDREN), kemi_name(CHILDREN)


@dataclass(frozen=True)
class Goal:
    """A ratio to `reference`, in some cases, that one of `ours` is to reach: `limit` at most, or at least."""

    name: str
    ours: tuple[str, ...]
    column: str
    reference: str
    limit: float
    cases: tuple[Case, ...]
    at_least: bool = False

    def holds(self, ratio: float) -> bool:
        """Return whether `ratio` reaches it."""
        return ratio >= self.limit if self.at_least else ratio <= self.limit

    def which(self, name: str) -> str:
        """Return in what one of ours differs from the others, "" where there is only one."""
        common = len(os.path.commonprefix(self.ours))
        return f" ({name[common:].lstrip(' ,') or 'usual'})" if len(self.ours) > 1 else ""


def unharmed(watch: watched.Watch) -> list[Goal]:
    """Return the goals for an edge that is watched, beside one that nobody watches."""
    ours, plain = (watch.title,), watched.NOBODY.title
    return [
        Goal(
            f"{watch.name}: requests/s / nobody watches",
            ours,
            SPEED,
            plain,
            0.97,
            (watched.FULL, watched.ROOMY),
            at_least=True,
        ),
        Goal(
            f"{watch.name}: p99 / nobody watches", ours, P99, plain, 1.1, (watched.ROOMY, watched.PACED, watched.FULL)
        ),
    ]


GOALS: Final = (
    Goal("remembered: CPU / Kamailio native", (REMEMBERED,), CPU, NATIVE, 0.6, (OPTIONS,)),
    Goal("remembered: CPU / Kamailio native", (REMEMBERED,), CPU, NATIVE, 0.5, (INVITE,)),
    Goal("remembered: requests/s / Kamailio native", (REMEMBERED,), SPEED, NATIVE, 1.3, (OPTIONS,), at_least=True),
    Goal("remembered: CPU / Kamailio native", (REMEMBERED, REMEMBERED_AT_ONCE), CPU, NATIVE, 2.5, SLOW),
    Goal("remembered: p99 / Kamailio native", (REMEMBERED, REMEMBERED_AT_ONCE), P99, NATIVE, 2.0, SLOW),
    Goal("1 worker, --gather 0: CPU / BASE", (ONE_AT_ONCE,), CPU, BASE_AT_ONCE, 0.7, SLOW),
    Goal("1 worker: p50 / with --gather 0", (ONE,), P50, ONE_AT_ONCE, 1.2, SLOW),
    Goal("16 workers: CPU / 1 worker", (SIXTEEN,), CPU, ONE, 1.2, (FAST, OPTIONS, INVITE)),
    Goal("16 workers: CPU / BASE", (SIXTEEN,), CPU, BASE_SIXTEEN, 0.45, (FAST, OPTIONS, INVITE)),
    Goal("through a worker: CPU / Kamailio native", (ONE, TWO), CPU, NATIVE, 0.6, (OPTIONS, INVITE)),
    Goal("through a worker: CPU / Kamailio KEMI", (ONE, TWO), CPU, KEMI, 0.35, (OPTIONS, INVITE)),
    Goal("through a worker: CPU / C echo", (ONE, TWO), CPU, C_ECHO, 3.0, (OPTIONS, INVITE)),
    Goal("forwarded by a route: CPU / Kamailio forward()", (PASS,), CPU, FORWARD_NATIVE, 0.8, (FORWARDED,)),
    Goal("forwarded by a worker: CPU / Kamailio KSR.forward()", FORWARD_WORKERS, CPU, FORWARD_KEMI, 0.5, (FORWARDED,)),
    *(goal for watch in watched.HARMLESS for goal in unharmed(watch)),
    Goal("pure Python: CPU / Kamailio native", (PURE,), CPU, NATIVE, 1.0, (OPTIONS, INVITE)),
)


def best(goal: Goal, case: Case, results: Results) -> tuple[str, list[float]]:
    """Return which of ours has the best median ratio in a case, and its ratio in each round; none: not measured."""
    by_subject = results.get(case, {})
    reference = by_subject.get(goal.reference, {})
    found = {name: ratios(by_subject.get(name, {}), reference, COLUMNS[goal.column]) for name in goal.ours}
    measured = [(statistics.median(values), name) for name, values in found.items() if values]
    if not measured:
        return "", []
    _, name = (max if goal.at_least else min)(measured)
    return name, found[name]


def goals_table(results: Results, goals: Sequence[Goal] = GOALS) -> Table:
    """Return what was reached of each goal in each of its cases; nothing where no goal could be judged."""
    rows, judged = [["goal", "in", "measured", "wanted", "ok"]], False
    for goal in goals:
        for case in goal.cases:
            name, values = best(goal, case, results)
            judged |= bool(values)
            rows.append([goal.name, str(case), *verdict(goal, name, values)])
    return rows if judged else []


def verdict(goal: Goal, name: str, values: Sequence[float]) -> list[str]:
    """Return the cells behind a goal: measured, wanted, and whether that is reached."""
    wanted = f"{'at least' if goal.at_least else 'at most'} {goal.limit:g}"
    if not values:
        return ["-", wanted, UNKNOWN]
    measured = spread(values, 2) + goal.which(name)
    return [measured, wanted, "yes" if goal.holds(statistics.median(values)) else "NO"]
