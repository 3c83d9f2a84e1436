"""An edge's dispatcher with a broker for a worker: batches have names, and some come back."""

from __future__ import annotations

import pytest

from slbroker.bus import envelope
from slbroker.bus.choice import Choice
from slbroker.bus.dispatcher import Cause
from slbroker.bus.envelope import Kind
from slbroker.bus.roster import BROKER_LIVENESS
from slbroker.settings.dispatch import DispatchSettings
from tests.support.bus import ANSWER, FIRST_ID, Desk, hello, ids_of, kind_of

SETTINGS = DispatchSettings()
PREMIUM = Choice(("premium",), (1,))


def offer(credit: int, workers: int, pool: str = "default") -> dict[str, object]:
    return hello("b1", credit, pool=pool) | {"workers": workers, "batch": 8}


@pytest.fixture
def desk() -> Desk:
    """A dispatcher that has met a broker with two workers."""
    desk = Desk()
    desk.dispatcher.meet(b"b1", "default")
    desk.say("b1", Kind.HELLO, offer(16, 2))
    assert desk.kinds() == {"b1": [Kind.WELCOME]}
    return desk


def batches(desk: Desk) -> dict[bytes, list[int]]:
    """The batches that go out now: their routes and what is in them."""
    sent = [frames for _identity, frames in desk.dispatcher.send(desk.now) if kind_of(frames) is Kind.REQUESTS]
    return {envelope.decode_head(frames).batch_id: ids_of(frames) for frames in sent}


def lost(desk: Desk, *routes: bytes, begun: bool) -> None:
    desk.say("b1", Kind.LOST, {"batches": routes, "begun": begun})


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"worker": "w7", "cause": "it is silent"}, " (w7, it is silent)"),
        ({}, ""),
        ({"worker": 7, "cause": b"x"}, ""),
        ({"worker": "w\n7"}, r" (w\n7)"),
    ],
)
def test_the_log_says_which_worker_behind_a_broker_has_lost_a_request(
    desk: Desk, caplog: pytest.LogCaptureFixture, told: dict[str, object], words: str
) -> None:
    desk.submit()
    (batch_id,) = batches(desk)
    desk.dispatcher.reasons = {}
    desk.say("b1", Kind.LOST, {"batches": [batch_id], "begun": True, **told})
    assert f"worker b1 lost the worker that had it{words}; it goes to another one" in caplog.text
    assert list(desk.dispatcher.reasons.values()) == [f"worker b1 lost the worker that had it{words}"]


def test_a_broker_is_asked_for_its_name_until_it_says_hello() -> None:
    desk = Desk()
    desk.dispatcher.meet(b"b1", "premium")
    desk.dispatcher.expire(desk.now)
    ((identity, frames),) = desk.dispatcher.send(desk.now)
    assert (identity, kind_of(frames)) == (b"b1", Kind.WHO)
    assert envelope.decode_info(frames[1]) == {"edge": "edge", "pool": "premium"}
    assert desk.expire(SETTINGS.heartbeat) == {"b1": [Kind.WHO]}
    desk.say("b1", Kind.HELLO, offer(16, 2, "premium"))
    assert desk.kinds() == {"b1": [Kind.WELCOME]}
    assert desk.expire(SETTINGS.heartbeat) == {}
    desk.dispatcher.lose(b"b1", desk.now)
    assert desk.expire(SETTINGS.heartbeat) == {"b1": [Kind.WHO]}
    desk.dispatcher.leave()
    assert desk.expire(SETTINGS.heartbeat) == {}


def test_each_connection_to_it_is_for_one_pool_whatever_it_says() -> None:
    desk = Desk()
    desk.dispatcher.meet(b"b1", "default")
    desk.dispatcher.meet(b"b1 premium", "premium")
    desk.say("b1", Kind.HELLO, offer(16, 2))
    desk.say("b1 premium", Kind.HELLO, offer(16, 2, "elsewhere"))
    desk.kinds()
    desk.submit(1)
    desk.submit(2, choice=PREMIUM)
    assert desk.shares() == {"b1": 1, "b1 premium": 2}


def test_its_batches_have_names_of_their_own_and_are_as_many_as_its_workers(desk: Desk) -> None:
    desk.submit(6)
    first = batches(desk)
    assert [len(ids) for ids in first.values()] == [3, 3]
    desk.submit(1)
    second = batches(desk)
    assert not first.keys() & second.keys()
    assert all(len(route) == 8 for route in first | second)


def test_what_a_dead_worker_of_it_had_goes_out_again_once(desk: Desk) -> None:
    desk.submit(4)
    (route, ids), (_other, rest) = batches(desk).items()
    desk.answer("b1", ids[0])
    lost(desk, route, begun=True)
    ((again, open_ids),) = batches(desk).items()
    assert (again != route, open_ids) == (True, ids[1:])
    lost(desk, again, begun=True)
    assert desk.ended() == [Cause.NO_ANSWER]
    assert [each.number for each in desk.answer("b1", *rest)] == rest
    assert desk.dispatcher.in_flight == 0


def test_what_no_worker_of_it_took_waits_on_as_if_it_had_never_left(desk: Desk) -> None:
    for _ in range(5):
        (submitted,) = desk.submit()
        ((route, ids),) = batches(desk).items()
        lost(desk, route, begun=False)
        assert submitted.tries == 0
        ((route, again),) = batches(desk).items()
        assert again == ids
        desk.answer("b1", *ids)
    desk.submit()
    ((route, _ids),) = batches(desk).items()
    desk.now += SETTINGS.max_wait + 0.1
    lost(desk, route, begun=False)
    desk.expire()
    assert desk.ended() == [Cause.NO_CREDIT], "it has waited for longer than it may"


def test_an_overdue_request_may_go_to_another_worker_of_the_same_broker(desk: Desk) -> None:
    (submitted,) = desk.submit()
    batches(desk)
    desk.beat("b1", SETTINGS.handler_timeout)
    desk.expire_alone(0.1)
    ((route, ids),) = batches(desk).items()
    assert ids == [submitted.number]
    lost(desk, route, begun=True)
    assert desk.ended() == [Cause.NO_ANSWER], "two have had it"


def test_but_not_where_there_is_none() -> None:
    desk = Desk()
    desk.dispatcher.meet(b"b1", "default")
    desk.say("b1", Kind.HELLO, offer(8, 1))
    desk.kinds()
    desk.submit(8)
    ((route, _ids),) = batches(desk).items()
    desk.beat("b1", SETTINGS.handler_timeout)
    desk.expire_alone(0.1)
    desk.submit(1)
    assert batches(desk) == {}
    lost(desk, route, begun=True)
    assert [len(ids) for ids in batches(desk).values()] == [1], "the eight keep away from it"
    desk.expire(SETTINGS.max_wait + 0.1)
    assert desk.ended() == [Cause.NO_ANSWER] * 8


@pytest.mark.parametrize("batches", [None, "b", [1]])
def test_a_loss_that_names_no_batch_is_garbage_and_no_reason_to_leave_a_broker(desk: Desk, batches: object) -> None:
    desk.submit(1)
    desk.given()
    desk.receive("b1", envelope.encode(Kind.LOST, {"batches": batches, "begun": True}))
    assert (desk.dispatcher.garbage, desk.dispatcher.in_flight, list(desk.dispatcher.workers)) == (1, 1, [b"b1"])


def test_a_broker_that_is_silent_is_given_up_sooner_than_a_worker_and_is_back_when_it_speaks(desk: Desk) -> None:
    """A handler may block a worker; nothing blocks a broker but its end, or who stops it."""
    (job,) = desk.submit()
    assert desk.kinds() == {"b1": [Kind.REQUESTS]}
    desk.join("w")
    desk.expire(BROKER_LIVENESS - 0.1)
    assert list(desk.dispatcher.workers) == [b"b1", b"w"]
    assert desk.expire(0.2)["w"] == [Kind.REQUESTS]
    assert list(desk.dispatcher.workers) == [b"w"]
    assert desk.answer("w", job.number) == [job]
    desk.say("b1", Kind.HEARTBEAT)
    assert Kind.WHO in desk.kinds()["b1"]
    desk.say("b1", Kind.HELLO, offer(16, 2))
    assert list(desk.dispatcher.workers) == [b"w", b"b1"]


def test_a_loss_is_for_brokers_to_report(desk: Desk) -> None:
    desk.join("w")
    desk.receive("w", envelope.encode(Kind.LOST, {"batches": (), "begun": True}))
    assert desk.dispatcher.garbage == 1
    assert list(desk.dispatcher.workers) == [b"b1"]


def test_answers_that_cannot_be_read_are_reported_to_the_broker_which_stays(desk: Desk) -> None:
    desk.submit(1)
    ((route, ids),) = batches(desk).items()
    head, _body = envelope.encode_replies([(ids[0], ANSWER)], route)
    desk.receive("b1", [head, b"\xc1"])
    ((identity, frames),) = desk.dispatcher.send(desk.now)
    assert (identity, kind_of(frames)) == (b"b1", Kind.BAD)
    assert envelope.read_batches(envelope.decode_info(frames[1])) == {route}
    assert [each.number for each in desk.answer("b1", *ids)] == ids


def test_it_says_anew_what_it_has_when_its_workers_come_and_go(desk: Desk) -> None:
    desk.submit(40)
    assert sum(map(len, batches(desk).values())) == 16
    desk.say("b1", Kind.HELLO, offer(32, 4))
    assert sum(map(len, batches(desk).values())) == 16
    desk.say("b1", Kind.GOODBYE)
    desk.kinds()
    desk.answer("b1", *range(FIRST_ID, FIRST_ID + 32))
    assert not desk.dispatcher.workers
    desk.say("b1", Kind.HELLO, offer(8, 1))
    assert sum(map(len, batches(desk).values())) == 8


def test_two_connections_to_one_broker_are_no_namesakes(desk: Desk) -> None:
    desk.dispatcher.meet(b"b1 premium", "premium")
    desk.say("b1 premium", Kind.HELLO, offer(16, 2, "premium"))
    assert list(desk.dispatcher.workers) == [b"b1", b"b1 premium"]
