"""Who is next in a pool: any number of workers, any loads, and at a cost that does not grow with their number."""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.bus.account import MAX_CREDIT, Account, JobAccount, Offer
from slbroker.bus.envelope import MAX_BATCH, MAX_BATCH_BYTES
from slbroker.bus.pool import JobPool
from slbroker.bus.ready import STALE_ENTRIES
from tests.support.bus import job

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.jobs import Job

_names = itertools.count()
_numbers = itertools.count(1)


def account(credit: int, takes: tuple[bytes, ...] = (), workers: int = 1, batch: int = MAX_BATCH) -> JobAccount[Job]:
    name = f"w{next(_names)}"
    return JobAccount(name.encode(), Offer(name, "default", credit, frozenset(takes), workers, batch), 0.0)


def fill(pool: JobPool[Job], count: int, size: int = 0, asks: bytes = b"") -> list[Job]:
    jobs = [job(asks, size=size) for _ in range(count)]
    for each in jobs:
        each.number = next(_numbers)
        pool.put(each)
    return jobs


def give(pool: JobPool[Job]) -> dict[bytes, list[int]]:
    """Hand out what can be; the sizes of the batches for each worker."""
    sizes: dict[bytes, list[int]] = {}
    for who, batch in pool.assign():
        who.give(batch, 0.0, b"")
        sizes.setdefault(who.identity, []).append(len(batch))
    return sizes


def pool_of(*accounts: JobAccount[Job]) -> JobPool[Job]:
    pool: JobPool[Job] = JobPool("default")
    for each in accounts:
        pool.add(each)
    return pool


@given(
    workers=st.lists(
        st.tuples(st.integers(1, 40), st.integers(0, 40), st.sampled_from([1, 1, 1, 3, 10])), min_size=1, max_size=12
    ),
    turns=st.lists(st.integers(1, 60), min_size=1, max_size=6),
)
def test_the_least_loaded_are_filled_up_to_one_level(workers: list[tuple[int, int, int]], turns: list[int]) -> None:
    accounts = [account(credit, workers=behind) for credit, _busy, behind in workers]
    pool = pool_of(*accounts)
    for each, (credit, busy, _behind) in zip(accounts, workers, strict=True):
        each.open = {-at: job() for at in range(1, min(busy, credit) + 1)}
        pool.ready.refresh(each)
    for count in turns:
        fill(pool, count)
        free = sum(each.free for each in accounts)
        waiting = len(pool)
        given = give(pool)
        handed_out = sum(map(sum, given.values()))
        assert handed_out == min(waiting, free)
        assert len(pool) == waiting - handed_out
        assert all(each.held <= each.credit for each in accounts)
        for some in (each for each in accounts if each.identity in given):
            for other in (each for each in accounts if each.free):
                last, first = (some.held - 1) / some.workers, (other.held + 1) / other.workers
                assert last < first or some is other, "the last one of some should have been the next one of another"


def test_equals_take_turns() -> None:
    accounts = [account(4) for _ in range(3)]
    pool = pool_of(*accounts)
    order = []
    for _ in range(6):
        fill(pool, 1)
        ((name, _sizes),) = give(pool).items()
        order.append(name)
        (who,) = [each for each in accounts if each.identity == name]
        who.open.clear()
        pool.ready.refresh(who)
    assert order == [each.identity for each in accounts] * 2


@pytest.mark.parametrize(("workers", "steps"), [(10, 1), (1_000, 1), (1_000, 64)])
def test_a_turn_looks_at_the_workers_that_get_some_and_no_others(
    workers: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_of(*[account(128) for _ in range(workers)])
    looks = 0
    load, held = vars(Account)["load"].fget, vars(JobAccount)["held"].fget

    def count(measure: Callable[[JobAccount[Job]], float], worker: JobAccount[Job]) -> float:
        nonlocal looks
        looks += 1
        return measure(worker)

    monkeypatch.setattr(Account, "load", property(partial(count, load)))
    monkeypatch.setattr(JobAccount, "held", property(partial(count, held)))
    for _ in range(10):
        fill(pool, steps)
        give(pool)
    assert 10 * steps <= looks <= 10 * steps * 4


def test_one_that_was_looked_at_in_vain_keeps_its_place() -> None:
    idle, first, second = account(9), account(9), account(9)
    pool = pool_of(idle, first, second)
    for each in (first, second):
        each.open = {-1: job()}
        pool.ready.refresh(each)
    fill(pool, 2)
    assert give(pool) == {idle.identity: [2]}
    fill(pool, 1)
    assert give(pool) == {first.identity: [1]}


def test_one_that_offers_more_gets_no_more() -> None:
    boaster, modest = account(MAX_CREDIT), account(4)
    pool = pool_of(boaster, modest)
    for expected in ({boaster.identity: [3], modest.identity: [3]}, {boaster.identity: [5], modest.identity: [1]}):
        fill(pool, 6)
        assert give(pool) == expected


def test_one_that_hangs_gets_no_more_than_the_others_are_behind_with() -> None:
    hung, quick = account(MAX_CREDIT), account(4)
    pool = pool_of(hung, quick)
    got = []
    for turn in range(10):
        fill(pool, 3)
        got.append(give(pool))
        if turn != 5:  # once the quick one is late
            quick.open.clear()
            pool.ready.refresh(quick)
    assert sum(map(sum, (each.get(hung.identity, []) for each in got))) == hung.held == 4


def test_the_queue_of_workers_with_credit_is_kept_short() -> None:
    busy, idle = account(4), account(1)
    pool = pool_of(busy, idle)
    for _ in range(1_000):
        fill(pool, 1)
        give(pool)
        busy.open.clear()
        pool.ready.refresh(busy)
    assert len(pool.ready._heap) < 2 * (2 + STALE_ENTRIES)


def test_a_worker_that_goes_is_not_found_any_more_and_one_that_comes_back_is() -> None:
    first, second = account(9), account(3)
    pool = pool_of(first, second)
    pool.remove(first)
    fill(pool, 2)
    assert give(pool) == {second.identity: [2]}
    pool.add(first)
    fill(pool, 2)
    assert give(pool) == {first.identity: [2]}


# Batches --------------------------------------------------------------------------------------------------------


def test_a_broker_gets_a_batch_for_each_of_its_workers() -> None:
    broker = account(1_000, workers=8)
    pool = pool_of(broker)
    fill(pool, 64)
    assert give(pool) == {broker.identity: [8] * 8}
    fill(pool, 3)
    assert give(pool) == {broker.identity: [1, 1, 1]}


def test_and_none_larger_than_one_of_them_takes() -> None:
    broker = account(1_000, workers=2, batch=5)
    pool = pool_of(broker)
    fill(pool, 16)
    assert give(pool) == {broker.identity: [5, 5, 5, 1]}


def test_large_requests_make_small_batches() -> None:
    worker = account(1_000)
    pool = pool_of(worker)
    fill(pool, 40, size=MAX_BATCH_BYTES // 16)
    assert pool.waiting_bytes == 40 * (MAX_BATCH_BYTES // 16)
    assert give(pool) == {worker.identity: [16, 16, 8]}
    fill(pool, 2, size=2 * MAX_BATCH_BYTES)
    assert give(pool) == {worker.identity: [1, 1]}
    assert pool.waiting_bytes == 0


# What only some may have ----------------------------------------------------------------------------------------


@given(
    workers=st.lists(
        st.tuples(st.integers(1, 6), st.sets(st.sampled_from([b"ACK", b"CANCEL"])), st.sampled_from([1, 1, 3])),
        min_size=1,
        max_size=6,
    ),
    turns=st.lists(st.lists(st.sampled_from([b"ACK", b"CANCEL"]), min_size=1, max_size=9), min_size=1, max_size=4),
)
def test_each_goes_to_the_least_loaded_of_those_that_take_it(
    workers: list[tuple[int, set[bytes], int]], turns: list[list[bytes]]
) -> None:
    plain = account(9)
    accounts = [account(credit, tuple(takes), behind) for credit, takes, behind in workers]
    pool = pool_of(plain, *accounts)
    for methods in turns:
        before = {each.identity: each.held for each in accounts}
        for method in methods:
            fill(pool, 1, asks=method)
        give(pool)
        assert not plain.held
        for some in accounts:
            assert some.held <= some.credit
            assert all(each.asks in some.takes for each in some.open.values())
            assert not some.free or not any(each.asks in some.takes for each in pool.picky)
            for other in (each for each in accounts if some.takes == each.takes and each.free):
                assert some.held == before[some.identity] or (some.held - 1) / some.workers <= other.load


def test_equals_that_take_it_take_turns() -> None:
    first, second = account(2, (b"ACK",)), account(2, (b"ACK",))
    pool = pool_of(first, account(9), second)
    for each in (first, second) * 2:
        fill(pool, 1, asks=b"ACK")
        assert give(pool) == {each.identity: [1]}
        each.open.clear()
        pool.ready.refresh(each)


def test_what_a_worker_has_had_waits_for_another_one() -> None:
    had, other = account(9), account(1)
    pool = pool_of(had, other)
    again = fill(pool, 3)
    for each in again:
        each.tries, each.last_worker = 1, had
    pool.put_back(pool.take_aged(math.inf))
    assert give(pool) == {other.identity: [1]}
    pool.remove(had)
    pool.add(JobAccount(had.identity, Offer("anew", "default", 9, frozenset(), 1, MAX_BATCH), 0.0))
    assert give(pool) == {}, "it is the same worker, whose account was closed"
    assert len(pool) == 2


def test_where_all_take_acks_an_ack_is_like_any_other() -> None:
    pool = pool_of(account(4, (b"ACK",)), account(4, (b"ACK", b"CANCEL")))
    fill(pool, 1, asks=b"ACK")
    assert (len(pool.waiting), len(pool.picky)) == (1, 0)


def test_what_waits_is_sorted_anew_when_a_worker_comes_that_does_not_take_it() -> None:
    taker, plain = account(1, (b"ACK",)), account(9)
    pool = pool_of(taker)
    fill(pool, 2, asks=b"ACK")
    fill(pool, 1)
    pool.add(plain)
    assert give(pool) == {taker.identity: [1], plain.identity: [1]}
    assert len(pool) == 1
    pool.remove(plain)
    taker.open.clear()
    pool.ready.refresh(taker)
    assert give(pool) == {taker.identity: [1]}


def test_ages_are_looked_at_in_both_queues_and_bytes_are_given_back() -> None:
    pool = pool_of(account(1, (b"ACK",)), account(1))
    old = [*fill(pool, 2, size=10), *fill(pool, 1, size=5, asks=b"ACK")]
    (young,) = fill(pool, 1, size=7)
    young.queued = 3.0
    assert sorted(pool.take_aged(1.0), key=id) == sorted(old, key=id)
    assert (len(pool), pool.waiting_bytes) == (1, 7)
