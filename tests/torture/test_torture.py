"""Every torture message through an edge without sockets: fed in three ways, with the invariants of any reply."""

from __future__ import annotations

import pytest

from slbroker.sip.framer import Framer
from slbroker_handlers.bundled import app
from tests.lab.fuzz.targets.exchange import check as check_exchange
from tests.support.edge import PEER, FakeListener, Rig
from tests.support.sip import request
from tests.torture.case import Case, Stream
from tests.torture.corpus import CASES

FRAMED = {name: case for name, case in CASES.items() if case.stream is Stream.SAME}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


class Pair(Rig):
    """An edge and a worker with the bundled plugin."""

    def __init__(self) -> None:
        super().__init__()
        self.join(app)

    def statuses(self) -> list[int]:
        return [int(reply[8:11]) for reply in self.replies]

    def feed(self, framer: Framer, data: bytes) -> None:
        """Let a stream bring `data`."""
        stream = FakeListener("tcp:192.0.2.7:5060")
        for message in framer.feed(data, self.now):
            self.receive(message, listener=stream)
        if framer.fault is not None:
            self.edge.refuse(framer.fault, PEER, stream)
            self.turn()
        self.listener.sent += stream.sent


def whole(case: Case) -> list[int]:
    """What a datagram with the message alone gets."""
    pair = Pair()
    pair.receive(case.data)
    return pair.statuses()


def by_bytes(data: bytes) -> tuple[list[int], Framer]:
    """What a stream that brings `data` byte by byte gets."""
    pair, framer = Pair(), Framer()
    for byte in data:
        pair.feed(framer, bytes((byte,)))
        if framer.fault is not None:
            break
    return pair.statuses(), framer


@every_case
def test_the_answer_is_one_that_the_rfc_allows(case: Case) -> None:
    statuses = whole(case)
    assert len(statuses) == (1 if case.allows else 0)
    assert set(statuses) <= case.allows, case.why


@every_case
def test_bytes_behind_a_datagrams_message_change_nothing(case: Case) -> None:
    pair = Pair()
    pair.receive(case.data + b"\r\ntrailing \x00 bytes\r\n\r\n")
    assert pair.statuses() == whole(case)


@every_case
def test_byte_by_byte_on_a_stream(case: Case) -> None:
    statuses, framer = by_bytes(case.data)
    match case.stream:
        case Stream.SAME:
            assert statuses == whole(case)
            assert framer.fault is None
            assert framer.held == 0
        case Stream.TWO:
            assert statuses[:1] == whole(case)
            assert len(statuses) == 2
        case Stream.WAITS:
            assert statuses == []
            assert framer.held == len(case.data)
        case Stream.BROKEN:
            assert statuses == [400]
            assert framer.fault is not None


@pytest.mark.parametrize("case", FRAMED.values(), ids=FRAMED)
def test_another_message_in_the_same_segment_of_a_stream(case: Case) -> None:
    pair = Pair()
    pair.feed(Framer(), case.data + request())
    assert pair.statuses() == [*whole(case), 200]


@every_case
def test_the_invariants_of_any_exchange(case: Case) -> None:
    """At most one reply, which repeats the request as it must; one fate; and a good OPTIONS right after is answered."""
    check_exchange(case.data)


@every_case
def test_two_edges_pointed_at_each_other_do_not_go_on(case: Case) -> None:
    first, second = Pair(), Pair()
    first.receive(case.data)
    second.receive(*first.replies)
    assert len(first.replies) <= 1
    assert second.replies == []
