"""What was decided before others had to be asked again is not remembered after it; and who sends much takes little."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from slbroker import Handlers, Reply, Request
from slbroker.bus.memo import Memo, pack_memo, unpack_memo
from slbroker.stats import Fates
from slbroker_edge import remembered
from slbroker_edge.remembered import Remembered
from tests.support.remembered import answering, asked, fresh, memory_of, rig_of, statuses

if TYPE_CHECKING:
    import pytest

    from slbroker.bus.envelope import Answer
    from slbroker.bus.items import Item
    from tests.support.edge import MemoryWorker, Rig


def deciding(status: int) -> Handlers:
    app = Handlers()
    app.otherwise(remember=600.0)(lambda request: request.reply(status))
    return app


def leave(rig: Rig, worker: MemoryWorker) -> None:
    worker.membership.leave()
    rig.turn()


def test_the_last_answer_of_a_version_that_goes_is_not_remembered() -> None:
    """A rolling upgrade: the new handler is started, the old one gets SIGTERM and answers what it has."""
    rig = rig_of(deciding(404))
    old = next(iter(rig.workers.values()))
    rig.hang()
    rig.receive(fresh())
    rig.join(deciding(200), generation="two")
    leave(rig, old)
    rig.advance(0.2)
    rig.recover()  # its answer is its last word
    assert statuses(rig) == [404]
    rig.receive(fresh())
    assert statuses(rig) == [404, 200]


def test_nor_is_what_was_decided_when_all_was_forgotten() -> None:
    """`slbroker forget`, while a handler that has looked into the database before that is about to answer."""
    rig = rig_of(deciding(404))
    rig.hang()
    rig.receive(fresh())
    rig.advance(0.1)
    memory_of(rig).forget(rig.now)
    rig.advance(0.1)
    rig.recover()
    assert statuses(rig) == [404]
    rig.receive(fresh())
    assert asked(rig) == 2
    rig.receive(fresh())
    assert asked(rig) == 2  # what was asked after it is


def test_what_one_pool_forgets_is_no_other_pools_affair() -> None:
    rig = rig_of(deciding(404))
    rig.join(deciding(404), pool="another")
    rig.hang()
    rig.receive(fresh())
    rig.advance(0.1)
    memory_of(rig).forget(rig.now, "another")
    rig.recover()
    rig.receive(fresh())
    assert asked(rig) == 1


def test_who_makes_up_methods_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MAX_ENTRIES", 64)
    rig = rig_of(deciding(501))
    for number in range(3_000):
        rig.receive(fresh(f"MADE-UP-{number}"))
        rig.advance(0.01)
    recall = memory_of(rig).pools["default"]
    assert len(recall.tables) <= remembered.MAX_METHODS
    before = asked(rig)
    for _ in range(3):
        rig.receive(fresh("INVITE"))
    assert asked(rig) == before + 1  # those that there are keep their place


def test_a_worker_whose_memos_are_none_is_told_of_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    app = answering()
    rig = rig_of(app)
    (worker,) = rig.workers.values()

    def lie(item: Item) -> Answer:
        answer = worker._respond(item)
        worker.memo = pack_memo(Memo(5.0, ("no.field",), 20))
        return answer

    worker.respond = lie
    caplog.set_level(logging.WARNING)
    for _ in range(50):
        rig.receive(fresh())
        rig.advance(0.1)
    lines = [one for one in caplog.records if "cannot be remembered" in one.message]
    assert len(lines) == 1
    assert memory_of(rig).refused >= 20
    rig.advance(60)
    rig.receive(fresh())
    lines = [one for one in caplog.records if "cannot be remembered" in one.message]
    assert len(lines) == 2
    assert "49 more" in lines[1].message


def test_what_expires_and_comes_again_lets_nobody_else_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes are counted as entries are: what has expired, or was decided anew, takes none."""
    monkeypatch.setattr(remembered, "MAX_BYTES", 20_000)
    app = Handlers()

    @app.on("OPTIONS", remember=3_000)
    def brief(request: Request) -> Reply:
        return request.reply(200, headers={"X": "x" * 500}, remember=0.05 if request.uri.user == "often" else 3_000)

    rig = rig_of(app)
    for _ in range(3):
        rig.receive(fresh(uri="sip:rare@example.com"))
        rig.advance(0.1)
    for _ in range(500):
        rig.receive(fresh(uri="sip:often@example.com"))
        rig.advance(0.1)
    assert memory_of(rig).figures()["evictions"] == 0
    before = asked(rig)
    rig.receive(fresh(uri="sip:rare@example.com"))
    assert asked(rig) == before


def test_a_pool_for_each_release_leaves_room_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools whose workers have gone are said again for as long as there is room; who is there comes first."""
    monkeypatch.setattr(remembered, "MAX_POOLS", 2)
    memory = Remembered(Fates())
    for release in ("one", "two"):
        memory.staff(release, ["a"], [b""], 1.0)
    memory.staff("three", ["a"], [b""], 2.0)
    assert list(memory.pools) == ["one", "two"]  # both are served
    memory.pools["one"].missed = 7
    memory.staff("one", [], [], 3.0)
    assert list(memory.pools) == ["one", "two"]
    memory.staff("three", ["a"], [b""], 4.0)
    assert list(memory.pools) == ["two", "three"]
    assert memory.figures()["misses"] == 7  # what was counted stays
    memory.staff("two", [], [], 5.0)
    memory.staff("two", ["a"], [b""], 6.0)  # it is back
    memory.staff("four", ["a"], [b""], 7.0)
    assert list(memory.pools) == ["two", "three"]


def test_decisions_that_go_with_their_table_are_evictions() -> None:
    app = Handlers()

    @app.on("OPTIONS", remember=600)
    def look(request: Request) -> Reply:
        return request.reply(404, headers={"X": str("x-y" in request.headers and request.headers.get("X-Y"))})

    rig = rig_of(app)
    (worker,) = rig.workers.values()

    def answer(item: Item) -> Answer:
        answered = worker._respond(item)
        memo = unpack_memo(worker.memo)
        worker.memo = pack_memo(memo._replace(fields=(f"header:x-{worker.asked}",)))
        return answered

    worker.respond = answer
    for number in range(remembered.MAX_TABLES + 3):
        rig.receive(fresh(**{f"x_{number + 1}": str(number)}))
    figures = memory_of(rig).figures()
    assert figures["entries"] == remembered.MAX_TABLES
    assert figures["evictions"] == 3
