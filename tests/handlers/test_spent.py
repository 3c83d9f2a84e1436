"""How long handlers took: each request is counted once, and the sum is what the turn took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker_handlers.spent import Spent


@given(st.lists(st.floats(0.0005, 3.0), max_size=5), st.integers(0, 300), st.floats(0.0, 0.1))
def test_a_turn_is_counted_whole(long: list[float], short: int, rest: float) -> None:
    spent = Spent()
    spent.take(len(long) + short, sum(long) + (rest if short else 0.0), long)
    figures = spent.figures()
    assert sum(figures["counts"]) == len(long) + short
    assert figures["sum"] == pytest.approx(sum(long) + (rest if short else 0.0))


def test_one_that_is_long_is_not_hidden_among_short_ones() -> None:
    spent = Spent()
    spent.take(100, 2.0 + 0.005, [2.0])
    counts = spent.figures()["counts"]
    assert (counts[0], counts[13], sum(counts)) == (99, 1, 100)
