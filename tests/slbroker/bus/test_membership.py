"""The worker's end: from HELLO to GOODBYE, whatever the edge does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from slbroker.bus import envelope
from slbroker.bus.envelope import MAX_BATCH, Kind
from slbroker.bus.membership import EDGE_LIVENESS, HEARTBEAT, HELLO_INTERVAL, Standing
from tests.slbroker.bus.seat import WELCOME, Seat, replies
from tests.support.bus import ANSWER, encode_requests, kind_of

if TYPE_CHECKING:
    from slbroker.bus.envelope import Answer

# Getting in -----------------------------------------------------------------------------------------------------


def test_the_first_word_is_hello(seat: Seat) -> None:
    (frames,) = seat.membership.send(seat.now)
    assert kind_of(frames) is Kind.HELLO
    said = {"name": "w1", "pool": "default", "credit": 8, "takes": (b"ACK",)}
    assert envelope.decode_info(frames[1]) == said


def test_hello_is_repeated_until_the_edge_welcomes(seat: Seat) -> None:
    assert seat.says() == [Kind.HELLO]
    assert seat.says(HELLO_INTERVAL - 0.01) == []
    assert seat.says(0.01) == [Kind.HELLO]
    assert seat.words(60.0) == [Kind.HELLO] * 240
    seat.hear(WELCOME)
    assert seat.membership.edge == {"edge": "e1", "heartbeat": 0.25, "processes": 2}
    assert seat.words(1.0) == [Kind.HEARTBEAT] * 4


def test_a_member_shows_signs_of_life(member: Seat) -> None:
    assert member.says() == []
    assert member.says(HEARTBEAT) == [Kind.HEARTBEAT]
    assert member.says(HEARTBEAT - 0.01) == []
    assert member.says(0.01) == [Kind.HEARTBEAT]


def test_a_welcome_that_is_none_is_garbage(seat: Seat) -> None:
    seat.hear([WELCOME[0], b"\x90"])
    assert (seat.standing(), seat.membership.garbage, seat.membership.edge) == (Standing.GREETING, 1, {})


# Working --------------------------------------------------------------------------------------------------------


def test_the_answers_of_a_turn_leave_together(member: Seat) -> None:
    member.take(1, 2, 3)
    assert member.membership.open == 3
    member.membership.answer(3, ANSWER)
    member.membership.answer(1, None)
    assert member.membership.open == 1
    ((_route, answers),) = map(replies, member.membership.send(member.now))
    assert answers == [(3, ANSWER), (1, None)]
    assert member.membership.send(member.now) == []
    member.membership.answer(2, (ANSWER, ANSWER))
    assert [replies(frames)[1] for frames in member.membership.send(member.now)] == [[(2, (ANSWER, ANSWER))]]
    assert member.membership.open == 0


def test_answers_go_back_by_the_route_that_their_requests_came(member: Seat) -> None:
    member.take(1, 2, route=b"x")
    member.take(3, 4, route=b"y")
    for number in (4, 1, 3, 2):
        member.membership.answer(number, None)
    sent = dict(map(replies, member.membership.send(member.now)))
    assert sent == {b"y": [(4, None), (3, None)], b"x": [(1, None), (2, None)]}


def test_no_envelope_has_more_than_a_batch_of_answers(member: Seat) -> None:
    ids = range(2 * MAX_BATCH + 1)
    member.take(*ids)
    for number in ids:
        member.membership.answer(number, None)
    sent = [replies(frames)[1] for frames in member.membership.send(member.now)]
    assert [len(answers) for answers in sent] == [MAX_BATCH, MAX_BATCH, 1]
    assert [number for answers in sent for number, _answer in answers] == list(ids)


def test_a_request_is_answered_once(member: Seat) -> None:
    member.take(1)
    for _ in range(3):
        member.membership.answer(1, ANSWER)
    member.membership.answer(99, ANSWER)
    assert [replies(frames)[1] for frames in member.membership.send(member.now)] == [[(1, ANSWER)]]


def test_requests_are_answered_in_any_standing(seat: Seat) -> None:
    seat.take(1)
    seat.membership.answer(1, ANSWER)
    assert seat.says() == [Kind.REPLIES, Kind.HELLO]
    seat.membership.leave()
    seat.take(2)
    assert not seat.is_over()
    seat.membership.answer(2, ANSWER)
    assert seat.says(0.1) == [Kind.GOODBYE, Kind.REPLIES]
    assert seat.is_over()


@pytest.mark.parametrize(
    "frames",
    [
        [], [b""], [b"", b""], [b"\xff", b"\xff", b"\xff"], [encode_requests([])[0], b"\x80"],
        [encode_requests([])[0], b"\x91\x93\x90\x90\x90"], [b"\x94\x02\x03\xc4\x00\x00", b"\x90"],
    ],
)  # fmt: skip
def test_garbage_is_counted_and_changes_nothing(member: Seat, frames: list[bytes]) -> None:
    member.take(1)
    assert member.hear(frames) == []
    assert (member.membership.garbage, member.standing(), member.membership.open) == (1, Standing.MEMBER, 1)


@pytest.mark.parametrize("kind", [Kind.HELLO, Kind.REPLIES, Kind.HEARTBEAT, Kind.STATS, Kind.FIGURES])
def test_what_an_edge_says_beside_has_no_consequence(member: Seat, kind: Kind) -> None:
    assert member.hear(envelope.encode(kind)) == []
    assert (member.standing(), member.says()) == (Standing.MEMBER, [])


# An edge that comes and goes ------------------------------------------------------------------------------------


def test_an_edge_that_is_silent_hears_hello_again(member: Seat) -> None:
    assert set(member.words(EDGE_LIVENESS - 0.1)) == {Kind.HEARTBEAT}
    member.words(0.5)
    assert set(member.words(10.0)) == {Kind.HELLO}
    member.hear(WELCOME)
    assert set(member.words(1.0)) == {Kind.HEARTBEAT}


def test_an_edge_that_says_anything_is_there(member: Seat) -> None:
    for _ in range(40):
        assert member.words(EDGE_LIVENESS / 2) == [Kind.HEARTBEAT] * 4
        member.hear(envelope.encode(Kind.HEARTBEAT))


def test_an_edge_that_has_restarted_hears_hello_at_once(member: Seat) -> None:
    member.take(1)
    assert member.says(HEARTBEAT) == [Kind.HEARTBEAT]
    member.hear(envelope.encode(Kind.WHO))
    assert member.says() == [Kind.HELLO]
    member.membership.answer(1, ANSWER)
    assert member.says() == [Kind.REPLIES], "the edge will know what to do with it"
    member.hear(WELCOME)
    assert member.standing() is Standing.MEMBER


def test_who_after_who_makes_no_flood(member: Seat) -> None:
    said = []
    for _ in range(100):
        member.hear(envelope.encode(Kind.WHO))
        said += member.says(0.01)
        member.hear(WELCOME)
    assert set(said) <= {Kind.HELLO, Kind.HEARTBEAT}
    assert 3 <= said.count(Kind.HELLO) <= 5


def test_an_edge_that_says_goodbye_hears_hello_when_it_comes_back(member: Seat) -> None:
    member.take(1)
    member.hear(envelope.encode(Kind.GOODBYE))
    member.membership.answer(1, ANSWER)
    assert member.says() == [Kind.REPLIES]
    assert member.words(1.0) == [Kind.HELLO] * 4
    member.hear(WELCOME)
    member.hear(envelope.encode(Kind.GOODBYE))
    assert member.words(1.0) == [Kind.HELLO] * 4
    member.hear(WELCOME)
    assert member.words(1.0) == [Kind.HEARTBEAT] * 4


# Getting out ----------------------------------------------------------------------------------------------------


def test_leaving_takes_two_goodbyes(member: Seat) -> None:
    member.membership.leave()
    assert member.says() == [Kind.GOODBYE]
    assert (member.standing(), member.is_over()) == (Standing.LEAVING, False)
    member.hear(envelope.encode(Kind.GOODBYE))
    assert (member.standing(), member.is_over()) == (Standing.LEFT, True)
    assert member.words(5.0) == []
    member.hear(envelope.encode(Kind.GOODBYE))
    member.hear(envelope.encode(Kind.WHO))
    member.hear(WELCOME)
    assert member.words(5.0) == []
    assert member.is_over()


def test_goodbye_is_repeated_until_the_edge_has_heard_it(member: Seat) -> None:
    member.membership.leave()
    assert member.words(1.0) == [Kind.GOODBYE] * 5
    member.membership.leave()
    assert member.words(0.2) == []


def test_what_was_on_its_way_is_still_answered(member: Seat) -> None:
    member.take(1, 2)
    member.membership.leave()
    member.says()
    member.take(3)
    member.hear(envelope.encode(Kind.GOODBYE))
    member.hear(envelope.encode(Kind.GOODBYE))
    for number in (1, 2):
        member.membership.answer(number, ANSWER)
    assert member.says() == [Kind.REPLIES]
    assert not member.is_over()
    assert member.words(1.0) == [Kind.HEARTBEAT] * 4, "a worker that works is alive"
    member.membership.answer(3, ANSWER)
    assert not member.is_over(), "the answer has not been sent"
    assert Kind.REPLIES in member.says()
    assert member.is_over()


def test_an_edge_that_knows_nobody_waits_for_no_answer(member: Seat) -> None:
    member.take(1)
    member.membership.leave()
    member.says()
    member.hear(envelope.encode(Kind.WHO))
    assert member.is_over()


def test_an_edge_that_has_gone_is_not_waited_for(member: Seat) -> None:
    member.membership.leave()
    assert set(member.words(EDGE_LIVENESS - 0.1)) == {Kind.GOODBYE}
    assert not member.is_over()
    member.words(HEARTBEAT + 0.2)
    assert member.is_over()


def test_but_its_requests_are_finished(member: Seat) -> None:
    member.take(1)
    member.membership.leave()
    member.words(EDGE_LIVENESS + 1.0)
    assert not member.is_over()
    member.membership.answer(1, ANSWER)
    member.says()
    assert member.is_over()


@pytest.mark.parametrize("greeted", [False, True])
def test_an_edge_that_never_welcomed_us_is_left_at_once(seat: Seat, greeted: bool) -> None:
    if greeted:
        seat.says()
    seat.membership.leave()
    assert not seat.is_over()
    assert seat.says() == [Kind.GOODBYE], "it may have heard our HELLO"
    assert seat.is_over()
    assert seat.words(1.0) == []


# How long it may take -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "seconds"), [(2.5, 2.5), (60, 60.0), (None, 5.0), ("5", 5.0), (-1, 5.0), (1e30, 3_600.0), (b"", 5.0)]
)
def test_the_edge_says_after_what_time_it_asks_somebody_else(seat: Seat, said: object, seconds: float) -> None:
    seat.hear(envelope.encode(Kind.WELCOME, {"edge": "e1"} | ({} if said is None else {"handler_timeout": said})))
    assert seat.membership.handler_timeout == seconds


# Closing connections --------------------------------------------------------------------------------------------

REPLY = b"SIP/2.0 403 Go Away\r\n\r\n"
CLOSING: list[tuple[int, Answer]] = [(1, (REPLY, None)), (2, (REPLY, REPLY, None)), (3, (None,)), (4, REPLY), (5, None)]
OPEN: list[tuple[int, Answer]] = [(1, (REPLY,)), (2, (REPLY, REPLY)), (3, ()), (4, REPLY), (5, None)]


@pytest.mark.parametrize(
    ("welcome", "said"), [({"closes": True}, CLOSING), ({}, OPEN), ({"closes": False}, OPEN), ({"closes": 1}, OPEN)]
)
def test_an_edge_that_knows_of_no_closing_is_not_told_of_it(
    seat: Seat, welcome: dict[str, object], said: list[tuple[int, Answer]]
) -> None:
    """It would take the whole batch for garbage."""
    seat.hear(envelope.encode(Kind.WELCOME, {"edge": "e1", **welcome}))
    seat.take(*(number for number, _answer in CLOSING))
    seat.membership.answer_all(CLOSING)
    sent = [frames for frames in seat.membership.send(seat.now) if kind_of(frames) is Kind.REPLIES]
    assert [replies(frames)[1] for frames in sent] == [said]


def test_figures_that_an_edge_would_take_for_garbage_are_told_in_part(member: Seat) -> None:
    """Of many handlers with long names, or of long lines in the log: a worker is not sent away for them."""
    log, handlers = [(1.0, "WARNING", "x" * 240)] * 8, {f"{at}{'n' * 150}": {"requests": at} for at in range(64)}
    for figures, told in (
        ({"name": "w1", "log": log, "handlers": {}}, {"name", "log", "handlers"}),
        ({"name": "w1", "log": log, "handlers": handlers}, {"name"}),
        ({"name": "w1", "log": log * 5, "handlers": {}}, {"name", "handlers"}),
    ):
        member.membership.tell(figures)
        frames = member.membership.send(member.now)[0]
        assert set(envelope.decode_info(frames[1])) == told


# Another edge in its place --------------------------------------------------------------------------------------


def test_an_edge_that_is_followed_is_answered_and_never_greeted_again(member: Seat) -> None:
    """ZeroMQ connects the old connection to the new edge, where the worker is by another one: HELLO would undo that."""
    member.take(1, 2)
    member.membership.is_followed = True
    member.membership.answer(1, ANSWER)
    ((_route, answers),) = map(replies, member.membership.send(member.now))
    assert answers == [(1, ANSWER)]
    member.hear(envelope.encode(Kind.GOODBYE))
    assert member.standing() is Standing.LEFT
    assert not member.membership.is_over  # one is to be answered yet
    assert Kind.HELLO not in member.words(3.0)
    member.membership.answer(2, ANSWER)
    assert Kind.REPLIES in member.says()
    assert member.membership.is_over


def test_a_new_edge_that_asks_who_is_there_on_the_old_connection_hears_nothing(member: Seat) -> None:
    member.take(1)
    member.membership.is_followed = True
    member.hear(envelope.encode(Kind.WHO))
    assert member.membership.open == 0  # nobody waits for it
    assert member.words(3.0) == []
    assert member.membership.is_over
