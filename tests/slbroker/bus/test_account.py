"""What the edge knows of its workers: from HELLO to GOODBYE."""

from __future__ import annotations

import pytest

from slbroker.bus import envelope
from slbroker.bus.account import MAX_CREDIT
from slbroker.bus.dispatcher import Cause
from slbroker.bus.envelope import Kind
from slbroker.bus.roster import MAX_WORKERS
from slbroker.settings.dispatch import DispatchSettings
from tests.support.bus import ANSWER, FIRST_ID, Desk, hello, kind_of

SETTINGS = DispatchSettings()


# HELLO ----------------------------------------------------------------------------------------------------------


def test_welcome_says_who_the_edge_is(desk: Desk) -> None:
    desk.say("a", Kind.HELLO, hello("a"))
    ((_identity, frames),) = desk.dispatcher.send(desk.now)
    assert envelope.decode_info(frames[1]) == {
        "edge": "edge",
        "heartbeat": SETTINGS.heartbeat,
        "handler_timeout": SETTINGS.handler_timeout,
        "processes": 2,
        "closes": True,
    }


def test_hello_again_is_a_new_offer_and_the_account_stays(desk: Desk) -> None:
    desk.join("a", credit=1)
    (first, _second) = desk.submit(2)
    desk.given()
    desk.say("a", Kind.HELLO, hello("a", credit=100, takes=(b"ACK",)))
    assert desk.kinds() == {"a": [Kind.WELCOME, Kind.REQUESTS]}
    assert desk.dispatcher.figures() == [{"name": "a", "pool": "default", "credit": 100, "open": 2, "answered": 0}]
    assert desk.dispatcher.takes(b"ACK")
    assert desk.answer("a", FIRST_ID) == [first]


def test_a_worker_that_lowers_its_offer_below_what_it_has_gets_no_more_for_a_while(desk: Desk) -> None:
    desk.join("a", credit=4)
    desk.submit(6)
    assert desk.shares() == {"a": 4}
    desk.say("a", Kind.HELLO, hello("a", credit=2))
    desk.answer("a", FIRST_ID, FIRST_ID + 1)
    assert desk.kinds() == {"a": [Kind.WELCOME]}
    desk.answer("a", FIRST_ID + 2)
    assert desk.given() == {"a": [FIRST_ID + 4]}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", None), ("name", b"a"), ("name", ""), ("name", "x" * 300), ("pool", None), ("pool", 1),
        ("pool", "x" * 300), ("credit", 0), ("credit", -1), ("credit", 1.0), ("credit", True), ("credit", "9"),
        ("credit", MAX_CREDIT + 1), ("credit", 2**64 - 1), ("takes", None), ("takes", b"ACK"), ("takes", ["ACK"]),
        ("takes", [b"ACK", None]), ("takes", [b"x" * 300]), ("takes", [b"xx"] * 200), ("takes", {}),
    ],
)  # fmt: skip
def test_a_hello_that_is_out_of_order_is_garbage(desk: Desk, key: str, value: object) -> None:
    desk.say("a", Kind.HELLO, hello("a") | {key: value})
    assert desk.dispatcher.garbage == 1
    assert not desk.dispatcher.workers
    assert desk.kinds() == {}


@pytest.mark.parametrize("key", ["name", "pool", "credit", "takes"])
def test_a_hello_has_to_be_complete_and_may_say_more(desk: Desk, key: str) -> None:
    info = hello("a")
    del info[key]
    desk.say("a", Kind.HELLO, info)
    assert desk.dispatcher.garbage == 1
    desk.say("a", Kind.HELLO, hello("a") | {"invented later": [1, 2]})
    assert desk.kinds() == {"a": [Kind.WELCOME]}


def test_no_more_workers_than_there_may_be(desk: Desk) -> None:
    for number in range(MAX_WORKERS):
        desk.join(str(number))
    desk.say("one too many", Kind.HELLO, hello("one too many"))
    assert desk.kinds() == {}
    assert (desk.dispatcher.garbage, len(desk.dispatcher.workers)) == (1, MAX_WORKERS)
    desk.dispatcher.lose(b"7", desk.now)
    desk.join("one too many")


def test_a_name_that_comes_back_takes_the_place_of_its_former_connection(desk: Desk) -> None:
    desk.join("a", credit=2)
    desk.join("b", credit=1)
    desk.submit(3)
    assert desk.shares() == {"a": 2, "b": 1}
    desk.say("a's next connection", Kind.HELLO, hello("a", credit=2))
    assert list(desk.dispatcher.workers) == [b"b", b"a's next connection"]
    assert desk.kinds() == {"a's next connection": [Kind.WELCOME, Kind.REQUESTS]}
    assert desk.answer("a", FIRST_ID) == [], "the former connection has no say any more"
    assert desk.kinds() == {"a": [Kind.WHO]}
    assert [each.number for each in desk.answer("a's next connection", FIRST_ID)] == [FIRST_ID]


def test_a_name_that_comes_back_gets_no_account_when_its_hello_is_garbage(desk: Desk) -> None:
    desk.join("a")
    desk.say("x", Kind.HELLO, hello("a", credit=-1))
    assert list(desk.dispatcher.workers) == [b"a"]


@pytest.mark.parametrize("kind", [Kind.HEARTBEAT, Kind.REPLIES])
def test_who_is_asked_of_a_stranger(desk: Desk, kind: Kind) -> None:
    desk.join("a")
    frames = envelope.encode(kind) if kind is Kind.HEARTBEAT else envelope.encode_replies([(1, None), (2, ANSWER)])
    assert desk.receive("stranger", frames) == []
    assert desk.kinds() == {"stranger": [Kind.WHO]}
    assert desk.dispatcher.late == (0 if kind is Kind.HEARTBEAT else 2)
    assert list(desk.dispatcher.workers) == [b"a"]


# GOODBYE --------------------------------------------------------------------------------------------------------


def test_a_worker_that_leaves_gets_no_more_and_finishes_what_it_has(desk: Desk) -> None:
    desk.join("a", credit=4)
    jobs = desk.submit(2)
    desk.given()
    desk.say("a", Kind.GOODBYE)
    desk.submit()
    assert desk.kinds() == {"a": [Kind.GOODBYE]}
    assert desk.answer("a", FIRST_ID) == jobs[:1]
    assert list(desk.dispatcher.workers) == [b"a"]
    assert desk.answer("a", FIRST_ID + 1) == jobs[1:]
    assert not desk.dispatcher.workers
    assert desk.kinds() == {}
    desk.say("b", Kind.HELLO, hello("b"))
    assert desk.kinds() == {"b": [Kind.WELCOME, Kind.REQUESTS]}, "the third has waited for somebody else"


def test_a_batch_sent_before_goodbye_is_read_comes_before_the_goodbye_that_answers_it(desk: Desk) -> None:
    desk.join("a")
    desk.submit()
    before = desk.dispatcher.send(desk.now)
    desk.say("a", Kind.GOODBYE)
    after = desk.dispatcher.send(desk.now)
    assert [kind_of(frames) for _identity, frames in before + after] == [Kind.REQUESTS, Kind.GOODBYE]


def test_goodbye_of_an_idle_worker_or_a_stranger_is_answered_each_time(desk: Desk) -> None:
    desk.join("a")
    for name in ("a", "a", "stranger"):
        desk.say(name, Kind.GOODBYE)
        assert desk.kinds() == {name: [Kind.GOODBYE]}
        assert not desk.dispatcher.workers


def test_a_worker_that_dies_while_it_leaves_loses_nothing(desk: Desk) -> None:
    desk.join("a")
    desk.submit()
    desk.given()
    desk.say("a", Kind.GOODBYE)
    desk.kinds()
    desk.join("b")
    desk.dispatcher.lose(b"a", desk.now)
    assert desk.given() == {"b": [FIRST_ID]}


def test_hello_after_goodbye_begins_anew(desk: Desk) -> None:
    desk.join("a")
    desk.submit()
    desk.given()
    desk.say("a", Kind.GOODBYE)
    desk.say("a", Kind.HELLO, hello("a"))
    assert desk.kinds() == {"a": [Kind.GOODBYE, Kind.WELCOME]}
    desk.submit()
    assert desk.given() == {"a": [FIRST_ID + 1]}


def test_an_edge_that_leaves_says_so_gives_nothing_more_and_takes_answers(desk: Desk) -> None:
    desk.join("a", credit=1)
    desk.join("b", credit=1)
    jobs = desk.submit(3)
    desk.given()
    desk.dispatcher.leave()
    assert desk.kinds() == {"a": [Kind.GOODBYE], "b": [Kind.GOODBYE]}
    assert desk.answer("a", FIRST_ID) == jobs[:1]
    assert desk.kinds() == {}, "the third is not given to anybody"
    desk.say("c", Kind.HELLO, hello("c"))
    assert desk.kinds() == {"c": [Kind.WELCOME, Kind.GOODBYE]}
    assert desk.expire(SETTINGS.max_wait + 0.1) == {}
    assert desk.ended() == [Cause.NO_CREDIT]
    assert desk.answer("b", FIRST_ID + 1) == jobs[1:2]
    assert desk.dispatcher.in_flight == 0
