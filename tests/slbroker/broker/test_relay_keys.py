"""Key rings through a broker: edges hear what any of its workers signs with, workers which keys all edges have."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from slbroker.bus.keycheck import PATIENCE, Labels, as_words
from slbroker.keys import KeyRing
from tests.slbroker.broker.rig import EdgeNode, Rig, WorkerNode
from tests.slbroker.somekeys import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

RINGS = {name: Labels.of(KeyRing.generate(), NOW) for name in "AB"}
A, B = RINGS["A"], RINGS["B"]


@pytest.fixture
def rig() -> Rig:
    """Two edges that know ring A."""
    made = Rig(edges=2)
    for edge in made.edges:
        edge.dispatcher.use_keys(A.keys, made.now)
    return made


def join(rig: Rig, name: str, labels: Labels) -> WorkerNode:
    worker = rig.join(name)
    sign(rig, worker, labels)
    return worker


def sign(rig: Rig, worker: WorkerNode, labels: Labels) -> None:
    for member, _pipe in worker.members:
        member._hello.update(as_words(signs=labels.signs, keys=labels.keys))
        member.offer()
    rig.advance(0.3)


def told(worker: WorkerNode) -> frozenset[str] | None:
    ((member, _pipe),) = worker.members
    return member.edge_keys


def unknown(edge: EdgeNode) -> list[Any]:
    (figures,) = edge.dispatcher.figures()
    return list(figures.get("unknown_keys", []))


def behind(rig: Rig) -> list[list[str]]:
    return [worker.get("unknown_keys", []) for node in rig.brokers for worker in node.relay.statistics()["workers"]]


def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    return (r.getMessage() for r in caplog.records if r.levelno == logging.WARNING)


def test_the_same_ring_everywhere_is_told_and_nobody_is_warned_of(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    worker = join(rig, "w1", A)
    rig.advance(PATIENCE + 2)
    assert told(worker) == A.keys
    assert not [*warnings(caplog)]


def test_an_edge_hears_of_one_worker_among_many_with_another_ring(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    join(rig, "w1", A)
    other = join(rig, "w2", B)
    rig.advance(PATIENCE + 1)
    assert [unknown(edge) for edge in rig.edges] == [sorted(B.signs or ())] * 2
    lines = [line for line in warnings(caplog) if "worker broker 1/default signs with a key that is not known" in line]
    assert len(lines) == 2, "one at each edge"
    assert all("give both ends the same --keys file" in line for line in lines)
    assert [keys for keys in behind(rig) if keys] == [sorted(B.signs or ())], "the broker tells which worker it is"
    sign(rig, other, A)
    assert [unknown(edge) for edge in rig.edges] == [[], []]
    assert not any(behind(rig))


def test_an_edge_hears_when_the_worker_with_the_other_ring_has_left(rig: Rig) -> None:
    join(rig, "w1", A)
    other = join(rig, "w2", B)
    assert unknown(rig.edge)
    other.leave()
    rig.advance(1)
    assert not unknown(rig.edge)


def test_a_worker_hears_of_one_edge_among_many_with_another_ring(rig: Rig) -> None:
    worker = join(rig, "w1", A)
    rig.edges[1].dispatcher.use_keys(B.keys, rig.now)
    rig.advance(0.3)
    assert told(worker) == frozenset()
    rig.edges[1].dispatcher.use_keys(A.keys, rig.now)
    rig.advance(0.3)
    assert told(worker) == A.keys


def test_edges_that_are_gone_or_tell_nothing_have_no_say(rig: Rig) -> None:
    worker = join(rig, "w1", A)
    rig.edges[1].dispatcher.use_keys(None, rig.now)
    rig.advance(0.3)
    assert told(worker) == A.keys
    rig.edges[0].dispatcher.use_keys(None, rig.now)
    rig.advance(0.3)
    assert told(worker) is None


def test_workers_of_an_older_version_behind_a_broker_are_not_warned_of(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.join("old")
    rig.advance(PATIENCE + 2)
    assert not [*warnings(caplog)]
    assert unknown(rig.edge) == []
