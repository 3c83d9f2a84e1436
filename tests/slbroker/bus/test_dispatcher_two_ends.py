"""Both ends of the bus over a link that loses, breaks and freezes: no request is lost, none is answered twice."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from slbroker.bus import envelope
from slbroker.bus.dispatcher import Cause
from slbroker.bus.envelope import MAX_BATCH, Answer
from slbroker.bus.membership import Standing
from slbroker.settings.dispatch import DispatchSettings
from tests.support.bus import ANSWER, MESSAGE, FakeWorker, Link, waiting
from tests.support.examples import examples

SETTINGS = DispatchSettings()


@pytest.fixture
def link() -> Link:
    return Link()


# A good day -----------------------------------------------------------------------------------------------------


def test_requests_go_out_and_answers_come_back(link: Link) -> None:
    worker = link.join("a", credit=4)
    assert worker.membership.standing is Standing.MEMBER
    assert worker.membership.edge["edge"] == "edge"
    jobs = link.submit(3)
    link.roundtrip()
    assert [item.message for item in worker.held] == [MESSAGE for _ in jobs]
    worker.answer(2)
    worker.answer(1, None)
    link.roundtrip()
    assert link.answered == [(jobs[0], ANSWER), (jobs[1], ANSWER), (jobs[2], None)]
    assert (link.dispatcher.in_flight, link.dispatcher.late, link.dispatcher.garbage) == (0, 0, 0)


def test_a_quiet_day_passes_without_a_loss(link: Link) -> None:
    workers = [link.join(name) for name in "abc"]
    link.advance(30.0)
    assert len(link.dispatcher.workers) == 3
    assert all(worker.membership.standing is Standing.MEMBER for worker in workers)
    assert all(worker.membership.garbage == 0 for worker in workers)
    assert link.dispatcher.garbage == 0


def test_what_does_not_fit_waits_for_the_answers_to_the_rest(link: Link) -> None:
    worker = link.join("a", credit=2)
    link.submit(5)
    for left in (3, 1, 0):
        link.roundtrip()
        assert len(waiting(link.dispatcher)) == left
        worker.answer()
    link.roundtrip()
    assert len(link.answered) == 5


# Envelopes get lost ---------------------------------------------------------------------------------------------


def test_a_lost_hello_is_said_again(link: Link) -> None:
    worker = link.join("a")
    link.cut(worker)
    link.connect(worker)
    link.advance(3.0)
    assert worker.membership.standing is Standing.MEMBER
    assert worker.identity in link.dispatcher.workers


def test_a_lost_batch_is_overdue_and_goes_to_another(link: Link) -> None:
    link.join("a", credit=1)
    link.submit()
    link.drop()
    other = link.join("b", credit=1)
    link.advance(SETTINGS.handler_timeout + 0.1)
    assert len(other.held) == 1
    other.answer()
    link.roundtrip()
    assert len(link.answered) == 1


def test_a_lost_answer_is_given_by_another(link: Link) -> None:
    worker = link.join("a", credit=1)
    (asked,) = link.submit()
    link.roundtrip()
    worker.answer()
    link.drop()
    other = link.join("b", credit=1)
    link.advance(SETTINGS.handler_timeout + 0.1)
    other.answer()
    link.roundtrip()
    assert link.answered == [(asked, ANSWER)]
    assert link.dispatcher.late == 0


def test_a_lost_goodbye_is_said_again(link: Link) -> None:
    worker = link.join("a")
    worker.membership.leave()
    link.drop()
    link.advance(0.5)
    assert worker.membership.is_over
    assert not link.dispatcher.workers


# Workers come and go --------------------------------------------------------------------------------------------


def test_a_killed_workers_requests_are_answered_within_a_second(link: Link) -> None:
    worker = link.join("a", credit=3)
    link.submit(3)
    link.roundtrip()
    other = link.join("b", credit=3)
    link.cut(worker)
    link.advance(0.5)
    assert len(other.held) == 3
    other.answer()
    link.roundtrip()
    assert len(link.answered) == 3
    assert not link.ended


def test_and_fail_within_a_second_when_nobody_else_is_there(link: Link) -> None:
    worker = link.join("a", credit=3)
    link.submit(3)
    link.roundtrip()
    link.cut(worker)
    link.advance(0.9)
    assert link.causes() == [Cause.NO_ANSWER] * 3


def test_a_stopped_workers_requests_are_answered_within_the_handler_timeout(link: Link) -> None:
    worker = link.join("a", credit=3)
    link.submit(2)
    link.roundtrip()
    worker.frozen = True
    other = link.join("b", credit=3)
    link.advance(SETTINGS.handler_timeout + 0.1)
    assert len(other.held) == 2
    other.answer()
    link.advance(SETTINGS.liveness)
    assert len(link.answered) == 2
    assert list(link.dispatcher.workers) == [other.identity]
    worker.frozen = False
    worker.answer()
    link.advance(1.0)
    assert len(link.answered) == 2
    assert link.dispatcher.late == 2
    assert len(link.dispatcher.workers) == 2, "it is back"


def test_a_worker_that_reconnects_is_back_with_all_its_credit(link: Link) -> None:
    worker = link.join("a", credit=2)
    link.submit(2)
    link.roundtrip()
    link.cut(worker)
    link.connect(worker)
    link.advance(1.0)
    assert list(link.dispatcher.workers) == [worker.identity]
    worker.answer()
    link.roundtrip()
    assert link.met_their_fate == 2
    link.submit(2)
    link.roundtrip()
    assert len(worker.held) == 2


def test_a_worker_leaves_without_a_loss_while_requests_keep_coming(link: Link) -> None:
    worker = link.join("a", credit=4)
    other = link.join("b", credit=4)
    link.submit(4)
    link.roundtrip()
    worker.membership.leave()
    link.submit(2)
    link.roundtrip()
    assert (len(worker.held), len(other.held)) == (2, 4)
    assert worker.membership.standing is Standing.LEFT
    worker.answer()
    link.roundtrip()
    assert worker.membership.is_over
    other.answer()
    link.roundtrip()
    assert len(link.answered) == 6
    assert [job.tries for job in link.submitted] == [1] * 6


def test_all_workers_leave_and_one_comes_in_time(link: Link) -> None:
    worker = link.join("a", credit=1)
    link.submit()
    link.roundtrip()
    worker.membership.leave()
    link.roundtrip()
    link.submit()
    link.roundtrip()
    heir = link.join("b", credit=1)
    assert len(heir.held) == 1


# Edges come and go ----------------------------------------------------------------------------------------------


def test_a_restarted_edge_is_served_within_a_second(link: Link) -> None:
    workers = [link.join(name, credit=1) for name in "ab"]
    link.submit(2)
    link.roundtrip()
    link.restart_edge()
    workers[0].answer()
    link.advance(1.0)
    assert len(link.dispatcher.workers) == 2
    assert link.dispatcher.late == 1, "the old edge's request"
    link.submit(1)
    link.roundtrip()
    assert len(workers[0].held) == 1


def test_an_edge_leaves_without_a_loss(link: Link) -> None:
    worker = link.join("a", credit=2)
    link.submit(2)
    link.roundtrip()
    link.dispatcher.leave()
    link.advance(0.5)
    worker.answer()
    link.advance(0.5)
    assert len(link.answered) == 2


def test_both_leave_at_once(link: Link) -> None:
    worker = link.join("a", credit=2)
    link.submit(2)
    link.roundtrip()
    link.dispatcher.leave()
    worker.membership.leave()
    link.roundtrip()
    worker.answer()
    link.roundtrip()
    assert len(link.answered) == 2
    assert worker.membership.is_over
    assert not link.dispatcher.workers


# Anything at all ------------------------------------------------------------------------------------------------

indices = st.integers(min_value=0, max_value=9)


class AnyDay(RuleBasedStateMachine):
    """Requests come and workers do as they like. Time never stands still for longer than a rule."""

    @initialize(max_waiting=st.integers(0, 12), max_tries=st.integers(1, 3), credit=st.integers(1, 5))
    def begin(self, max_waiting: int, max_tries: int, credit: int) -> None:
        self.link = Link(DispatchSettings(max_waiting=max_waiting, max_tries=max_tries))
        self.link.join("first", credit)

    def pick(self, index: int) -> FakeWorker:
        return self.link.workers[index % len(self.link.workers)]

    @rule(credit=st.integers(1, 5), takes=st.sampled_from([(), (b"ACK",), (b"ACK", b"CANCEL")]), name=indices)
    def join(self, credit: int, takes: tuple[bytes, ...], name: int) -> None:
        if len(self.link.workers) < 6:
            self.link.join(f"w{name}", credit, takes)

    @rule(count=st.integers(1, 8), asks=st.sampled_from([b"", b"", b"", b"ACK"]), at_once=st.booleans())
    def submit(self, count: int, asks: bytes, at_once: bool) -> None:
        self.link.submit(count, asks)
        if at_once:
            self.link.roundtrip()

    @rule(index=indices, count=st.integers(1, 5), answer=st.sampled_from([ANSWER, None, (ANSWER, ANSWER)]))
    def answer(self, index: int, count: int, answer: Answer) -> None:
        self.pick(index).answer(count, answer)

    @rule(index=indices, numbers=st.lists(st.integers(995, 1_060)))
    def answer_anything(self, index: int, numbers: list[int]) -> None:
        """A worker answers what it was asked, what it was not, and what it has answered."""
        frames = envelope.encode_replies([(number, ANSWER) for number in numbers])
        identity = self.pick(index).identity or b"stranger"
        self.link.answered += self.link.dispatcher.receive(identity, frames, self.link.now)

    @rule(frames=st.lists(st.binary(max_size=12), max_size=3), index=indices)
    def talk_nonsense(self, frames: list[bytes], index: int) -> None:
        identity = self.pick(index).identity or b"stranger"
        assert self.link.dispatcher.receive(identity, frames, self.link.now) == []

    @rule(index=indices, again=st.booleans())
    def cut(self, index: int, again: bool) -> None:
        worker = self.pick(index)
        self.link.cut(worker)
        if again:
            self.link.connect(worker)

    @rule(index=indices)
    def freeze_or_thaw(self, index: int) -> None:
        self.pick(index).frozen ^= True

    @rule(index=indices)
    def leave(self, index: int) -> None:
        self.pick(index).membership.leave()

    @rule()
    def lose_envelopes(self) -> None:
        self.link.drop()

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0, 6.0, 12.0]))
    def advance(self, seconds: float) -> None:
        self.link.advance(seconds)

    @rule()
    def roundtrip(self) -> None:
        self.link.roundtrip()
        self.no_credit_is_idle()

    def no_credit_is_idle(self) -> None:
        """Nothing waits that a worker with free credit may have."""
        dispatcher = self.link.dispatcher
        for job in waiting(dispatcher):
            for account in dispatcher.workers.values():
                assert account.has_had(job) or not account.free or job.asks not in (b"", *account.takes)

    @invariant()
    def every_request_has_one_place(self) -> None:
        link, dispatcher = self.link, self.link.dispatcher
        given_up = len(dispatcher.ended)
        assert len(link.submitted) == link.met_their_fate + given_up + dispatcher.in_flight
        assert dispatcher.open == sum(len(account.open) for account in dispatcher.workers.values())

    @invariant()
    def no_request_ends_twice(self) -> None:
        ended = [job.number for job, _ in [*self.link.answered, *self.link.ended, *self.link.dispatcher.ended]]
        assert len(set(ended)) == len(ended)
        still = [job.number for job in waiting(self.link.dispatcher)]
        still += [number for account in self.link.dispatcher.workers.values() for number in account.open]
        assert len(set(still)) == len(still)
        assert not set(still) & set(ended)

    @invariant()
    def no_worker_has_more_than_its_credit(self) -> None:
        for account in self.link.dispatcher.workers.values():
            assert 0 <= len(account.open) + len(account.overdue) <= account.credit
            assert not account.overdue.keys() & account.open.keys()
        assert all(len(worker.last_batch) <= min(MAX_BATCH, worker.credit) for worker in self.link.workers)

    @invariant()
    def no_request_is_tried_too_often(self) -> None:
        assert all(job.tries <= self.link.settings.max_tries for job in self.link.submitted)

    def teardown(self) -> None:
        """In the end everything has met its fate: nothing hangs on what workers do or leave undone."""
        self.link.cut(*self.link.workers)
        self.link.advance(1.5)
        assert self.link.dispatcher.in_flight == 0
        assert self.link.met_their_fate == len(self.link.submitted)


TestAnyDay = AnyDay.TestCase
TestAnyDay.settings = examples(200, steps=50)
