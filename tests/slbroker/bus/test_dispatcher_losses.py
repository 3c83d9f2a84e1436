"""The edge's end: what becomes of requests whose worker is lost, silent or late."""

from __future__ import annotations

import pytest

from slbroker.bus.dispatcher import Cause
from slbroker.bus.envelope import Kind
from slbroker.settings.dispatch import DispatchSettings
from tests.support.bus import FIRST_ID, Desk, hello, waiting

SETTINGS = DispatchSettings()

# Loss -----------------------------------------------------------------------------------------------------------


def test_a_lost_workers_requests_go_to_another_in_their_order_and_before_others(desk: Desk) -> None:
    desk.join("a", credit=3)
    jobs = desk.submit(3)
    desk.given()
    desk.join("b", credit=4)
    desk.submit()
    desk.dispatcher.lose(b"a", desk.now)
    assert desk.given() == {"b": [FIRST_ID, FIRST_ID + 1, FIRST_ID + 2, FIRST_ID + 3]}
    assert desk.answer("b", FIRST_ID, FIRST_ID + 1, FIRST_ID + 2) == jobs
    assert desk.dispatcher.late == 0


def test_and_no_further_when_that_one_is_lost_too(desk: Desk) -> None:
    for name in "abc":
        desk.join(name, credit=1)
    desk.submit()
    for name in "ab":
        assert desk.given() == {name: [FIRST_ID]}
        assert desk.ended() == []
        desk.dispatcher.lose(name.encode(), desk.now)
    assert desk.ended() == [Cause.NO_ANSWER]
    assert desk.given() == {}
    assert desk.dispatcher.in_flight == 0


def test_with_nobody_else_there_it_waits_for_one_that_may_come(desk: Desk) -> None:
    desk.join("a", credit=1)
    desk.submit(2)
    desk.given()
    desk.dispatcher.lose(b"a", desk.now)
    desk.dispatcher.lose(b"a", desk.now)
    desk.dispatcher.lose(b"nobody", desk.now)
    assert desk.ended() == []
    assert desk.dispatcher.in_flight == 2
    desk.say("b", Kind.HELLO, hello("b", credit=1))
    assert desk.kinds() == {"b": [Kind.WELCOME, Kind.REQUESTS]}
    desk.dispatcher.lose(b"b", desk.now)
    assert desk.ended() == [Cause.NO_ANSWER], "two have had it"
    desk.expire(SETTINGS.max_wait + 0.1)
    assert desk.ended() == [Cause.NO_CREDIT], "nobody came for the other one"


def test_an_answer_of_a_lost_worker_comes_too_late_wherever_its_request_is(desk: Desk) -> None:
    desk.join("a", credit=1)
    desk.join("b", credit=1)
    (waiting,) = desk.submit()
    assert desk.given() == {"a": [FIRST_ID]}
    desk.dispatcher.lose(b"a", desk.now)
    assert desk.answer("a", FIRST_ID) == []
    assert desk.dispatcher.late == 1
    assert desk.kinds() == {"a": [Kind.WHO], "b": [Kind.REQUESTS]}
    assert desk.answer("a", FIRST_ID) == []
    assert desk.answer("b", FIRST_ID) == [waiting]
    assert desk.dispatcher.late == 2


# Time -----------------------------------------------------------------------------------------------------------


def test_every_worker_hears_a_heartbeat_four_times_a_second(desk: Desk) -> None:
    desk.join("a")
    desk.join("b")
    heard = 0
    for _ in range(40):
        desk.now += 0.05
        desk.dispatcher.expire(desk.now)
        said = desk.kinds()
        assert said in ({}, {"a": [Kind.HEARTBEAT], "b": [Kind.HEARTBEAT]})
        heard += len(said) // 2
    assert heard in (7, 8)


@pytest.mark.parametrize("sign", [Kind.HEARTBEAT, Kind.HELLO, Kind.REPLIES])
def test_a_worker_is_lost_when_it_is_silent_for_too_long(desk: Desk, sign: Kind) -> None:
    desk.join("a")
    desk.expire(SETTINGS.liveness - 0.1)
    if sign is Kind.REPLIES:
        desk.answer("a", 1)
    else:
        desk.say("a", sign, hello("a") if sign is Kind.HELLO else None)
    desk.expire(SETTINGS.liveness - 0.1)
    assert list(desk.dispatcher.workers) == [b"a"]
    desk.expire(0.2)
    assert not desk.dispatcher.workers


def test_an_overdue_request_goes_to_another_worker_and_its_credit_stays_used(desk: Desk) -> None:
    desk.join("slow", credit=2)
    (stuck,) = desk.submit()
    desk.given()
    desk.join("b", credit=1)
    desk.beat("slow", SETTINGS.handler_timeout)
    desk.say("b", Kind.HEARTBEAT)
    assert desk.expire(0.1) == {"b": [Kind.REQUESTS]}
    assert [figures["open"] for figures in desk.dispatcher.figures()] == [1, 1]
    desk.submit(2)
    assert desk.shares() == {"slow": 1}, "one credit of two, until the first is answered"
    assert desk.answer("slow", FIRST_ID) == []
    assert desk.dispatcher.late == 1
    assert desk.shares() == {"slow": 1}
    assert desk.answer("b", FIRST_ID) == [stuck]
    assert desk.ended() == []


def test_an_overdue_request_never_goes_back_to_the_worker_that_sits_on_it(desk: Desk) -> None:
    desk.join("slow", credit=5)
    desk.submit()
    desk.given()
    desk.beat("slow", SETTINGS.handler_timeout)
    assert desk.expire(0.1) == {}
    assert desk.ended() == []
    desk.submit()
    assert desk.given() == {"slow": [FIRST_ID + 1]}, "others pass it by"
    desk.expire(SETTINGS.max_wait + 0.1)
    assert desk.ended() == [Cause.NO_ANSWER]


def test_an_overdue_request_of_its_second_worker_has_failed(desk: Desk) -> None:
    desk.join("a", credit=1)
    desk.join("b", credit=1)
    desk.submit()
    for name in "ab":
        assert desk.given() == {name: [FIRST_ID]}
        for other in "ab":
            desk.say(other, Kind.HEARTBEAT)
        desk.now += SETTINGS.handler_timeout + 0.1
        desk.dispatcher.expire(desk.now)
    assert desk.ended() == [Cause.NO_ANSWER]
    assert desk.dispatcher.in_flight == 0


def test_nor_does_it_come_round_to_it_by_way_of_another_worker() -> None:
    desk = Desk(DispatchSettings(max_tries=3))
    desk.join("a", credit=2)
    desk.join("b", credit=2)
    desk.submit()
    for name in "ab":
        assert desk.given() == {name: [FIRST_ID]}
        desk.now += SETTINGS.handler_timeout + 0.1
        desk.say("a", Kind.HEARTBEAT)
        desk.say("b", Kind.HEARTBEAT)
        desk.dispatcher.expire(desk.now)
    assert desk.given() == {}
    desk.say("c", Kind.HELLO, hello("c"))
    assert desk.kinds() == {"c": [Kind.WELCOME, Kind.REQUESTS]}


def test_a_worker_that_left_with_an_overdue_request_is_gone(desk: Desk) -> None:
    desk.join("a")
    desk.submit()
    desk.given()
    desk.say("a", Kind.GOODBYE)
    desk.kinds()
    desk.expire(SETTINGS.handler_timeout + 0.1)
    assert not desk.dispatcher.workers


def test_what_becomes_overdue_is_what_was_given_first(desk: Desk) -> None:
    desk.join("a", credit=3)
    desk.submit(2)
    desk.given()
    desk.beat("a", 3.0)
    desk.submit()
    assert desk.given() == {"a": [FIRST_ID + 2]}
    desk.expire(2.1)
    assert [each.number for each in waiting(desk.dispatcher)] == [FIRST_ID, FIRST_ID + 1]
    assert [figures["open"] for figures in desk.dispatcher.figures()] == [3]
