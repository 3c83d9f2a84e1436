"""The workers of one pool: who is next, and what that costs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.broker.batches import Batch, BatchAccount, EdgeLink
from slbroker.broker.batchpool import BatchPool
from slbroker.bus.account import Offer
from slbroker.bus.envelope import MAX_BATCH

if TYPE_CHECKING:
    from collections.abc import Sequence

LINK = EdgeLink(b"l", "e", "default", 0.0)


def offer(name: str, credit: int, batch: int = MAX_BATCH) -> Offer:
    return Offer(name, "default", credit, frozenset(), 1, batch)


def worker(name: str, credit: int, batch: int = MAX_BATCH) -> BatchAccount:
    return BatchAccount(name.encode(), offer(name, credit, batch), 0.0)


def pool(*credits_: int) -> BatchPool:
    made = BatchPool("default")
    for number, credit in enumerate(credits_):
        made.add(worker(f"w{number}", credit))
    return made


def batch(size: int, number: int = 0) -> Batch:
    made = Batch(LINK, b"", b"body", size, 0.0)
    made.id = number.to_bytes(8, "big")
    return made


def give(to: BatchPool, sizes: Sequence[int]) -> list[str]:
    """Who gets batches of these sizes, one after the other; nobody is ''."""
    names = []
    for number, size in enumerate(sizes):
        found = to.least_loaded(size)
        if found is not None:
            to.give(found, batch(size, number))
        names.append(found.name if found else "")
    return names


def test_equals_take_turns() -> None:
    assert give(pool(2, 2, 2), [1] * 7) == ["w0", "w1", "w2", "w0", "w1", "w2", ""]


def test_the_least_loaded_is_next_whatever_the_others_offer() -> None:
    assert give(pool(65_536, 4, 4), [2, 2, 2, 1, 1, 1]) == ["w0", "w1", "w2", "w0", "w1", "w2"]


def test_one_whose_credit_is_not_enough_is_passed_over() -> None:
    assert give(pool(8, 3), [3, 2, 2, 2, 2, 1]) == ["w0", "w1", "w0", "w0", "", "w1"]


def test_a_batch_is_not_split() -> None:
    assert give(pool(3, 2), [2, 2, 2, 1, 1]) == ["w0", "w1", "", "w0", ""]


def test_one_that_retires_or_goes_is_not_chosen() -> None:
    made = pool(3, 2, 1)
    made.change(made.accounts[b"w0"], None)
    assert give(made, [1]) == ["w1"]
    made.remove(made.accounts[b"w1"])
    assert give(made, [1, 1]) == ["w2", ""]
    assert made.largest == 1


def test_what_is_taken_back_is_free_again() -> None:
    made = pool(2)
    kept = batch(2)
    holder = made.least_loaded(2)
    assert holder is not None
    made.give(holder, kept)
    assert made.least_loaded(1) is None
    made.take_back(holder, kept)
    assert made.least_loaded(2) is holder
    assert kept.account is None


@pytest.mark.parametrize(
    ("offers", "size"),
    [([(128, 256)], 64), ([(128, 256), (8, 256)], 4), ([(1, 256)], 1), ([(65_536, 256)], 256), ([(128, 10)], 10)],
)
def test_a_batch_is_half_the_smallest_credit(offers: list[tuple[int, int]], size: int) -> None:
    made = BatchPool("default")
    for number, (credit, most) in enumerate(offers):
        made.add(worker(f"w{number}", credit, most))
    offered = made.offer("b")
    assert offered is not None
    assert offered.batch == size


def test_aged_and_hopeless_batches_are_taken_away() -> None:
    made = pool(3)
    for queued, size in ((1.0, 1), (2.0, 3), (3.0, 2)):
        waiting = batch(size)
        waiting.queued = queued
        made.put(waiting)
    assert [each.left for each in made.take_aged(2.0)] == [1]
    made.change(made.accounts[b"w0"], offer("w0", credit=2))
    assert [each.left for each in made.take_hopeless()] == [3]
    assert (len(made.waiting), made.waiting_size, made.waiting_bytes) == (1, 2, 4)


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
    st.lists(st.tuples(st.sampled_from(["give", "settle", "lower", "retire"]), st.integers(0, 9)), max_size=60),
)
def test_the_least_loaded_is_always_found(credits_: list[int], acts: list[tuple[str, int]]) -> None:
    """Whatever has happened: the heap, with its entries that hold no longer, says what a look at all workers says."""
    made = pool(*credits_)
    everybody = list(made.accounts.values())
    for number, (act, value) in enumerate(acts):
        one = everybody[value % len(everybody)]
        if act == "give" and (found := made.least_loaded(value + 1)):
            made.give(found, batch(value + 1, number))
        elif act == "settle" and one.open:
            made.take_back(one, next(iter(one.open.values())))
        elif act == "lower":
            made.change(one, offer(one.name, max(1, value)))
        elif act == "retire":
            made.change(one, None)
        for size in (1, 2, 5):
            found = made.least_loaded(size)
            able = [each for each in everybody if each.free >= size]
            assert (found in able) if able else (found is None)
            assert found is None or found.held == min(each.held for each in able)
        assert made._ready.keys() <= {each.credit for each in everybody}


def calls_to_give(count: int) -> int:
    """How many comparisons and calls it takes to give a thousand batches to so many workers, and to get them back."""
    made = pool(*[8] * count)
    calls = 0

    def note(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(note)
    try:
        for number in range(1_000):
            found = made.least_loaded(2)
            assert found is not None
            given_ = batch(2, number)
            made.give(found, given_)
            made.take_back(found, given_)
    finally:
        sys.setprofile(None)
    return calls


def test_the_cost_does_not_grow_with_the_number_of_workers() -> None:
    assert calls_to_give(4_096) < 1.5 * calls_to_give(4)
