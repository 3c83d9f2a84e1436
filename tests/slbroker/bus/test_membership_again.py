"""What a worker says again: an offer that has changed, and what the socket had no room for."""

from __future__ import annotations

import pytest

from slbroker.bus import envelope
from slbroker.bus.envelope import Answer, Kind
from slbroker.bus.membership import EDGE_LIVENESS, HEARTBEAT, Standing
from tests.slbroker.bus.seat import WELCOME, Seat, replies
from tests.support.bus import ANSWER, kind_of

# Offering something else ----------------------------------------------------------------------------------------


def offers(seat: Seat, credit: int) -> None:
    """The worker's credit changes."""
    seat.offer["credit"] = credit
    seat.membership.offer()


def offered(sent: list[list[bytes]]) -> list[object]:
    """What is offered in each HELLO among these envelopes."""
    return [envelope.decode_info(frames[1])["credit"] for frames in sent if kind_of(frames) is Kind.HELLO]


def test_a_member_offers_anew_before_its_answers_give_credit_back(member: Seat) -> None:
    member.take(1)
    member.membership.answer(1, ANSWER)
    offers(member, 5)
    offers(member, 2)
    sent = member.membership.send(member.now)
    assert [kind_of(frames) for frames in sent] == [Kind.HELLO, Kind.REPLIES]
    assert offered(sent) == [2]
    member.hear(WELCOME)
    assert member.words(1.0) == [Kind.HEARTBEAT] * 4


def test_an_offer_that_could_not_be_sent_is_made_again(member: Seat) -> None:
    offers(member, 2)
    member.membership.take_back(member.membership.send(member.now))
    assert offered(member.membership.send(member.now)) == [2]
    assert member.says() == []


def test_who_is_not_known_yet_offers_what_there_is_then(seat: Seat) -> None:
    assert offered(seat.membership.send(seat.now)) == [8]
    offers(seat, 2)
    assert seat.says() == [], "the next HELLO is soon enough"
    seat.hear(WELCOME)  # to the first one
    assert offered(seat.membership.send(seat.now)) == [2]
    assert seat.says() == []


def test_the_hello_of_one_who_greets_is_an_offer_already(seat: Seat) -> None:
    offers(seat, 2)
    assert offered(seat.membership.send(seat.now)) == [2]
    seat.hear(WELCOME)
    assert seat.says() == []


def test_who_leaves_offers_nothing(member: Seat) -> None:
    """It would take its GOODBYE back."""
    offers(member, 2)
    member.membership.leave()
    offers(member, 1)
    assert member.words(1.0) == [Kind.GOODBYE] * 5
    member.hear(envelope.encode(Kind.GOODBYE))
    assert member.words(1.0) == []


# What the socket has no room for --------------------------------------------------------------------------------


def answered(member: Seat) -> list[list[tuple[int, Answer]]]:
    """The batches of answers that are sent now."""
    sent = member.membership.send(member.now)
    return [replies(frames)[1] for frames in sent if kind_of(frames) is Kind.REPLIES]


def test_answers_that_could_not_be_sent_go_before_the_next_ones(member: Seat) -> None:
    member.take(1, 2)
    member.membership.answer(1, ANSWER)
    member.now += HEARTBEAT
    refused = member.membership.send(member.now)
    assert [kind_of(frames) for frames in refused] == [Kind.REPLIES, Kind.HEARTBEAT]
    member.membership.take_back(refused)
    member.membership.answer(2, ANSWER)
    assert answered(member) == [[(1, ANSWER)], [(2, ANSWER)]]
    assert answered(member) == []


def test_who_leaves_waits_until_they_have_gone(member: Seat) -> None:
    member.take(1)
    member.membership.leave()
    member.hear(envelope.encode(Kind.GOODBYE))
    member.membership.answer(1, ANSWER)
    member.membership.take_back(member.membership.send(member.now))
    assert not member.is_over() or member.standing() is Standing.LEFT
    member.membership.send(member.now)
    assert member.is_over()


@pytest.mark.parametrize("gone", ["who", "silent"])
def test_an_edge_that_has_gone_gets_none_of_them(member: Seat, gone: str) -> None:
    member.take(1)
    member.membership.answer(1, ANSWER)
    member.membership.take_back(member.membership.send(member.now))
    if gone == "who":
        member.hear(envelope.encode(Kind.WHO))
    else:
        member.now += EDGE_LIVENESS + 0.1
        member.membership.send(member.now)
    assert answered(member) == []


def test_a_batch_too_large_for_the_bus_is_cut_and_an_answer_that_is_becomes_none(
    member: Seat, caplog: pytest.LogCaptureFixture
) -> None:
    large = b"SIP/2.0 200 OK\r\n\r\n" + b"x" * 1_500_000
    member.take(1, 2, 3, 4, 5)
    for number in (1, 2, 3, 5):
        member.membership.answer(number, large)
    member.membership.answer(4, (large, large, large))
    batches = answered(member)
    assert sorted(number for batch in batches for number, _answer in batch) == [1, 2, 3, 4, 5]
    assert dict(answer for batch in batches for answer in batch) == {1: large, 2: large, 3: large, 5: large, 4: b""}
    assert len(caplog.messages) == 1
