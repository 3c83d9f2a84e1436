"""Retry-After: a range of seconds, of which each call gets its own figure."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.sip.retryafter import MOST, USUAL, RetryAfter


@pytest.mark.parametrize(
    ("text", "value"), [("5-30", (5, 30)), ("10", (10, 10)), ("1-1", (1, 1)), ("off", (0, 0)), (f"1-{MOST}", (1, MOST))]
)
def test_what_can_be_written(text: str, value: tuple[int, int]) -> None:
    assert RetryAfter.read(text) == value
    assert RetryAfter.read(str(RetryAfter.read(text))) == value


@pytest.mark.parametrize(
    "text",
    ["", "0", "0-5", "30-5", "-5", "5-", "5 - 30", "5..30", "1.5", "+5", "OFF", "\u0665", "5-86401", "9" * 5_000],
)
def test_what_cannot_be_written(text: str) -> None:
    with pytest.raises(ValueError, match="write seconds such as 10, a range such as 5-30"):
        RetryAfter.read(text)


@given(st.binary(), st.integers(1, MOST), st.integers(0, 1_000))
def test_a_call_gets_the_same_figure_within_the_range_each_time(call_id: bytes, low: int, more: int) -> None:
    wanted = RetryAfter(low, low + more)
    assert wanted.low <= wanted.seconds(call_id) <= wanted.high
    assert wanted.line(call_id) == wanted.line(call_id) == b"\r\nRetry-After: %d" % wanted.seconds(call_id)


def test_calls_are_spread_over_the_range_evenly() -> None:
    """Also those of one phone, whose Call-IDs differ in a few digits."""
    counts = [0] * 31
    for number in range(2_600):
        counts[USUAL.seconds(b"call-%d@192.0.2.1" % number)] += 1
    assert not any(counts[:5])
    assert min(counts[5:]) > 50
    assert max(counts[5:]) < 200


def test_the_figure_is_the_same_on_every_host() -> None:
    """It depends on nothing that a process makes up, such as the seed of Python's own hash."""
    assert [USUAL.seconds(b"call-%d" % number) for number in range(4)] == [23, 17, 17, 17]


def test_off_is_no_header() -> None:
    assert RetryAfter.read("off").line(b"call") == b""
    assert re.fullmatch(rb"\r\nRetry-After: 7", RetryAfter.read("7").line(b"call"))
