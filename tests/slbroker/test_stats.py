"""The counters of an edge: they add up, or say that they do not."""

from __future__ import annotations

import pytest

from slbroker.stats import Fates


def test_nothing_has_happened() -> None:
    fates = Fates()
    assert fates.ended() == 0
    assert fates.figures(0) == dict.fromkeys(
        (
            "received",
            "replied",
            "absorbed",
            "passed",
            "forwarded",
            "remembered",
            "repeated",
            "shed",
            "failed",
            "in_flight",
            "unaccounted",
        ),
        0,
    ) | {"dropped": {}}


@pytest.mark.parametrize("name", ["replied", "absorbed", "passed", "forwarded", "repeated", "shed", "failed"])
def test_each_fate_counts_once(name: str) -> None:
    fates = Fates()
    fates.received = 3
    setattr(fates, name, 2)
    assert fates.ended() == 2
    assert fates.figures(1)[name] == 2


def test_drops_are_counted_by_cause() -> None:
    fates = Fates()
    fates.received = 4
    for cause in ("ack", "stun", "ack"):
        fates.drop(cause)
    assert fates.figures(1)["dropped"] == {"ack": 2, "stun": 1}


@pytest.mark.parametrize(("in_flight", "unaccounted"), [(1, 0), (0, 1), (3, -2)])
def test_figures_say_whether_they_add_up(in_flight: int, unaccounted: int) -> None:
    fates = Fates()
    fates.received, fates.replied = 2, 1
    figures = fates.figures(in_flight)
    assert (figures["in_flight"], figures["unaccounted"]) == (in_flight, unaccounted)
