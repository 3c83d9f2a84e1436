"""Rates by a process's own clock: over some seconds, and not across a start."""

from __future__ import annotations

from typing import Any

import pytest

from slbroker.counting import Clock
from slbroker.metrics.trend import WINDOW, Trend


def told(uptime: float, received: int, name: str = "e1", **more: Any) -> dict[str, Any]:
    return {"name": name, "uptime": uptime, "received": received, **more}


def test_a_rate_is_over_the_last_seconds() -> None:
    trend = Trend()
    for at in range(60):
        trend.hear("e", told(at, 100 * at if at < 40 else 4_000 + 10 * (at - 40)))
    assert trend.moment("e").per_second("received") == 10
    assert trend.moment("e").seconds == WINDOW


@pytest.mark.parametrize("apart", [0.1, 1, 30])
def test_however_often_it_tells(apart: float) -> None:
    trend = Trend()
    for at in range(200):
        trend.hear("e", told(at * apart, round(50 * at * apart)))
    assert trend.moment("e").per_second("received") == pytest.approx(50, rel=0.05)
    assert len(trend._told["e"]) < 20


def test_there_is_none_before_it_has_told_twice() -> None:
    trend = Trend()
    assert trend.moment("e").per_second("received") is None
    trend.hear("e", told(1, 10))
    assert trend.moment("e").per_second("received") is None


@pytest.mark.parametrize("again", [told(0.5, 3), told(9, 3, "e2")])
def test_a_start_makes_no_rate(again: dict[str, Any]) -> None:
    trend = Trend()
    trend.hear("e", told(7, 1_000))
    trend.hear("e", told(8, 2_000))
    trend.hear("e", again)
    assert trend.moment("e").per_second("received") is None


def test_what_is_heard_again_and_again_of_one_that_hangs_does_not_grow() -> None:
    trend = Trend()
    for _ in range(500):
        trend.hear("w", told(7, 1_000))
    assert len(trend._told["w"]) == 1
    trend.keep(["others"])
    assert not trend._told


def test_times_are_those_of_what_ended_meanwhile() -> None:
    clock, trend = Clock(), Trend()
    clock.places[3] = 1_000
    trend.hear("e", told(1, 0, seconds=clock.figures()))
    clock.places[9] = 10
    trend.hear("e", told(2, 0, seconds=clock.figures()))
    found = trend.moment("e").spread("seconds", "queue")
    assert found is not None
    assert (sum(found.counts), found.counts[9]) == (10, 10)
