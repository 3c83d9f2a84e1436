"""The edge's end: who gets which request, and whose answers count."""

from __future__ import annotations

import pytest

from slbroker.bus import envelope
from slbroker.bus.account import MAX_CREDIT
from slbroker.bus.dispatcher import Cause
from slbroker.bus.envelope import MAX_BATCH, Kind
from slbroker.bus.roster import MAX_STRIKES
from slbroker.settings.dispatch import DispatchSettings
from tests.support.bus import FIRST_ID, MESSAGE, SOURCE, Desk, hello, ids_of, kind_of

SETTINGS = DispatchSettings()


# Who gets what --------------------------------------------------------------------------------------------------


def test_a_request_goes_out_and_its_answer_ends_it(desk: Desk) -> None:
    desk.join("a")
    (submitted,) = desk.submit()
    assert desk.dispatcher.in_flight == 1
    ((identity, frames),) = desk.dispatcher.send(desk.now)
    assert identity == b"a"
    assert envelope.decode_head(frames) == (Kind.REQUESTS, b"", 1)
    assert envelope.decode_requests(frames[1]) == [(FIRST_ID, MESSAGE, SOURCE)]
    assert desk.receive("a", envelope.encode_replies([(FIRST_ID, (b"1", b"2"))])) == [(submitted, (b"1", b"2"))]
    assert (desk.dispatcher.in_flight, desk.dispatcher.late, desk.ended()) == (0, 0, [])


def test_nothing_to_say_is_nothing(desk: Desk) -> None:
    desk.join("a")
    assert desk.dispatcher.send(desk.now) == []


def test_one_request_after_the_other_takes_turns(desk: Desk) -> None:
    for name in "abc":
        desk.join(name)
    order = []
    for _ in range(6):
        desk.submit()
        ((name, (number,)),) = desk.given().items()
        order.append(name)
        desk.answer(name, number)
    assert order == ["a", "b", "c"] * 2


def test_the_worker_with_the_fewest_open_requests_comes_first(desk: Desk) -> None:
    desk.join("busy", credit=9)
    desk.submit(2)
    desk.given()
    desk.join("idle", credit=3)
    desk.submit()
    assert desk.given() == {"idle": [FIRST_ID + 2]}


def test_one_with_enormous_credit_that_hangs_gets_one_request_and_no_more(desk: Desk) -> None:
    desk.join("hung", credit=MAX_CREDIT)
    for name in "ab":
        desk.join(name, credit=2)
    given = []
    for _ in range(20):
        desk.submit(2)
        for name, ids in desk.given().items():
            given += [name] * len(ids)
            if name != "hung":
                desk.answer(name, *ids)
    assert given.count("hung") == 1


def test_a_worker_cannot_ask_for_the_share_of_many(desk: Desk) -> None:
    """Only of a broker it is believed that there are workers behind it."""
    desk.join("a", credit=100)
    desk.say("b", Kind.HELLO, hello("b", credit=100) | {"workers": 99})
    desk.kinds()
    desk.submit(10)
    assert desk.shares() == {"a": 5, "b": 5}
    desk.say("b", Kind.HELLO, hello("b", credit=100) | {"workers": 99})
    desk.kinds()
    desk.submit(10)
    assert desk.shares() == {"a": 5, "b": 5}


@pytest.mark.parametrize(
    ("count", "offers", "shares"),
    [
        (6, {"a": 4, "b": 4, "c": 4}, {"a": 2, "b": 2, "c": 2}),
        (7, {"a": 4, "b": 4, "c": 4}, {"a": 3, "b": 2, "c": 2}),
        (2, {"a": 4, "b": 4, "c": 4}, {"a": 1, "b": 1}),
        (9, {"a": 2, "b": 20}, {"a": 2, "b": 7}),
        (20, {"a": 2, "b": 20}, {"a": 2, "b": 18}),
        (3, {"a": 6, "b": 5, "c": 4}, {"a": 1, "b": 1, "c": 1}),
        (9, {"a": 2, "b": 2}, {"a": 2, "b": 2}),
        (10, {"a": 8, "b": 1, "c": 1}, {"a": 8, "b": 1, "c": 1}),
    ],
)
def test_a_turns_requests_are_shared_out_evenly_as_far_as_credit_goes(
    desk: Desk, count: int, offers: dict[str, int], shares: dict[str, int]
) -> None:
    for name, credit in offers.items():
        desk.join(name, credit)
    desk.submit(count)
    assert desk.shares() == shares
    assert desk.dispatcher.in_flight == count


def test_no_worker_gets_more_than_its_credit_and_each_answer_gives_one_back(desk: Desk) -> None:
    desk.join("a", credit=3)
    desk.submit(8)
    assert desk.given() == {"a": [FIRST_ID, FIRST_ID + 1, FIRST_ID + 2]}
    assert desk.given() == {}
    desk.answer("a", FIRST_ID + 1, FIRST_ID)
    assert desk.given() == {"a": [FIRST_ID + 3, FIRST_ID + 4]}
    assert desk.dispatcher.in_flight == 6


def test_a_batch_has_a_largest_size_and_credit_beyond_it_is_used_all_the_same(desk: Desk) -> None:
    desk.join("a", credit=MAX_CREDIT)
    desk.submit(2 * MAX_BATCH + 1)
    batches = [ids_of(frames) for _identity, frames in desk.dispatcher.send(desk.now)]
    assert [len(batch) for batch in batches] == [MAX_BATCH, MAX_BATCH, 1]
    assert [number for batch in batches for number in batch] == list(range(FIRST_ID, FIRST_ID + 2 * MAX_BATCH + 1))


def test_a_worker_that_joins_gets_what_has_been_waiting_the_oldest_first(desk: Desk) -> None:
    desk.join("a", credit=1)
    desk.submit(4)
    desk.given()
    desk.say("b", Kind.HELLO, hello("b", credit=2))
    sent = desk.dispatcher.send(desk.now)
    assert [kind_of(frames) for _identity, frames in sent] == [Kind.WELCOME, Kind.REQUESTS]
    assert ids_of(sent[1][1]) == [FIRST_ID + 1, FIRST_ID + 2]


@pytest.mark.parametrize("method", [b"ACK", b"CANCEL"])
def test_some_methods_go_only_to_workers_that_take_them(desk: Desk, method: bytes) -> None:
    desk.join("plain", credit=10)
    assert not desk.dispatcher.takes(method)
    desk.join("taker", credit=4, takes=(method, b"PUBLISH"))
    assert desk.dispatcher.takes(method)
    desk.submit(3, asks=method)
    desk.submit(1)
    desk.submit(2, asks=method)
    assert desk.shares() == {"plain": 1, "taker": 4}
    assert desk.dispatcher.in_flight == 6
    desk.expire(SETTINGS.max_wait + 0.1)
    assert desk.ended() == [Cause.NO_CREDIT]


# No worker, no credit -------------------------------------------------------------------------------------------


def test_without_a_worker_a_request_ends_at_once(desk: Desk) -> None:
    desk.submit(2)
    assert desk.ended() == [Cause.NO_WORKER] * 2
    assert desk.dispatcher.in_flight == 0


def test_only_so_many_wait_for_credit(desk: Desk) -> None:
    desk = Desk(DispatchSettings(max_waiting=3))
    desk.join("a", credit=1)
    desk.submit()
    desk.given()
    desk.submit(5)
    assert desk.ended() == [Cause.NO_CREDIT] * 2
    assert desk.dispatcher.in_flight == 4


def test_and_they_wait_only_so_long(desk: Desk) -> None:
    desk.join("a", credit=1)
    (first,) = desk.submit()
    desk.given()
    desk.submit(2)
    desk.expire(SETTINGS.max_wait - 0.1)
    late = desk.submit()
    assert desk.ended() == []
    desk.expire(0.2)
    assert desk.ended() == [Cause.NO_CREDIT] * 2
    assert desk.dispatcher.in_flight == 2
    assert desk.answer("a", FIRST_ID) == [first]
    assert desk.given() == {"a": [late[0].number]}


def test_a_lost_workers_requests_do_not_shield_older_ones_from_their_age(desk: Desk) -> None:
    desk.join("a", credit=1)
    desk.join("b", credit=1)
    desk.submit(3)
    desk.given()
    desk.now += SETTINGS.max_wait - 0.1
    desk.dispatcher.lose(b"a", desk.now)
    assert desk.dispatcher.in_flight == 3
    desk.expire(0.2)
    assert desk.ended() == [Cause.NO_CREDIT], "the one that waited behind the lost one"
    desk.expire(SETTINGS.max_wait)
    assert desk.ended() == [Cause.NO_ANSWER]


# Answers that nobody waits for ----------------------------------------------------------------------------------


def test_a_second_answer_is_counted_and_nothing_more(desk: Desk) -> None:
    desk.join("a")
    jobs = desk.submit(2)
    desk.given()
    assert desk.answer("a", FIRST_ID, FIRST_ID, FIRST_ID) == jobs[:1]
    assert desk.dispatcher.late == 2
    assert desk.answer("a", FIRST_ID, FIRST_ID + 1) == jobs[1:]
    assert desk.dispatcher.late == 3
    assert [figures["answered"] for figures in desk.dispatcher.figures()] == [2]


def test_answers_to_what_was_never_asked_of_that_worker_are_counted(desk: Desk) -> None:
    desk.join("a")
    desk.join("b")
    desk.submit()
    assert desk.shares() == {"a": 1}
    assert desk.answer("b", FIRST_ID, 0, -1, 2**64 - 1) == []
    assert (desk.dispatcher.late, desk.dispatcher.in_flight) == (4, 1)
    desk.submit(7)
    assert desk.shares() == {"b": 4, "a": 3}, "nobody gains credit by it"


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b""],
        [b"", b""],
        [b"", b"", b""],
        [b"\xff" * 1000, b"\xff" * 1000],
        [envelope.encode(Kind.HEARTBEAT)[0], b"\x90"],
        [envelope.encode(Kind.REQUESTS)[0], b"\x90"],
        [envelope.encode(Kind.REPLIES)[0], b"\x80"],
        [envelope.encode_replies([])[0], b"\x91\xa5\x68\x65\x6c\x6c\x6f"],
        envelope.encode(Kind.WELCOME),
        envelope.encode(Kind.REQUESTS),
        envelope.encode(Kind.WHO),
        envelope.encode(Kind.LOST),
    ],
)
@pytest.mark.parametrize("name", ["a", "stranger"])
def test_garbage_is_counted_and_harmless(desk: Desk, name: str, frames: list[bytes]) -> None:
    desk.join("a")
    desk.submit()
    desk.given()
    assert desk.receive(name, frames) == []
    assert desk.dispatcher.garbage == 1
    assert desk.kinds() == {}
    assert desk.dispatcher.in_flight == 1
    assert (b"a" in desk.dispatcher.workers) is (name != "a"), "its sender loses its account"


def test_an_answer_with_garbage_beside_it_ends_nothing_and_its_worker_is_sent_away(desk: Desk) -> None:
    desk.join("a")
    (submitted,) = desk.submit()
    desk.given()
    desk.join("b")
    head, _body = envelope.encode_replies([])
    assert desk.receive("a", [head, b"\x92\x92\xcd\x03\xe8\xc4\x01x\x01"]) == []
    assert (desk.dispatcher.garbage, desk.dispatcher.lost) == (1, 1)
    assert desk.given() == {"b": [FIRST_ID]}
    assert desk.answer("b", FIRST_ID) == [submitted]


def test_who_sends_garbage_is_not_heard_again_on_that_connection(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.join("a")
    desk.receive("a", [b"", b""])
    desk.say("a", Kind.HELLO, hello("a"))
    desk.say("a", Kind.STATS)
    assert (desk.kinds(), desk.dispatcher.asked, desk.dispatcher.garbage) == ({}, [], 3)
    assert [line[:48] for line in caplog.messages] == ["worker a is not listened to any more until it co"]
    desk.say("a's next connection", Kind.HELLO, hello("a"))
    assert desk.kinds() == {"a's next connection": [Kind.WELCOME]}


def test_no_more_connections_are_remembered_than_there_may_be(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slbroker.bus.roster.MAX_SHUNNED", 2)
    for name in "abc":
        desk.join(name)
        desk.receive(name, [])
    assert list(desk.dispatcher._shunned) == [b"b", b"c"]


def test_a_worker_that_makes_up_answers_is_sent_away_in_the_end(desk: Desk) -> None:
    desk.join("a", credit=4)
    desk.join("b", credit=1)
    desk.answer("a", *range(MAX_STRIKES + 4))
    assert set(desk.dispatcher.workers) == {b"a", b"b"}
    desk.answer("a", 5)
    assert set(desk.dispatcher.workers) == {b"b"}
    assert desk.dispatcher.late == MAX_STRIKES + 5


# Statistics -----------------------------------------------------------------------------------------------------


def test_anybody_may_ask_for_figures(desk: Desk) -> None:
    desk.say("anybody", Kind.STATS)
    assert desk.dispatcher.asked == [b"anybody"]
    assert not desk.dispatcher.workers
    desk.dispatcher.tell(b"anybody", {"received": 7})
    ((identity, frames),) = desk.dispatcher.send(desk.now)
    assert (identity, kind_of(frames), envelope.decode_info(frames[1])) == (b"anybody", Kind.FIGURES, {"received": 7})
