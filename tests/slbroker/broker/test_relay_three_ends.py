"""Edges, brokers and workers together: good days, and connections that lose, repeat, delay and break."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from slbroker.bus import envelope
from slbroker.bus.envelope import Kind
from slbroker.bus.membership import Standing
from slbroker.settings.broker import RelaySettings
from slbroker.settings.dispatch import DispatchSettings
from tests.slbroker.broker.rig import Rig
from tests.support.bus import ANSWER, MESSAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.jobs import Job
    from tests.slbroker.broker.rig import Pipe


def numbers(jobs: list[Job]) -> list[int]:
    return sorted(job.number for job in jobs)


def test_requests_go_out_and_answers_come_back() -> None:
    rig = Rig()
    worker = rig.join("a", credit=8)
    jobs = rig.submit(4)
    rig.roundtrip()
    assert [item.message for _member, item in worker.held] == [MESSAGE for _ in jobs]
    worker.answer(1)
    rig.roundtrip()
    worker.answer(2, None)
    worker.answer()
    rig.roundtrip()
    assert rig.answered == [(jobs[0], ANSWER), (jobs[1], None), (jobs[2], None), (jobs[3], ANSWER)]
    assert rig.relay.table.figures(0)["answered"] == 4
    assert rig.edge.dispatcher.late == rig.edge.dispatcher.garbage == 0


def test_all_workers_behind_all_brokers_get_their_share() -> None:
    rig = Rig(brokers=2, edges=2)
    workers = [rig.join(name, credit=16) for name in "abc"]
    for edge in rig.edges:
        rig.submit(24, edge)
    rig.roundtrip()
    assert sorted(len(worker.held) for worker in workers) == [16, 16, 16]
    for worker in workers:
        worker.answer()
    rig.roundtrip()
    assert rig.unanswered() == 0


def test_a_quiet_day_passes_without_a_loss() -> None:
    rig = Rig(brokers=2, edges=2)
    workers = [rig.join(name) for name in "ab"]
    rig.advance(30.0)
    assert all(len(edge.dispatcher.workers) == 2 and not edge.dispatcher.garbage for edge in rig.edges)
    assert all(member.standing is Standing.MEMBER for worker in workers for member, _pipe in worker.members)
    assert rig.relay.garbage == rig.relay.edges.garbage == 0


def test_pools_are_kept_apart() -> None:
    rig = Rig(pools=("default", "premium"))
    plain, premium = rig.join("a"), rig.join("b", pool="premium")
    assert {account.pool for account in rig.edge.dispatcher.workers.values()} == {"default", "premium"}
    rig.submit(2)
    rig.roundtrip()
    assert (len(plain.held), len(premium.held)) == (2, 0)


# Envelopes are lost, repeated, late -----------------------------------------------------------------------------


IMPATIENT = RelaySettings(liveness=2.0)
HASTY = DispatchSettings(handler_timeout=1.5, liveness=2.0)


def play(rig: Rig) -> None:
    """A short life: requests, a worker more, one less."""
    first = rig.join("a", credit=4)
    rig.submit(4)
    rig.advance(0.1)
    second = rig.join("b", credit=4)
    rig.submit(4)
    rig.advance(0.1)
    first.answer()
    rig.advance(0.1)
    first.leave()
    rig.advance(0.5)
    second.answer()
    for worker in (first, second):
        rig.advance(0.5)
        worker.answer()
    rig.advance(0.5)


def lose(rig: Rig, _pipe: Pipe, _deliver: Callable[[], None]) -> None:
    """The envelope is gone."""


def repeat(_rig: Rig, _pipe: Pipe, deliver: Callable[[], None]) -> None:
    deliver()
    deliver()


def delay(rig: Rig, pipe: Pipe, deliver: Callable[[], None]) -> None:
    rig.delay(0.3, pipe, deliver)


def repeat_late(rig: Rig, pipe: Pipe, deliver: Callable[[], None]) -> None:
    deliver()
    rig.delay(0.3, pipe, deliver)


def break_connection(_rig: Rig, pipe: Pipe, _deliver: Callable[[], None]) -> None:
    pipe.cut()


@pytest.mark.parametrize("trouble", [lose, repeat, delay, repeat_late, break_connection])
@pytest.mark.parametrize("brokers", [1, 2])
def test_each_envelope_in_turn_meets_trouble(
    trouble: Callable[[Rig, Pipe, Callable[[], None]], None], brokers: int
) -> None:
    """Whatever happens to whichever envelope, all requests end and service goes on."""
    victim = 0
    carried = 1
    while victim < carried:
        victim += 1
        rig = Rig(brokers, relay=IMPATIENT, dispatch=HASTY)
        rig.disturb = lambda number, pipe, deliver, rig=rig, victim=victim: (
            trouble(rig, pipe, deliver) if number == victim else deliver()
        )
        play(rig)
        carried = rig.carried
        rig.disturb = None
        rig.advance(4.5)
        ended = [job for job, _ in [*rig.answered, *rig.edge.ended]]
        assert numbers(ended) == numbers(rig.edge.submitted), victim
        assert rig.edge.dispatcher.in_flight == 0
        (survivor,) = (worker for worker in rig.workers if worker.name == "b")
        survivor.answer()
        rig.advance(1.0)
        before = len(rig.answered)
        rig.submit(1)
        rig.roundtrip()
        survivor.answer()
        rig.roundtrip()
        assert len(rig.answered) == before + 1, victim
        assert all(broker.relay.in_flight == 0 for broker in rig.brokers if trouble is not lose), victim
    assert carried > 20


# Too much -------------------------------------------------------------------------------------------------------


def test_what_edges_send_beyond_the_credit_waits_and_is_given_back_in_time() -> None:
    """Two edges are each told of all the credit."""
    rig = Rig(edges=2)
    worker = rig.join("a", credit=4)
    for edge in rig.edges:
        rig.submit(4, edge)
    rig.roundtrip()
    assert (len(worker.held), rig.relay.waiting) == (4, 4)
    worker.answer(2)
    rig.roundtrip()
    assert (len(worker.held), rig.relay.waiting) == (4, 2)
    rig.advance(0.7)
    assert rig.relay.waiting == 0
    assert rig.relay.table.returned > 0
    causes = {cause.name for edge in rig.edges for _job, cause in edge.ended}
    assert causes == {"NO_CREDIT"}
    worker.answer()
    rig.roundtrip()
    assert sum(len(edge.ended) for edge in rig.edges) + len(rig.answered) == 8


def test_a_worker_with_garbage_is_cut_off_alone() -> None:
    rig = Rig()
    bad, good = rig.join("a", credit=4), rig.join("b", credit=4)
    rig.submit(4)
    rig.roundtrip()
    assert bad.held
    bad.members[0][1].send([b"garbage", b"garbage"])
    rig.advance(0.1)
    assert [worker.name for worker in rig.relay.workers.values()] == ["b"]
    good.answer()
    rig.roundtrip()
    assert rig.unanswered() == 0
    bad.cut()
    rig.advance(2.5)
    assert len(rig.relay.workers) == 2, "a new connection is a new chance"


def test_a_worker_whose_answers_the_edge_cannot_read_is_cut_off() -> None:
    rig = Rig()
    bad, good = rig.join("a", credit=4), rig.join("b", credit=4)
    rig.submit(4)
    rig.roundtrip()
    (member, _item), *_ = bad.held
    _head, pipe = bad.members[0]
    batch_id = member._batches[bad.held[0][1].number]
    count = len(bad.held)
    head, _body = envelope.encode_replies([(1, b"")] * count, batch_id)
    assert pipe.send([head, bytes([0x90 + count]) + b"\xc1" * count])
    rig.advance(0.1)
    assert rig.edge.dispatcher.garbage == 1
    assert [worker.name for worker in rig.relay.workers.values()] == ["b"]
    good.answer()
    rig.advance(rig.dispatch_settings.handler_timeout + 0.2)
    good.answer()
    rig.roundtrip()
    assert rig.unanswered() == 0


def test_kinds_that_pass_between_a_broker_and_the_others() -> None:
    """An edge of today never gets what it would take for garbage from a broker, and the other way round."""
    rig = Rig(brokers=2, edges=2)
    play(rig)
    rig.relay.leave()
    rig.advance(1.0)
    assert all(edge.dispatcher.garbage == 0 for edge in rig.edges)
    assert all(broker.relay.edges.garbage == broker.relay.garbage == 0 for broker in rig.brokers)
    assert Kind.LOST in Kind


def test_workers_close_no_connection_while_an_older_edge_is_behind_the_broker() -> None:
    """It would take the batch for garbage, and the broker the worker for one that sends such."""
    rig = Rig(edges=2)
    older = rig.edges[1]
    older.dispatcher._welcome.pop("closes")
    worker = rig.join("a", credit=8)
    for edge in rig.edges:
        rig.submit(1, edge)
    rig.roundtrip()
    worker.answer(answer=(ANSWER, None))
    rig.roundtrip()
    assert [answer for _job, answer in rig.answered] == [(ANSWER,), (ANSWER,)]
    assert older.dispatcher.garbage == 0

    rig.edges.remove(older)
    for pipe in older.pipes.values():
        pipe.cut()
    rig.advance(rig.relay_settings.liveness + 1.0)
    rig.submit(1)
    rig.roundtrip()
    worker.answer(answer=(ANSWER, None))
    rig.roundtrip()
    assert rig.edge.answered[-1][1] == (ANSWER, None)
    assert rig.edge.dispatcher.garbage == 0


def test_workers_let_nothing_go_on_while_an_older_edge_is_behind_the_broker() -> None:
    """A worker answers 500 for what such an edge could not read, and says so; the others' decisions pass unopened."""
    rig = Rig(edges=2)
    newer, older = rig.edges
    newer.dispatcher._welcome["forwards"] = True
    worker = rig.join("a", credit=8)
    for edge in rig.edges:
        rig.submit(1, edge)
    rig.roundtrip()
    assert [member.forwards for member, _pipe in worker.members] == [False]
    worker.answer()
    rig.roundtrip()

    rig.edges.remove(older)
    for pipe in older.pipes.values():
        pipe.cut()
    rig.advance(rig.relay_settings.liveness + 1.0)
    assert [member.forwards for member, _pipe in worker.members] == [True]
    rig.submit(1)
    rig.roundtrip()
    decision = {"to": "sip:10.0.0.5", "add": ((b"X", b"\xff"),)}
    worker.answer(answer=decision)
    rig.roundtrip()
    assert rig.edge.answered[-1][1] == decision
    assert rig.edge.dispatcher.garbage == 0
