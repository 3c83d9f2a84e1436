"""ZeroMQ would not send it: the worker is given up, and what it should have had was never tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from slbroker.bus.dispatcher import Cause, Dispatcher
from slbroker.bus.envelope import Kind
from slbroker.settings.dispatch import DispatchSettings
from tests.support.bus import FIRST_ID, Desk, hello, waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.jobs import Job

SETTINGS = DispatchSettings()


def refuse(desk: Desk, name: str) -> None:
    """Let the socket refuse what was just sent."""
    desk.dispatcher.refuse(name.encode(), desk.now)


def test_it_is_no_try_so_a_row_of_dead_workers_is_no_failure(desk: Desk) -> None:
    for name in "abcdef":
        desk.join(name)
    (submitted,) = desk.submit()
    for name in "abcde":
        assert desk.given() == {name: [FIRST_ID]}
        refuse(desk, name)
    assert desk.given() == {"f": [FIRST_ID]}
    assert (submitted.tries, desk.dispatcher.lost, desk.dispatcher.retried) == (1, 5, 0)
    assert desk.answer("f", FIRST_ID) == [submitted]
    assert desk.ended() == []


def test_what_it_had_before_was_one(desk: Desk) -> None:
    desk.join("a", credit=2)
    (before,) = desk.submit()
    desk.given()
    desk.now += 0.1
    (unsent,) = desk.submit()
    desk.given()
    refuse(desk, "a")
    assert (before.tries, unsent.tries, desk.dispatcher.retried) == (1, 0, 1)
    desk.say("b", Kind.HELLO, hello("b"))
    assert desk.kinds() == {"b": [Kind.WELCOME, Kind.REQUESTS]}
    refuse(desk, "nobody")
    desk.dispatcher.lose(b"b", desk.now)
    assert desk.ended() == [Cause.NO_ANSWER], "two have had it"
    assert waiting(desk.dispatcher) == [unsent]


@pytest.mark.parametrize("tries", [0, 1])
def test_nothing_is_refused_for_ever(desk: Desk, tries: int) -> None:
    """There is always another worker that cannot be reached, but the request's age counts on."""
    desk.join("first")
    (submitted,) = desk.submit()
    for _ in range(tries):
        desk.given()
        desk.dispatcher.lose(b"first", desk.now)
    began, refusals = desk.now, 0
    while desk.dispatcher.in_flight:
        desk.say(f"dead {refusals}", Kind.HELLO, hello(f"dead {refusals}"))
        assert desk.now <= began + SETTINGS.max_wait + 0.1
        assert submitted in waiting(desk.dispatcher)
        desk.kinds()
        refuse(desk, "first")
        refuse(desk, f"dead {refusals}")
        refusals += 1
        desk.now += 0.05
    assert refusals >= 10
    assert submitted.tries == tries
    assert desk.ended() == [Cause.NO_ANSWER if tries else Cause.NO_CREDIT]


@pytest.mark.parametrize("give_up", [Dispatcher.refuse, Dispatcher.lose])
def test_who_says_hello_anew_on_the_same_connection_does_not_get_it_again(
    desk: Desk, give_up: Callable[[Dispatcher[Job], bytes, float], None]
) -> None:
    """One that floods the edge and never reads: its account is closed and opened, closed and opened."""
    desk.join("flood")
    (submitted,) = desk.submit()
    assert desk.given() == {"flood": [FIRST_ID]}
    give_up(desk.dispatcher, b"flood", desk.now)
    desk.join("flood")
    assert desk.given() == {}
    desk.say("good", Kind.HELLO, hello("good"))
    assert desk.kinds() == {"good": [Kind.WELCOME, Kind.REQUESTS]}
    assert desk.answer("good", FIRST_ID) == [submitted]


@pytest.mark.parametrize("give_up", [Dispatcher.refuse, Dispatcher.lose])
def test_but_where_one_broker_was_another_may_be(
    desk: Desk, give_up: Callable[[Dispatcher[Job], bytes, float], None]
) -> None:
    desk.dispatcher.meet(b"broker", "default")
    desk.join("broker")
    desk.submit()
    assert desk.given() == {"broker": [FIRST_ID]}
    give_up(desk.dispatcher, b"broker", desk.now)
    desk.say("broker", Kind.HELLO, hello("broker"))
    assert desk.kinds() == {"broker": [Kind.WELCOME, Kind.REQUESTS]}
