"""The credit that a worker asks for, by the time that requests take it."""

from __future__ import annotations

import pytest

from slbroker_handlers.pace import FEW, LEAST, LONGEST_QUEUE, MEMORY, STEP, Pace


def paced(seconds: float, most: int = 128, edges: int = 1) -> int:
    """The credit after many requests that took so long each."""
    pace = Pace(most)
    for _ in range(10 * MEMORY):
        pace.note(seconds, 1, edges)
    return pace.credit


@pytest.mark.parametrize(
    ("seconds", "most", "credit"),
    [
        (0.0, 128, 128), (0.000_05, 128, 128), (0.0035, 128, 128), (0.01, 128, 50), (0.05, 128, 10), (0.05, 4, 4),
        (0.2, 128, LEAST), (0.3, 128, LEAST), (30.0, 128, LEAST), (30.0, 1, 1), (0.000_05, 65_536, 10_000),
    ],
)  # fmt: skip
def test_no_more_waits_in_a_worker_than_it_answers_in_half_a_second(seconds: float, most: int, credit: int) -> None:
    assert paced(seconds, most) == pytest.approx(credit, rel=STEP - 1)
    assert paced(seconds, most) <= most
    assert paced(seconds, most) in (LEAST, most) or paced(seconds, most) * seconds <= LONGEST_QUEUE * STEP


def test_edges_share_the_time_of_a_worker() -> None:
    assert [paced(0.05, edges=edges) for edges in (1, 2, 5, 64)] == [10, 5, 2, 2]


def test_a_few_requests_say_nothing() -> None:
    """The first ones import and connect."""
    pace = Pace(128)
    assert not pace.note(0.05, FEW - 1)
    assert not pace.note(0.0001, 60)
    assert pace.credit == 128


def test_but_very_slow_ones_are_believed_at_once() -> None:
    pace = Pace(128)
    assert pace.note(2.0, 1)
    assert pace.credit == LEAST


def test_a_batch_counts_as_its_requests() -> None:
    pace = Pace(128)
    assert pace.note(0.5, 50)
    assert (pace.time, pace.credit) == (0.01, 50)


def test_a_fast_handler_is_given_all_again() -> None:
    pace = Pace(128)
    pace.note(5.0, 100)
    assert pace.credit == 10
    said = [pace.credit for _ in range(3_000) if pace.note(0.000_1, 1)]
    assert said == sorted(said)
    assert said[-1] == 128
    assert len(said) <= 7  # 10 to 128 in steps of 1.5


def test_small_changes_are_not_worth_a_word() -> None:
    pace = Pace(128)
    pace.note(1.0, 20)
    assert pace.credit == 10
    assert not any(pace.note(0.050 + 0.012 * (number % 2), 1) for number in range(1_000))
    assert not any(pace.note(0.040, 1) for _ in range(1_000))
    assert pace.credit == 10


def test_at_the_edge_of_all_there_is_no_to_and_fro() -> None:
    pace = Pace(128)
    changes = sum(pace.note(0.0045 if number // 200 % 2 else 0.0037, 1) for number in range(10_000))
    assert changes == 0


def test_what_was_long_ago_is_forgotten() -> None:
    pace = Pace(128)
    pace.note(100.0, 1_000)
    for _ in range(20 * MEMORY):
        pace.note(0.001, 1)
    assert pace.time == pytest.approx(0.001, rel=0.1)
