"""The counters of an edge: they add up, or they do not come out."""

from __future__ import annotations

import pytest

from slbroker.stats import Fates


def test_nothing_has_happened() -> None:
    fates = Fates()
    assert fates.ended() == 0
    assert fates.figures(0) == dict.fromkeys(
        ("received", "replied", "absorbed", "passed", "forwarded", "shed", "failed", "in_flight"), 0
    ) | {"dropped": {}}


@pytest.mark.parametrize("name", ["replied", "absorbed", "passed", "forwarded", "shed", "failed"])
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


@pytest.mark.parametrize("in_flight", [0, 2])
def test_figures_that_do_not_add_up_are_never_shown(in_flight: int) -> None:
    fates = Fates()
    fates.received, fates.replied = 2, 1
    assert fates.figures(1)["in_flight"] == 1
    with pytest.raises(AssertionError, match="2 received, but 1 ended"):
        fates.figures(in_flight)
