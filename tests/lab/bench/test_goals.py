"""Are the goals judged by what was measured, and named when nothing was? Made-up samples, no processes."""

from __future__ import annotations

import pytest

from tests.lab.bench import goals
from tests.lab.bench.goals import GOALS, Goal, best, goals_table
from tests.lab.bench.kamailio import native_name
from tests.lab.bench.measure import OPEN_WINDOW, Case
from tests.lab.bench.rows import closed_rows, forward_rows, open_rows, watched_rows
from tests.lab.bench.test_report import sample_of
from tests.lab.bench.test_rows import EVERYTHING

CASE, OTHER = Case("OPTIONS", 128), Case("INVITE", 8)
KAMAILIO = native_name(2)
AT_MOST = Goal("ours: CPU", ("us, one", "us, two"), "CPU us/request", KAMAILIO, 0.6, (CASE, OTHER))
AT_LEAST = Goal("ours: speed", ("us, one", "us, two"), "requests/s", KAMAILIO, 1.3, (CASE,), at_least=True)
MISSED = Goal("one: p99", ("us, one",), "p99 us", KAMAILIO, 0.5, (CASE,))
MEASURED = {
    KAMAILIO: {n: sample_of(100, {"server": 1.0}) for n in (1, 2, 3)},
    "us, one": {n: sample_of(100 + 10 * n, {"edge": 0.1 * n}) for n in (1, 2, 3)},
    "us, two": {1: sample_of(150, {"edge": 0.9})},
    "others": {1: sample_of(999, {"edge": 0.0001})},
}


def test_the_best_of_ours_counts_by_its_median() -> None:
    name, values = best(AT_MOST, CASE, {CASE: MEASURED})
    assert name == "us, one"
    assert values == pytest.approx([0.1, 0.2, 0.3])
    assert best(AT_LEAST, CASE, {CASE: MEASURED}) == ("us, two", [1.5])
    assert best(AT_MOST, CASE, {CASE: {"us, one": MEASURED["us, one"]}}) == ("", [])


def test_each_goal_has_what_was_measured_what_was_wanted_and_whether_it_is_so() -> None:
    assert goals_table({CASE: MEASURED}, [AT_MOST, AT_LEAST, MISSED]) == [
        ["goal", "in", "measured", "wanted", "ok"],
        ["ours: CPU", "OPTIONS, 128 in flight", "0.20 (0.10-0.30) (one)", "at most 0.6", "yes"],
        ["ours: CPU", "INVITE, 8 in flight", "-", "at most 0.6", "not measured"],
        ["ours: speed", "OPTIONS, 128 in flight", "1.50 (two)", "at least 1.3", "yes"],
        ["one: p99", "OPTIONS, 128 in flight", "1.00", "at most 0.5", "NO"],
    ]
    assert goals_table({CASE: {"others": MEASURED["others"]}}, [AT_MOST]) == []


def test_what_is_exactly_at_its_limit_is_reached() -> None:
    assert AT_MOST.holds(0.6)
    assert AT_LEAST.holds(1.3)
    assert not AT_MOST.holds(0.601)


def test_the_setting_that_counted_is_named() -> None:
    goal = next(goal for goal in GOALS if goal.ours == (goals.REMEMBERED, goals.REMEMBERED_AT_ONCE))
    assert [goal.which(name) for name in goal.ours] == [" (usual)", " (--gather 0)"]


@pytest.mark.parametrize("goal", GOALS)
def test_a_goal_is_about_rows_that_are_measured(goal: Goal) -> None:
    rows = closed_rows(EVERYTHING) + open_rows(EVERYTHING) + forward_rows(EVERYTHING) + watched_rows(EVERYTHING)
    measured = {(row.subject.name, case) for row in rows for case in row.cases}
    for case in goal.cases:
        assert {(name, case) for name in (*goal.ours, goal.reference)} <= measured


def test_there_are_goals_for_each_number_of_requests_a_second() -> None:
    cases = {case for goal in GOALS for case in goal.cases}
    assert {Case("OPTIONS", OPEN_WINDOW, rate) for rate in (1_000, 5_000, 20_000)} <= cases
