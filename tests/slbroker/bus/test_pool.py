"""Who is next in a pool: any number of workers, any loads, and at a cost that does not grow with their number."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.bus.account import Account, Job, Offer
from slbroker.bus.envelope import MAX_BATCH, MAX_BATCH_BYTES
from slbroker.bus.pool import Pool
from tests.support.bus import job

_names = itertools.count()


def account(credit: int, takes: tuple[bytes, ...] = (), workers: int = 1, batch: int = MAX_BATCH) -> Account[Job]:
    name = f"w{next(_names)}"
    return Account(name.encode(), Offer(name, "default", credit, frozenset(takes), workers, batch), 0.0)


def number(jobs: list[Job]) -> list[Job]:
    for at, each in enumerate(jobs, 1):
        each.number = at
    return jobs


def fill(pool: Pool[Job], count: int, size: int = 0, asks: bytes = b"") -> list[Job]:
    jobs = number([job(asks, size=size) for _ in range(count)])
    for each in jobs:
        pool.put(each)
    return jobs


def give(pool: Pool[Job]) -> dict[bytes, list[int]]:
    """Hand out what can be; the sizes of the batches for each worker."""
    sizes: dict[bytes, list[int]] = {}
    for who, batch in pool.assign():
        who.give(batch, 0.0, b"")
        sizes.setdefault(who.identity, []).append(len(batch))
    return sizes


def pool_of(*accounts: Account[Job]) -> Pool[Job]:
    pool: Pool[Job] = Pool("default")
    for each in accounts:
        pool.add(each)
    return pool


@given(
    workers=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40)), min_size=1, max_size=12),
    turns=st.lists(st.integers(1, 60), min_size=1, max_size=6),
)
def test_the_freest_come_first_until_all_that_got_some_are_left_alike(
    workers: list[tuple[int, int]], turns: list[int]
) -> None:
    accounts = [account(credit) for credit, _busy in workers]
    pool = pool_of(*accounts)
    for each, (credit, busy) in zip(accounts, workers, strict=True):
        each.open = {-at: job() for at in range(1, min(busy, credit) + 1)}
        pool.refresh(each)
    numbers = itertools.count(1)
    for count in turns:
        for submitted in fill(pool, count):
            submitted.number = next(numbers)
        before = {each.identity: each.free for each in accounts}
        waiting = len(pool)
        given = give(pool)
        handed_out = sum(map(sum, given.values()))
        assert handed_out == min(waiting, sum(before.values()))
        assert len(pool) == waiting - handed_out
        left = [each.free for each in accounts if each.identity in given]
        others = [each.free for each in accounts if each.identity not in given]
        assert min(left, default=0) >= 0
        assert max(left, default=0) - min(left, default=0) <= 1, "those that got some are left alike"
        if left:
            assert max(others, default=0) <= max(left) + 1, "nobody freer was passed over"


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
        pool.refresh(who)
    assert order == [each.identity for each in accounts] * 2


@pytest.mark.parametrize(("workers", "steps"), [(10, 1), (1_000, 1), (1_000, 64)])
def test_a_turn_looks_at_the_workers_that_get_some_and_no_others(
    workers: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_of(*[account(128) for _ in range(workers)])
    looks = 0
    free = vars(Account)["free"].fget

    def count(self: Account[Job]) -> int:
        nonlocal looks
        looks += 1
        return int(free(self))

    monkeypatch.setattr(Account, "free", property(count))
    for _ in range(10):
        fill(pool, steps)
        give(pool)
    assert looks <= 10 * steps * 4


def test_the_queue_of_free_workers_is_kept_short() -> None:
    busy, idle = account(4), account(1)
    pool = pool_of(busy, idle)
    for _ in range(1_000):
        fill(pool, 1)
        give(pool)
        busy.open.clear()
        pool.refresh(busy)
    assert len(pool._free) < 100


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
    pool.refresh(taker)
    assert give(pool) == {taker.identity: [1]}


def test_ages_are_looked_at_in_both_queues_and_bytes_are_given_back() -> None:
    pool = pool_of(account(1, (b"ACK",)), account(1))
    old = [*fill(pool, 2, size=10), *fill(pool, 1, size=5, asks=b"ACK")]
    (young,) = fill(pool, 1, size=7)
    young.queued = 3.0
    assert sorted(pool.take_aged(1.0), key=id) == sorted(old, key=id)
    assert (len(pool), pool.waiting_bytes) == (1, 7)
