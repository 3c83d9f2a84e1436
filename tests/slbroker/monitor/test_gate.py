"""What answering may cost: a share of a processor, whoever asks; each kind in turn; what is made is kept."""

from __future__ import annotations

import asyncio

import pytest

from slbroker.monitor.gate import DEAR, FRESH, IN_HAND, LONGEST, OLDEST, SHARE, Allowance, Gate, Kept


class Thread:
    """A clock, and what a thread has worked by then."""

    def __init__(self) -> None:
        self.now = 100.0
        self.work = 7.0

    def clock(self) -> float:
        return self.now

    def worked(self) -> float:
        return self.work

    def take(self, seconds: float) -> None:
        self.now += seconds
        self.work += seconds


def test_who_asks_without_end_gets_a_share_of_a_processor() -> None:
    thread = Thread()
    allowance = Allowance(thread.clock, thread.worked)
    answers, begun = 0, thread.now
    while thread.now < begun + 60.0:
        thread.now += allowance.wait()
        thread.take(0.002)
        answers += 1
    assert thread.work - 7.0 == pytest.approx(SHARE * 60.0 + IN_HAND, rel=0.05)
    assert answers > 1_000


def test_a_rest_earns_no_more_than_some_answers_at_once() -> None:
    thread = Thread()
    allowance = Allowance(thread.clock, thread.worked)
    thread.now += 3_600.0
    assert allowance.wait() == 0.0
    thread.work += IN_HAND + 0.001
    assert 0.0 < allowance.wait() <= LONGEST


def test_one_dear_answer_holds_up_the_next_for_a_second_at_most() -> None:
    thread = Thread()
    allowance = Allowance(thread.clock, thread.worked)
    thread.take(30.0)
    assert allowance.wait() <= LONGEST


def test_what_edges_tell_counts_for_nobody_who_asks() -> None:
    thread = Thread()
    allowance = Allowance(thread.clock, thread.worked)
    for _ in range(100):
        with allowance.free():
            thread.take(0.5)
    assert allowance.wait() == 0.0
    thread.take(2 * IN_HAND)
    assert allowance.wait() > 0.0


def test_a_crowd_that_asks_for_one_thing_holds_up_another_by_one_answer() -> None:
    async def run() -> list[str]:
        thread = Thread()
        gate, passed = Gate(Allowance(thread.clock, thread.worked)), []

        async def ask(kind: str) -> None:
            await gate.enter(kind)
            passed.append(kind)

        thread.work += IN_HAND + SHARE * 0.02  # nobody passes for a moment
        crowd = [asyncio.create_task(ask("metrics")) for _ in range(50)]
        await asyncio.sleep(0)
        probe = asyncio.create_task(ask("probe"))
        await asyncio.sleep(0)
        assert not passed
        thread.now += 60.0
        await asyncio.wait_for(asyncio.gather(*crowd, probe), 10.0)
        return passed

    passed = asyncio.run(run())
    assert len(passed) == 51
    assert passed.index("probe") == 1


def test_who_gives_up_takes_nobodys_turn() -> None:
    async def run() -> None:
        thread = Thread()
        gate = Gate(Allowance(thread.clock, thread.worked))
        thread.work += IN_HAND + SHARE * 0.02
        first, second = (asyncio.create_task(gate.enter("metrics")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        thread.now += 60.0
        await asyncio.wait_for(second, 10.0)
        await asyncio.wait_for(gate.enter("metrics"), 10.0)

    asyncio.run(run())


def test_what_was_made_counts_for_a_while_and_longer_where_it_is_dear() -> None:
    thread = Thread()
    kept: Kept[int] = Kept(thread.clock, thread.worked)
    made = 0

    def make(cost: float) -> int:
        nonlocal made
        thread.work += cost
        made += 1
        return made

    for cost, lasts in ((0.0, FRESH), (0.1, 0.1 * DEAR), (10.0, OLDEST)):
        before = made
        assert kept.get("a", lambda: make(cost)) == before + 1  # noqa: B023 - it is called here
        thread.now += lasts - 0.001
        assert kept.get("a", lambda: make(0.0)) == before + 1
        assert kept.get("b", lambda: make(0.0)) == before + 2
        thread.now += 0.002 + OLDEST * (cost > 0.1)


def test_only_so_many_kinds_are_kept() -> None:
    thread = Thread()
    kept: Kept[int] = Kept(thread.clock, thread.worked)
    for number in range(1_000):
        kept.get(number, lambda: 0)
    assert len(kept._made) <= 8
