"""The end of an edge with connections: each is closed in a moment in which nothing is under way on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker_edge.transports import streams as streams_module
from slbroker_edge.transports.connection import PARTING
from tests.support.sip import read_reply
from tests.support.streams import app, numbered

if TYPE_CHECKING:
    import pytest

    from tests.support.streams import StreamRig

LATER = PARTING + 0.1


def part(rig: StreamRig) -> bool:
    """Leave, as an edge does that listens no more; and let workers answer."""
    rig.streams.close_listeners()
    parted = rig.streams.part(rig.now)
    rig.turn()
    return parted


def test_one_that_is_at_rest_is_closed(rig: StreamRig) -> None:
    phone = rig.connect()
    phone.say(numbered(1))
    assert read_reply(phone.hear()).status == 200
    rig.now += LATER
    assert part(rig)
    assert phone.sock.recv(1) == b""
    assert rig.closed == {"stop": 1}


def test_what_has_come_by_then_is_answered_first(rig: StreamRig) -> None:
    """It lay in the kernel, and no event has told of it."""
    phone = rig.connect()
    rig.now += LATER
    phone.sock.send(numbered(2))
    assert not part(rig)
    assert read_reply(phone.hear()).one(b"Call-ID") == b"call-2"
    assert part(rig)
    assert phone.sock.recv(1) == b""


def test_one_whose_answer_is_at_a_worker_goes_on(rig: StreamRig) -> None:
    (worker,) = rig.workers.values()
    phone = rig.connect()
    rig.now += LATER
    worker.frozen = True
    phone.say(numbered(1))
    assert not part(rig)
    phone.say(numbered(2))  # taken, too: nobody could be told that it is not
    assert not part(rig)
    rig.join(app)
    rig.kill(worker)
    rig.dispatcher.lose(b"worker 1", rig.now)
    rig.turn()
    assert {read_reply(phone.hear()).one(b"Call-ID") for _ in range(2)} == {b"call-1", b"call-2"}
    assert part(rig)


def test_half_a_request_is_waited_for(rig: StreamRig) -> None:
    phone = rig.connect()
    rig.now += LATER
    whole = numbered(1)
    phone.say(whole[:30])
    assert not part(rig)
    phone.say(whole[30:])
    assert read_reply(phone.hear()).status == 200
    assert part(rig)


def test_one_that_is_new_has_time_for_a_request(rig: StreamRig) -> None:
    phone = rig.connect()
    assert not part(rig)
    phone.say(numbered(1))
    assert read_reply(phone.hear()).status == 200
    assert not part(rig)
    rig.now += LATER
    assert part(rig)


def test_many_are_closed_some_at_a_time(rig: StreamRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop must not stand still for them."""
    monkeypatch.setattr(streams_module, "PARTS", 3)
    for _ in range(7):
        rig.connect()
    rig.now += LATER
    opens = []
    while not part(rig):
        opens.append(rig.open)
    assert opens == [4, 1]
