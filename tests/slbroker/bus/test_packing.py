"""How far an idle worker is filled before the next one is woken: by what it, and its pool, have shown lately."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.bus.account import JobAccount, Offer
from slbroker.bus.envelope import MAX_BATCH
from slbroker.bus.packing import FEWEST, HELD_UP, MOST, WORK, Record, Tally, as_words
from slbroker.bus.pool import JobPool
from slbroker.errors import EnvelopeError
from tests.support.bus import hello, job

if TYPE_CHECKING:
    from slbroker.bus.jobs import Job

QUICK = Record(30_000, 0, 15)  # 66 of them are a millisecond's work
NUMBERS = itertools.count(1)

records = st.builds(
    lambda served, slow, micros: Record(served, min(served, slow), micros),
    st.integers(0, 40_000), st.one_of(st.just(0), st.integers(0, 100)), st.integers(1, 2_000),
)  # fmt: skip


def worker(name: str, record: Record = QUICK, credit: int = 128, workers: int = 1) -> JobAccount[Job]:
    offer = Offer(name, "default", credit, frozenset(), workers, MAX_BATCH, record=record)
    return JobAccount(name.encode(), offer, 0.0)


def pool_of(*accounts: JobAccount[Job]) -> JobPool[Job]:
    pool: JobPool[Job] = JobPool("default")
    for each in accounts:
        pool.add(each)
    return pool


def put(pool: JobPool[Job], count: int) -> list[Job]:
    """Let requests wait."""
    jobs = [job() for _ in range(count)]
    for each in jobs:
        each.number = next(NUMBERS)
        pool.put(each)
    return jobs


def give(pool: JobPool[Job]) -> dict[str, list[int]]:
    """Hand out what can be; the sizes of the batches that each worker gets."""
    sizes: dict[str, list[int]] = {}
    for who, batch in pool.assign():
        who.give(batch, 0.0, b"")
        sizes.setdefault(who.name, []).append(len(batch))
    return sizes


def finish(pool: JobPool[Job], *accounts: JobAccount[Job]) -> None:
    """Let workers have answered all."""
    for each in accounts:
        each.open.clear()
        pool.refresh(each)


def tell(pool: JobPool[Job], account: JobAccount[Job], record: Record) -> None:
    """Let a worker say HELLO again, with another record."""
    pool.change(account, Offer(account.name, account.pool, account.credit, frozenset(), 1, MAX_BATCH, record=record))


# How far --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "fill"),
    [
        (Record(), 1),
        (Record(1_000, 0, 10), 1),  # too few to know
        (Record(4_000, 0, 10), 16),
        (Record(30_000, 0, 10), 96),
        (Record(30_000, 0, 30), 32),  # a millisecond's work
        (Record(30_000, 0, 20), 48),
        (Record(30_000, 0, 120), 8),
        (Record(30_000, 0, 130), 1),  # costs more than waking somebody
        (Record(30_000, 1, 10), 48),
        (Record(30_000, 30, 10), 1),  # one in a thousand is slow
        (Record(30_000, 30_000, 10), 1),
        (Record(MOST, 0, 1), 768),
    ],
)
def test_a_worker_is_filled_as_far_as_it_can_be_relied_on(record: Record, fill: int) -> None:
    assert record.fill(record) == fill


@given(records, records)
def test_never_with_more_than_a_millisecond_of_work(own: Record, others: Record) -> None:
    fill = own.fill(Record.together([own, others]))
    assert fill == 1 or (FEWEST <= fill <= WORK * 1e6 / own.micros)


@given(served=st.integers(1, 40_000), share=st.floats(0.000_001, 0.999))
def test_few_are_held_up_by_a_slow_one_however_many_are_slow_and_however_few_were_seen(
    served: int, share: float
) -> None:
    """The mean of it, over all that may have been seen of workers of which so large a share of requests is slow."""
    held_up = probable = 0.0
    for slow in range(min(served, 200) + 1):
        ways = math.lgamma(served + 1) - math.lgamma(slow + 1) - math.lgamma(served - slow + 1)
        chance = math.exp(ways + slow * math.log(share) + (served - slow) * math.log1p(-share))
        probable += chance
        record = Record(served, slow, 1)
        held_up += chance * share * (record.fill(record) - 1) / 2
    assert probable <= 1 + 1e-6
    assert held_up <= HELD_UP


@given(st.lists(records, min_size=1, max_size=6))
def test_who_goes_is_not_counted_any_more(several: list[Record]) -> None:
    tally = Tally()
    for record in several:
        tally.count(record, 1)
    assert tally.record == Record.together(several)
    for record in several[1:]:
        tally.count(record, -1)
    assert tally.record.served == several[0].served
    if several[0].served:
        assert tally.record == several[0]


# Who gets what --------------------------------------------------------------------------------------------------


def test_the_requests_of_a_turn_go_to_one_worker() -> None:
    pool = pool_of(*[worker(f"w{number}") for number in range(16)])
    put(pool, 40)
    assert list(give(pool).values()) == [[40]]


def test_the_worker_that_was_at_work_last_gets_the_next_ones() -> None:
    accounts = [worker(f"w{number}") for number in range(16)]
    pool = pool_of(*accounts)
    put(pool, 1)
    ((first, _sizes),) = give(pool).items()
    for _ in range(20):
        finish(pool, *[each for each in accounts if each.name == first])
        put(pool, 20)
        assert give(pool) == {first: [20]}


def test_when_one_is_full_the_next_one_is_woken() -> None:
    pool = pool_of(*[worker(f"w{number}") for number in range(4)])
    put(pool, 150)
    assert sorted(give(pool).values()) == [[22], [64], [64]]


def test_when_all_are_needed_each_gets_its_share_in_one_envelope() -> None:
    pool = pool_of(*[worker(f"w{number}") for number in range(2)])
    put(pool, 200)
    assert list(give(pool).values()) == [[100]] * 2


def test_a_worker_that_has_something_to_do_is_not_packed() -> None:
    """Nobody knows how long it will be busy with that: others come first, while they have less to do."""
    pool = pool_of(worker("a"), worker("b"))
    put(pool, 1)
    ((busy, _sizes),) = give(pool).items()
    put(pool, 30)
    assert give(pool) == {"b" if busy == "a" else "a": [30]}
    put(pool, 30)
    assert give(pool) == {busy: [30]}


def test_where_none_is_idle_who_has_least_to_do_gets_as_much_on_top() -> None:
    accounts = [worker(f"w{number}") for number in range(3)]
    pool = pool_of(*accounts)
    for count in (40, 50, 60):
        put(pool, count)
        give(pool)
    put(pool, 70)
    given = give(pool)
    assert sorted(given.values()) == [[6], [64]]
    assert sorted(each.held for each in accounts) == [56, 60, 104]


def test_a_worker_that_is_not_known_to_be_quick_gets_its_share_and_no_more() -> None:
    quick, slow = worker("quick"), worker("slow", Record(30_000, 20_000, 15))
    pool = pool_of(quick, slow)
    put(pool, 60)
    assert give(pool) == {"quick": [60]}
    put(pool, 60)
    assert give(pool) == {"slow": [1], "quick": [59]}


@pytest.mark.parametrize(
    "record", [Record(), Record(100, 0, 10), Record(30_000, 200, 10), Record(30_000, 30_000, 5_000)],
    ids=["new", "hardly known", "with slow ones", "all slow"],
)  # fmt: skip
def test_workers_that_cannot_be_relied_on_share_what_there_is(record: Record) -> None:
    pool = pool_of(*[worker(f"w{number}", record) for number in range(8)])
    put(pool, 16)
    assert list(give(pool).values()) == [[2]] * 8


def test_a_new_worker_of_a_pool_that_is_known_to_be_quick_is_packed_at_once() -> None:
    old = worker("old")
    pool = pool_of(old, worker("new", Record()))
    put(pool, 100)
    assert sorted(give(pool).values()) == [[36], [64]]


def test_what_many_have_seen_together_counts() -> None:
    """After 1,000 requests each nobody knows enough by itself."""
    accounts = [worker(f"w{number}", Record(1_000, 0, 15)) for number in range(16)]
    put(pool := pool_of(*accounts[:1], worker("new", Record())), 8)
    assert list(give(pool).values()) == [[4]] * 2
    put(pool := pool_of(*accounts), 32)
    assert list(give(pool).values()) == [[32]]


def test_a_worker_that_turns_slow_is_packed_no_more_and_the_others_are() -> None:
    slow, quick = worker("slow"), worker("quick")
    pool = pool_of(quick, slow)
    tell(pool, slow, Record(40_000, 20_000, 15))
    put(pool, 64)
    assert give(pool) == {"quick": [64]}
    put(pool, 1)
    assert give(pool) == {"slow": [1]}


def test_where_all_turn_slow_all_are_used() -> None:
    accounts = [worker(f"w{number}") for number in range(4)]
    pool = pool_of(*accounts)
    for each in accounts:
        tell(pool, each, Record(60, 30, 5_000))
    put(pool, 8)
    assert list(give(pool).values()) == [[2]] * 4


def test_what_a_worker_that_left_had_seen_counts_no_more() -> None:
    pool = pool_of(old := worker("old"), *[worker(f"w{number}", Record(10, 0, 15)) for number in range(4)])
    pool.remove(old)
    put(pool, 8)
    assert list(give(pool).values()) == [[2]] * 4


def test_behind_a_broker_one_is_filled_before_the_next_one() -> None:
    broker = worker("broker", credit=1_000, workers=8)
    pool = pool_of(broker)
    put(pool, 40)
    assert give(pool) == {"broker": [40]}
    put(pool, 150)
    assert give(pool) == {"broker": [64, 64, 22]}


@given(
    workers=st.lists(
        st.tuples(records, st.integers(1, 200), st.integers(0, 3), st.sampled_from([1, 1, 1, 4])),
        min_size=1, max_size=10,
    ),
    turns=st.lists(st.integers(1, 300), min_size=1, max_size=5),
)  # fmt: skip
def test_nothing_is_lost_and_nobody_is_filled_beyond_its_time_while_another_one_is_idle(
    workers: list[tuple[Record, int, int, int]], turns: list[int]
) -> None:
    accounts = [
        worker(f"w{number}", record, credit, behind) for number, (record, credit, _busy, behind) in enumerate(workers)
    ]
    pool = pool_of(*accounts)
    for each, (_record, credit, busy, _behind) in zip(accounts, workers, strict=True):
        each.open = {-at: job() for at in range(1, min(busy, credit) + 1)}
        pool.refresh(each)
    for count in turns:
        put(pool, count)
        waiting = [each.number for each in pool.waiting]
        free = sum(each.free for each in accounts)
        given: list[int] = []
        for who, batch in pool.assign():
            who.give(batch, 0.0, b"")
            given += [each.number for each in batch]
        assert given == waiting[: min(len(waiting), free)]
        assert [each.number for each in pool.waiting] == waiting[len(given) :]
        for each in accounts:
            assert each.held <= each.credit
            if any(not other.held for other in accounts):
                assert each.held <= max(each.fill * each.workers, 3)


# What HELLO says ------------------------------------------------------------------------------------------------


def test_a_record_comes_as_it_was_told() -> None:
    told = Record(30_000, 3, 15)
    assert Offer.read(hello() | as_words(told)).record == told
    assert Offer.read(Offer.read(hello() | as_words(told)).as_hello()).record == told
    assert Offer.read(hello() | {"record": [30_000, 3, 15, 8]}).record == told  # a later version may say more
    assert "record" not in Offer.read(hello()).as_hello()


@pytest.mark.parametrize(
    "words", [None, 5, b"abc", "abc", [], [1, 2], [1, 2, -3], [1, 2, 3.0], [True, 2, 3], ["1", 2, 3]]
)
def test_what_is_no_record_is_garbage(words: object) -> None:
    with pytest.raises(EnvelopeError):
        Offer.read(hello() | {"record": words})


def test_nobody_is_believed_more_than_a_lifetime_of_work() -> None:
    assert Offer.read(hello() | {"record": [2**63, 2**64 - 1, 0]}).record == Record(MOST, MOST, 1)
