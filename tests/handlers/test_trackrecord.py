"""What a worker tells of how quick it has been lately."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from slbroker.bus.packing import LONG, SLOW, Record
from slbroker_handlers.trackrecord import FEW, LEAST, MEMORY, WINDOW, Spell, Stopwatch, TrackRecord


def note(track: TrackRecord, served: int, slow: int, seconds: float) -> None:
    """Take in requests that took so long together, some of them slow."""
    spell = Spell()
    spell.slow = slow
    track.note(served, seconds, spell)


def seasoned(requests: int = 30_000, seconds: float = 0.000_02) -> TrackRecord:
    """A record of quick requests, told."""
    track = TrackRecord()
    for _ in range(FEW + requests):
        note(track, 1, 0, seconds)
    track.news(1)
    return track


def test_a_record_is_told_with_as_few_words_as_it_takes() -> None:
    track, told = TrackRecord(), []
    for number in range(100_000):
        note(track, 1, 0, 0.000_02)
        if number % 50 == 0 and (record := track.news(1)):
            told.append(record)
    assert told[0].served >= LEAST
    assert len(told) < 24
    assert told[-1].served >= MEMORY / 2
    assert {record.slow for record in told} == {0}
    assert {record.micros for record in told} <= {20, 21}


def test_the_first_requests_say_nothing() -> None:
    """They import and connect."""
    track = TrackRecord()
    for _ in range(FEW):
        note(track, 1, 1, 0.5)
    assert track.news(1) is None
    note(track, WINDOW, 0, WINDOW * 0.000_019_5)
    assert track.news(1) == Record(WINDOW, 0, 20)


def test_a_slow_request_is_told_at_once() -> None:
    track = seasoned()
    before = track.told
    note(track, 1, 1, 0.05)
    record = track.news(1)
    assert record is not None
    assert record.slow == 1
    assert not before.slow


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_a_worker_that_turns_slow_is_known_for_it_after_two_requests(batch: int) -> None:
    track = seasoned()
    for _ in range(2):
        note(track, batch, 1, 0.05)
    record = track.news(1)
    assert record is not None
    assert record.served <= WINDOW + 2 * batch
    assert record.fill(record) == 1


def test_one_that_is_quick_again_is_believed_in_time() -> None:
    track = seasoned()
    note(track, 2, 2, 0.1)
    track.news(1)
    for _ in range(12_000):
        note(track, 1, 0, 0.000_02)
    record = track.news(1)
    assert record is not None
    assert record.fill(record) >= 8


def test_a_slow_one_in_a_thousand_is_remembered() -> None:
    track = TrackRecord()
    for number in range(100_000):
        note(track, 1, number % 1_000 == 500, 0.000_02)
    record = track.news(1)
    assert record is not None
    assert 15 <= record.slow <= 40
    assert record.fill(record) == 1


def test_edges_share_the_time_of_a_worker() -> None:
    track = seasoned()
    record = track.news(4)
    assert record is not None
    assert record.micros in (80, 81)


def test_who_always_is_slow_says_it_once_in_a_while() -> None:
    track = TrackRecord()
    told = 0
    for _ in range(10_000):
        note(track, 1, 1, 0.005)
        told += track.news(1) is not None
    assert told < 10


# What is slow ---------------------------------------------------------------------------------------------------


def test_who_sleeps_is_slow() -> None:
    watch = Stopwatch()
    time.sleep(2 * SLOW)
    watch.see(2 * SLOW)
    assert watch.slow == 1
    watch.clear()
    assert watch.slow == 0


@pytest.mark.parametrize("seconds", [1.5 * SLOW, 0.05])
def test_who_computes_for_long_is_slow(seconds: float) -> None:
    """Short ones only if a tick of the clock falls into them, which takes several attempts."""
    found = 0
    for _ in range(1_000):
        watch, end = Stopwatch(), time.thread_time() + seconds
        while time.thread_time() < end:
            pass
        watch.see(seconds)
        found = watch.slow
        if found:
            break
    assert found == 1


def test_who_had_no_processor_is_not() -> None:
    """A quick handler, and another program that wants the same processor."""
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        slow, away, rounds, end = 0, 0.0, 0, time.monotonic() + 20
        while away < 0.1 and time.monotonic() < end:
            watch, begun = Stopwatch(), time.monotonic()
            sum(range(1_000))
            if (seconds := time.monotonic() - begun) > LONG:
                watch.see(seconds)
            slow, away, rounds = slow + watch.slow, away + watch.other, rounds + 1
    finally:
        other.kill()
        other.wait()
        os.sched_setaffinity(0, processors)
    assert away >= 0.1
    assert slow < rounds / 500


@pytest.mark.parametrize(
    ("parts", "micros"),
    [
        ([(1.0, 20e-6)], 20),
        ([(0.5, 10e-6), (0.5, 30e-6)], 20),
        ([(1.0, 600e-6)], 600),
        ([(0.95, 20e-6), (0.05, 1e-3)], 730),  # one of 20 takes a millisecond, and most that wait, wait for that
        ([(0.999, 20e-6), (0.001, 600e-6)], 36),  # a hiccup now and then
        ([(0.9, 20e-6), (0.1, 0.05)], 20),  # the slow ones are counted
    ],
)
def test_long_ones_weigh_by_their_length(parts: list[tuple[float, float]], micros: int) -> None:
    track = TrackRecord()
    for _ in range(2):
        for share, seconds in parts:
            for _number in range(round(share * 1_000)):
                spell = Spell()
                if seconds > LONG:
                    spell.note(seconds)
                spell.slow = 0
                track.note(1, seconds, spell)
    assert track.time * 1e6 == pytest.approx(micros, rel=0.12)
