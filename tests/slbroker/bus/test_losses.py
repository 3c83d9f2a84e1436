"""The log says which request was lost, by whom and why: every cause, and no flood of lines."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from slbroker.bus.envelope import Kind
from slbroker.bus.losses import Losses
from slbroker.logline import MOST_LINES, WINDOW
from slbroker.settings.dispatch import DispatchSettings
from tests.support.bus import Desk, hello

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = DispatchSettings()


def kill(desk: Desk) -> None:
    desk.dispatcher.refuse(b"w", desk.now + 0.1)


def garbage(desk: Desk) -> None:
    desk.receive("w", [b"\x94\x01\x04\xc4\x00\x01", b"\xc1"])


def namesake(desk: Desk) -> None:
    desk.receive("other", [*envelope_of(Kind.HELLO, hello("w"))])


def envelope_of(kind: Kind, info: dict[str, object]) -> list[bytes]:
    from slbroker.bus import envelope

    return envelope.encode(kind, info)


def silence(desk: Desk) -> None:
    desk.now += SETTINGS.liveness + 0.1
    desk.dispatcher.expire(desk.now)


def overdue(desk: Desk) -> None:
    desk.now += SETTINGS.handler_timeout + 0.1
    desk.say("w", Kind.HEARTBEAT)
    desk.dispatcher.expire(desk.now)


LOST: dict[str, tuple[Callable[[Desk], None], str]] = {
    "killed": (kill, "is lost (its connection is gone)"),
    "garbage": (garbage, "is lost ("),
    "started again": (namesake, "is lost (it has come back on another connection)"),
    "silent": (silence, "is lost (silent for 10 s)"),
    "overdue": (overdue, "has had it for 5 s"),
}


@pytest.mark.parametrize("how", LOST)
def test_a_lost_request_is_named_with_worker_and_cause(how: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    act, words = LOST[how]
    desk = Desk(SETTINGS)
    desk.join("w")
    assert "worker w joins pool default, credit 4" in caplog.text
    desk.submit(2)
    assert desk.shares() == {"w": 2}
    act(desk)
    lines = [line for line in caplog.messages if line.startswith("OPTIONS, Call-ID c1: worker w ")]
    assert len(lines) == 2
    assert all(words in line and "it goes to another one" in line for line in lines)
    if how == "garbage":
        assert "worker w is not listened to any more" in caplog.text
    elif how != "overdue":
        assert "worker w of pool default is lost" in caplog.text
        assert "it had 2 requests" in caplog.text


def test_the_last_try_and_the_want_of_another_worker_are_told(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(DispatchSettings(max_tries=1))
    desk.join("w")
    desk.submit()
    desk.shares()
    kill(desk)
    assert "given up after 1 tries" in caplog.text
    desk = Desk(SETTINGS)
    desk.join("w")
    desk.submit()
    desk.shares()
    kill(desk)
    desk.now += 0.1
    desk.expire_alone(SETTINGS.max_wait + 0.1)
    assert "OPTIONS, Call-ID c1: no other worker has taken it within 0.5 s; given up" in caplog.text


def test_who_leaves_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk = Desk(SETTINGS)
    desk.join("w")
    desk.say("w", Kind.GOODBYE)
    assert "worker w leaves pool default, 0 requests open" in caplog.text
    assert "lost" not in caplog.text


def test_a_flood_of_one_cause_leaves_room_for_the_others(caplog: pytest.LogCaptureFixture) -> None:
    losses = Losses(logging.getLogger("test"))
    for _ in range(MOST_LINES + 23):
        losses.request("one", 0.0, b"INVITE", b"c", "lost")
    losses.request("other", 0.0, b"INVITE", b"d", "lost")
    assert len(caplog.messages) == MOST_LINES + 1
    assert caplog.messages[-1] == "INVITE, Call-ID d: lost"
    losses.look(WINDOW + 0.1)
    assert caplog.messages[-1] == "one: 23 more such lines were left out"
    losses.request("one", WINDOW + 0.2, b"INVITE", b"e", "lost")
    assert caplog.messages[-1] == "INVITE, Call-ID e: lost"
