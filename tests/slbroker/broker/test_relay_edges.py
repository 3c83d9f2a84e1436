"""One broker and its edges: more than it can take, garbage, and edges that go."""

from __future__ import annotations

import msgpack
import pytest

from slbroker.broker.edges import MAX_LINKS, MAX_LOST
from slbroker.bus import envelope
from slbroker.bus.account import MAX_NAME
from slbroker.bus.envelope import MAX_ARRAY, Kind
from slbroker.settings.broker import RelaySettings
from tests.slbroker.broker.counter import SETTINGS, Counter, holding, lost
from tests.support.bus import MESSAGE, SOURCE, encode_requests, hello, kind_of

# Too much, too long ---------------------------------------------------------------------------------------------


def test_a_batch_that_nobody_takes_in_time_goes_back(counter: Counter) -> None:
    counter.join("w1", credit=2)
    counter.link("e1")
    counter.link("e2")
    counter.requests("e1", b"a", 2)
    counter.requests("e2", b"b", 2)
    counter.to_edges()
    counter.advance(SETTINGS.max_wait - 0.01)
    assert counter.to_edges() == {}
    counter.advance(0.02)
    assert counter.to_edges() == {"e2": [lost(b"b", begun=False)]}
    assert counter.fates() == {"returned": 2, "in_flight": 2}


def test_a_batch_that_no_worker_could_ever_take_goes_back_with_the_next_tick(counter: Counter) -> None:
    """Not at once: the edge may send it again at once."""
    counter.join("w1", credit=2)
    counter.join("w2", credit=2)
    counter.link()
    counter.requests("e1", b"a", 3)
    assert counter.to_edges() == {}
    counter.advance(0.05)
    assert counter.to_edges() == {"e1": [lost(b"a", begun=False)]}


def test_what_waits_for_a_large_worker_goes_back_when_that_one_goes(counter: Counter) -> None:
    counter.join("large", credit=4)
    counter.join("small", credit=2)
    counter.link("e1")
    counter.link("e2")
    counter.requests("e1", b"a", 4)
    counter.requests("e2", b"b", 3)
    counter.batches()
    counter.worker("large", Kind.GOODBYE)
    assert lost(b"b", begun=False) in counter.to_edges()["e2"]


def test_an_edge_gets_back_what_is_beyond_its_credit(counter: Counter) -> None:
    counter.join("w1", credit=4)
    counter.link()
    for number in range(5):
        counter.requests("e1", b"%d" % number)
    counter.advance(0.05)
    assert [word for word in counter.to_edges()["e1"] if word[0] is Kind.LOST] == [lost(b"4", begun=False)]


def test_the_bytes_that_wait_are_bounded() -> None:
    counter = Counter(RelaySettings(max_waiting_bytes=5_000))
    counter.join("w1", credit=64)
    counter.link("e1")
    counter.link("e2")
    counter.requests("e1", b"all", 64)
    for number in range(8):
        counter.requests("e2", b"%d" % number, padding=1_000)
        pool = counter.relay.pools["default"]
        assert pool.waiting_bytes == sum(len(batch.body) for batch in pool.waiting) <= 5_000
    counter.advance(0.05)
    ((kind, info),) = counter.to_edges()["e2"]
    assert kind is Kind.LOST
    assert 3 < len(info["batches"]) < 8


def test_many_lost_batches_fit_into_envelopes(counter: Counter) -> None:
    count = MAX_LOST + 1
    counter.join("w1", credit=count)
    counter.link()
    for number in range(count):
        counter.requests("e1", b"%d" % number)
    counter.to_workers()
    counter.relay.lose(b"w1", counter.now)
    words = [info for kind, info in counter.to_edges()["e1"] if kind is Kind.LOST]
    assert [len(info["batches"]) for info in words] == [MAX_LOST, 1]
    assert MAX_LOST <= MAX_ARRAY


# Edges ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frames",
    [
        [b"x"],
        envelope.encode(Kind.WHO),
        envelope.encode(Kind.WHO, {"edge": "e9", "pool": ""}),
        envelope.encode(Kind.WHO, {"edge": "e9", "pool": "x" * MAX_NAME}),
        envelope.encode(Kind.HELLO, hello("w1")),
        envelope.encode(Kind.LOST, {"batches": [b"r"], "begun": True}),
        envelope.encode(Kind.BAD, {"batches": [1]}),
        envelope.encode(Kind.WELCOME, {"handler_timeout": "soon"}),
        envelope.encode(Kind.WELCOME, {"handler_timeout": float("inf")}),
        encode_requests([(1, MESSAGE, SOURCE)], b"r"),
        encode_requests([], b"s"),
        [encode_requests([(1, MESSAGE, SOURCE)], b"s")[0], msgpack.packb([1, 2])],
        [encode_requests([(1, MESSAGE, SOURCE)], b"s")[0], b"\xdc\x00"],
    ],
)
def test_garbage_from_an_edge_is_counted_and_nothing_else(counter: Counter, frames: list[bytes]) -> None:
    holding(counter)
    counter.relay.from_edge(b"e1", frames, counter.now)
    counter.check()
    assert counter.relay.statistics()["garbage"] == 1
    assert counter.to_edges() == {}
    assert counter.fates() == {"in_flight": 2}


@pytest.mark.parametrize("count", [1, 15, 16, 255])
def test_batches_of_all_sizes_are_counted_by_their_first_bytes(counter: Counter, count: int) -> None:
    counter.join("w1", credit=1_000)
    counter.link()
    counter.requests("e1", b"r", count)
    assert counter.fates() == {"in_flight": count}
    assert counter.relay.edges.garbage == 0


def test_a_stranger_is_asked_who_it_is(counter: Counter) -> None:
    counter.join("w1")
    counter.requests("e1", b"r")
    counter.edge("e1", Kind.HEARTBEAT)
    assert counter.to_edges() == {"e1": [(Kind.WHO, {})] * 2}
    assert counter.fates() == {}, "it was never taken"


def test_an_edge_that_asks_who_we_are_has_given_up_what_it_had_sent(counter: Counter) -> None:
    batch_id = holding(counter)
    ((kind, _info),) = counter.greet()
    assert kind is Kind.HELLO
    counter.replies("w1", batch_id, 2)
    assert counter.answers() == []
    assert counter.fates() == {"orphaned": 2}


def test_what_waits_for_a_worker_when_its_edge_goes_is_not_begun(counter: Counter) -> None:
    counter.join("w1", credit=2)
    counter.link("e1")
    counter.link("e2")
    counter.requests("e1", b"a", 2)
    ((_, batch_id, _, _),) = counter.batches()
    counter.requests("e2", b"b", 2)
    counter.relay.refused_by_edges([(b"e2", envelope.encode(Kind.HEARTBEAT))], counter.now)
    counter.replies("w1", batch_id, 2)
    assert counter.batches() == []
    assert counter.fates() == {"answered": 2, "orphaned": 2}


def test_answers_that_could_not_be_sent_are_not_counted_as_answered(counter: Counter) -> None:
    batch_id = holding(counter)
    counter.replies("w1", batch_id, 2)
    counter.relay.refused_by_edges(counter.relay.send(counter.now).to_edges, counter.now)
    assert counter.fates() == {"orphaned": 2}
    counter.check()


def test_signs_of_life_go_to_both_sides(counter: Counter) -> None:
    counter.join("w1")
    counter.link("member")
    counter.greet("looking")
    counter.relay.send(counter.now)
    counter.now += SETTINGS.heartbeat
    counter.relay.expire(counter.now)
    sent = counter.relay.send(counter.now)
    assert [(identity, kind_of(frames)) for identity, frames in sent.to_edges] == [(b"member", Kind.HEARTBEAT)]
    assert [(identity, kind_of(frames)) for identity, frames in sent.to_workers] == [(b"w1", Kind.HEARTBEAT)]


def test_workers_are_told_the_longest_handler_timeout(counter: Counter) -> None:
    counter.join("w1")
    assert counter.to_workers()["w1"] == [
        (
            Kind.WELCOME,
            {"edge": "b1", "heartbeat": 0.25, "processes": 1, "handler_timeout": 5.0, "closes": True, "forwards": True},
        )
    ]
    counter.link("e1", timeout=30.0)
    ((kind, info),) = counter.to_workers()["w1"]
    assert (kind, info["handler_timeout"]) == (Kind.WELCOME, 30.0)
    counter.link("e2", timeout=2.0)
    assert counter.to_workers() == {}


def test_there_is_a_limit_to_edges(counter: Counter) -> None:
    for number in range(MAX_LINKS + 1):
        counter.relay.from_edge(b"%d" % number, envelope.encode(Kind.WHO, {"edge": "e", "pool": "p"}), counter.now)
    assert len(counter.relay.edges.links) == MAX_LINKS
    assert counter.relay.edges.garbage == 1
