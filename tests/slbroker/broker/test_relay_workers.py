"""One broker and its workers: those that cannot be trusted, and those that go."""

from __future__ import annotations

import msgpack
import pytest

from slbroker.broker.table import REMEMBERED
from slbroker.bus import envelope
from slbroker.bus.envelope import Kind
from slbroker.bus.roster import MAX_STRIKES
from tests.slbroker.broker.counter import SETTINGS, Counter, blamed, holding, lost, names
from tests.support.bus import hello

# Workers that cannot be trusted ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frames",
    [
        [b"x"],
        [b"\xc1", b"\xc1"],
        envelope.encode(Kind.WELCOME, {"edge": "me"}),
        envelope.encode(Kind.LOST, {"batches": [], "begun": True}),
        envelope.encode(Kind.HELLO, {"name": "w1"}),
        [envelope.encode(Kind.HEARTBEAT)[0], b"\x91\x01"],
        [envelope.encode_replies([(1, b"")] * 2, b"r")[0], b"\x80"],
        [envelope.encode_replies([(1, b"")] * 2, b"r")[0], b""],
        [envelope.encode_replies([(1, b"")] * 2, b"r")[0], msgpack.packb([[1, b""]])],
        envelope.encode_replies([], b"r"),
    ],
)
def test_garbage_closes_the_account_and_the_connection_is_deaf_from_then_on(
    counter: Counter, frames: list[bytes]
) -> None:
    holding(counter)
    counter.relay.from_worker(b"w1", frames, counter.now)
    assert names(counter) == ["w2"]
    assert lost(b"r", begun=True) in counter.to_edges()["e1"]
    assert counter.fates() == {"lost": 2}
    counter.join("w1")
    assert names(counter) == ["w2"]
    assert counter.to_workers() == {}
    counter.relay.from_worker(b"w1 again", envelope.encode(Kind.HELLO, hello("w1")), counter.now)
    assert names(counter) == ["w2", "w1"]


def test_more_answers_than_there_are_questions(counter: Counter) -> None:
    batch_id = holding(counter)
    counter.replies("w1", batch_id, 1)
    counter.replies("w1", batch_id, 2)
    assert names(counter) == ["w2"]
    assert counter.fates() == {"answered": 1, "lost": 1}


def test_answers_to_what_another_worker_holds(counter: Counter) -> None:
    batch_id = holding(counter)
    counter.replies("w2", batch_id, 1)
    assert names(counter) == ["w1"]
    assert counter.fates() == {"in_flight": 2}


@pytest.mark.parametrize("batch_id", [b"", b"\0" * 8, b"longer than eight"])
def test_answers_to_what_never_was_are_forgiven_for_a_while(counter: Counter, batch_id: bytes) -> None:
    """A worker may still answer what it had from this broker's former life."""
    counter.join("w1", credit=4)
    for _ in range((MAX_STRIKES + 4) // 4):
        counter.replies("w1", batch_id, 4)
    assert names(counter) == ["w1"]
    counter.replies("w1", batch_id, 4)
    assert names(counter) == []
    assert counter.relay.garbage == 1


def test_a_second_answer_changes_nothing(counter: Counter) -> None:
    batch_id = holding(counter)
    for _ in range(2):
        counter.replies("w1", batch_id, 2)
    assert len(counter.answers()) == 1
    assert counter.relay.late == 2
    assert names(counter) == ["w1", "w2"]


def test_answers_and_heartbeats_of_a_stranger_are_asked_who_it_is(counter: Counter) -> None:
    counter.replies("w1", b"r")
    counter.worker("w2", Kind.HEARTBEAT)
    assert counter.to_workers() == {"w1": [(Kind.WHO, {})], "w2": [(Kind.WHO, {})]}
    counter.join("w1")
    assert names(counter) == ["w1"], "it is no garbage: the broker may be new"


def test_what_an_edge_could_not_read_costs_the_worker_its_account(counter: Counter) -> None:
    batch_id = holding(counter)
    counter.replies("w1", batch_id, 2)
    counter.to_edges()
    counter.edge("e1", Kind.BAD, {"batches": [b"r"]})
    assert names(counter) == ["w2"]
    assert counter.to_edges()["e1"][0] == lost(b"r", begun=True), "so that the edge need not wait for the time limit"
    assert counter.fates() == {"answered": 2}


def test_an_edge_is_told_which_worker_has_lost_its_batch_and_why(counter: Counter) -> None:
    holding(counter)
    counter.relay.lose(b"w1", counter.now, "its connection is gone")
    assert blamed(counter) == [("w1", "its connection is gone")]


def test_the_same_while_part_of_the_batch_is_open(counter: Counter) -> None:
    batch_id = holding(counter)
    counter.replies("w1", batch_id, 1)
    counter.edge("e1", Kind.BAD, {"batches": [b"r"]})
    assert names(counter) == ["w2"]
    assert [word for word in counter.to_edges()["e1"] if word[0] is Kind.LOST] == [lost(b"r", begun=True)]


def test_an_edge_that_complains_of_what_is_forgotten_or_unknown(counter: Counter) -> None:
    batch_id = holding(counter)
    counter.replies("w1", batch_id, 2)
    for number in range(2 * REMEMBERED):
        counter.requests("e1", b"%d" % number)
        ((worker, batch_id, _, _),) = counter.batches()
        counter.replies(worker, batch_id)
    counter.edge("e1", Kind.BAD, {"batches": [b"r", b"unknown"]})
    assert names(counter) == ["w1", "w2"]
    counter.edge("nobody", Kind.BAD, {"batches": [b"r"]})
    assert counter.to_edges()["nobody"] == [(Kind.WHO, {})]


# Workers go -----------------------------------------------------------------------------------------------------


def test_a_worker_that_cannot_be_reached_has_lost_what_it_had_and_not_what_it_had_not(counter: Counter) -> None:
    holding(counter)
    counter.requests("e1", b"t", 3)
    assert [worker for worker, _, _, _ in counter.batches()] == ["w2"]
    counter.requests("e1", b"s", 1)
    unsent = counter.relay.send(counter.now).to_workers
    assert [identity for identity, _ in unsent] == [b"w1"]
    heartbeat = (b"w1", envelope.encode(Kind.HEARTBEAT))
    counter.relay.refused_by_workers([heartbeat, *unsent], counter.now)
    assert names(counter) == ["w2"]
    assert counter.fates() == {"lost": 2, "in_flight": 4}
    assert [(worker, size) for worker, _, size, _ in counter.batches()] == [("w2", 1)]


def test_without_anybody_else_it_goes_back_as_not_begun(counter: Counter) -> None:
    counter.join("w1")
    counter.link()
    counter.requests("e1", b"s", 1)
    counter.relay.refused_by_workers(counter.relay.send(counter.now).to_workers, counter.now)
    assert lost(b"s", begun=False) in counter.to_edges()["e1"]
    assert counter.fates() == {"returned": 1}
    assert not counter.relay.pools


def test_a_batch_that_a_leaving_worker_could_not_be_sent_goes_back_if_it_is_too_large_for_the_others(
    counter: Counter,
) -> None:
    counter.join("large", credit=4)
    counter.join("small", credit=2)
    counter.link()
    counter.requests("e1", b"s", 3)
    unsent = counter.relay.send(counter.now).to_workers[-1:]
    counter.worker("large", Kind.GOODBYE)
    counter.to_workers()
    counter.relay.refused_by_workers(unsent, counter.now)
    assert lost(b"s", begun=False) in counter.to_edges()["e1"]
    assert counter.fates() == {"returned": 3}


def test_a_silent_worker_has_lost_what_it_had(counter: Counter) -> None:
    holding(counter)
    silent_since = counter.now
    counter.advance(1.0)
    counter.relay.workers[b"w1"].heard = silent_since
    counter.now = silent_since + SETTINGS.liveness + 0.5
    counter.relay.workers[b"w2"].heard = counter.now
    counter.relay.edges.links[b"e1"].heard = counter.now
    counter.relay.expire(counter.now)
    assert names(counter) == ["w2"]
    assert counter.fates() == {"lost": 2}


def test_a_namesake_takes_the_place_of_the_old_one(counter: Counter) -> None:
    holding(counter)
    counter.relay.from_worker(b"other connection", envelope.encode(Kind.HELLO, hello("w1")), counter.now)
    assert names(counter) == ["w2", "w1"]
    assert counter.fates() == {"lost": 2}


def test_a_worker_that_changes_its_pool_begins_anew(counter: Counter) -> None:
    holding(counter)
    counter.join("w1", pool="premium")
    assert counter.fates() == {"lost": 2}
    assert counter.relay.pools.keys() == {"default", "premium"}


def test_a_worker_that_leaves_finishes_first(counter: Counter) -> None:
    batch_id = holding(counter)
    counter.worker("w1", Kind.GOODBYE)
    counter.requests("e1", b"s", 1)
    assert [worker for worker, _, _, _ in counter.batches()] == ["w2"]
    assert names(counter) == ["w1", "w2"]
    counter.replies("w1", batch_id, 2)
    assert names(counter) == ["w2"]
