"""Replies by method and status, and times by stage: both twins count alike, and what they count adds up."""

from __future__ import annotations

from array import array
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.bus.choice import ANY
from slbroker.counting import BOUNDS, METHODS, STAGES, WIDTH, Clock, Spread, new_tally, tally_figures
from slbroker.sip.reading import Reading
from tests.support.twins import KINDS, load

if TYPE_CHECKING:
    from collections.abc import Sequence


def reply(status: int) -> bytes:
    return b"SIP/2.0 %d Whatever\r\nContent-Length: 0\r\n\r\n" % status


def posted(kind: str, pairs: Sequence[tuple[bytes, int]]) -> dict[str, dict[str, int]]:
    jobs, outbox = load("slbroker.bus.jobs", kind), load("slbroker_edge.outbox", kind)
    tally = new_tally()
    ended = [
        (jobs.Job(Reading(method, b"sip:a", b"c", b"f", b"", 1, b"", 5060), b"", ANY, 1, "listener"), reply(status))
        for method, status in pairs
    ]
    assert outbox.post_replies(ended, 0, {}, {}, tally) == len(pairs)
    return tally_figures(tally)


methods = st.sampled_from([*METHODS, b"X-OWN", b"invite"])


@pytest.mark.parametrize("kind", KINDS)
@given(pairs=st.lists(st.tuples(methods, st.integers(100, 699)), max_size=30))
def test_each_reply_is_counted_under_its_method_and_status(kind: str, pairs: list[tuple[bytes, int]]) -> None:
    wanted: dict[str, dict[str, int]] = {}
    for method, status in pairs:
        row = wanted.setdefault(method.decode() if method in METHODS else "other", {})
        row[str(status)] = row.get(str(status), 0) + 1
    assert posted(kind, pairs) == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_peer_makes_up_is_counted_together(kind: str) -> None:
    assert posted(kind, [(b"M%d" % at, 404) for at in range(1000)]) == {"other": {"404": 1000}}


def timed(kind: str, times: Sequence[tuple[float, float]], now: float) -> Any:
    jobs = load("slbroker.bus.jobs", kind)
    ended = []
    for queued, given_ in times:
        job = jobs.Job(None, b"", ANY, 1)
        job.queued, job.given = queued, given_
        ended.append((job, b""))
    clock = Clock()
    jobs.observe(ended, now, clock.places, clock.sums)
    return clock.figures()


seconds = st.floats(0, 20) | st.sampled_from(BOUNDS)


@given(st.lists(st.tuples(seconds, seconds), max_size=8), seconds)
def test_times_are_counted_alike(times: list[tuple[float, float]], now: float) -> None:
    ordered = [(min(pair), max(pair)) for pair in times]
    pure, compiled = (timed(kind, ordered, now + 20) for kind in KINDS)
    assert pure == compiled
    for stage in STAGES:
        assert sum(pure[stage]["counts"]) == len(times)


@pytest.mark.parametrize("kind", KINDS)
def test_a_time_lies_between_its_bounds(kind: str) -> None:
    for at, (low, high) in enumerate(pairwise((0.0, *BOUNDS, 1e6))):
        counts = timed(kind, [(0.0, 0.0)], (low + high) / 2)["whole"]["counts"]
        assert counts == [int(place == at) for place in range(WIDTH)]
    assert timed(kind, [(0.0, 0.0)], BOUNDS[3])["whole"]["counts"][3] == 1, "a bound is its own place's"


def test_compiled_counting_refuses_what_is_no_array_of_ours() -> None:
    jobs, outbox = load("slbroker.bus.jobs"), load("slbroker_edge.outbox")
    for wrong in (array("Q", [0]), array("B", bytes(8 * len(new_tally())))):
        with pytest.raises(ValueError, match="no tally"):
            outbox.post_replies([], 0, {}, {}, wrong)
        with pytest.raises(ValueError, match="no clock"):
            jobs.observe([], 0.0, wrong, Clock().sums)
    with pytest.raises(ValueError, match="no clock"):
        jobs.observe([], 0.0, Clock().places, array("f", [0, 0, 0]))


def test_a_spread_counts_several_at_once() -> None:
    spread = Spread((1.0, 2.0))
    spread.note(1.0)
    spread.note(1.5, 3)
    spread.note(9.0)
    assert spread.figures() == {"counts": [1, 3, 1], "sum": 14.5}
