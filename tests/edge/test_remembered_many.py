"""Many decisions, and many ways to come to one: what an edge remembers is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker import DROP, Handlers
from slbroker.twins import definition
from slbroker_edge import remembered
from slbroker_edge.recall import Recall, Table
from tests.support.edge import Rig
from tests.support.remembered import asked, fresh, memory_of, rig_of

if TYPE_CHECKING:
    from slbroker import Request


def test_the_table_is_bounded_and_keeps_what_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MAX_ENTRIES", 64)
    app = Handlers()
    app.on("INVITE", remember=600.0)(lambda request: request.reply(404, headers={"X": request.uri.user}))
    rig = rig_of(app)
    memory = memory_of(rig)
    for number in range(500):
        rig.advance(0.1)
        rig.receive(fresh("INVITE", "sip:popular@b"), fresh("INVITE", f"sip:{number}@b"))
        assert memory.figures()["entries"] <= 64
    assert asked(rig) == 501
    assert memory.figures()["evictions"] > 400


def test_in_a_flood_of_new_users_few_are_looked_at_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Handlers()
    watched = 0
    app.on("INVITE", remember=600.0)(lambda request: request.reply(404 if request.uri.user else 480))
    rig = Rig()
    worker = rig.join(app, credit=10_000)
    watch = worker.responder.watch

    def counting(*given: Any) -> Any:
        nonlocal watched
        watched += 1
        return watch(*given)

    monkeypatch.setattr(worker.responder, "watch", counting)
    for number in range(0, 5_000, 100):
        rig.receive(*(fresh("INVITE", f"sip:{one}@b") for one in range(number, number + 100)))
    assert watched <= remembered.WANTED_AT_ONCE + 1
    users = [fresh("INVITE", f"sip:{one}@b") for one in range(4_000, 4_100)]  # who were here: they are worth it
    rig.receive(*users)
    assert watched >= remembered.WANTED_AT_ONCE + 90
    before = asked(rig)
    rig.receive(*(fresh("INVITE", f"sip:{one}@b") for one in range(4_000, 4_100)))
    assert asked(rig) - before <= 10


def test_many_ways_to_decide_make_few_tables() -> None:
    app = Handlers()

    @app.on("INVITE", remember=600.0)
    def answer(request: Request) -> Any:
        for number in range(int(request.uri.user)):
            request.headers.get(f"X-{number}")
        return DROP

    rig = rig_of(app)
    for number in range(20):
        rig.receive(fresh("INVITE", f"sip:{number}@b"))
    (recall,) = memory_of(rig).pools.values()
    assert len(recall.tables[b"INVITE"]) <= remembered.MAX_TABLES


# Strangers are told by their Request-URI, or its user, alone. Who is none has to be found in spite of that.
USERS = (
    "sip:bob@b",
    "sip:b%6fb@elsewhere",
    "SIPS:b%6Fb:secret@b:5061",
    "sip:bob@[2001:db8::1];transport=tcp",
    "tel:bob",
)
KINDS: dict[str, tuple[Any, Any]] = {"in use": (Recall, Table), "pure": (definition(Recall), definition(Table))}


def of_kind(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    for name, made in zip(("Recall", "Table"), KINDS[kind], strict=True):
        monkeypatch.setattr(remembered, name, made)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", USERS)
def test_a_user_who_is_written_in_another_way_is_no_stranger(
    kind: str, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_kind(monkeypatch, kind)
    app = Handlers()
    app.on("INVITE", remember=600.0)(lambda request: request.reply(404 if request.uri.user == "bob" else 480))
    rig = rig_of(app)
    rig.receive(fresh("INVITE", first))
    for uri in USERS * 2:
        rig.receive(fresh("INVITE", uri))
    assert asked(rig) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ["user", "uri"])
def test_who_is_in_use_is_no_stranger_however_many_have_made_room(
    kind: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_kind(monkeypatch, kind)
    monkeypatch.setattr(remembered, "MAX_ENTRIES", 4)
    app = Handlers()

    def read(request: Request) -> str:
        return request.uri.user if by == "user" else str(request.uri)

    app.on("INVITE", remember=3_600.0)(lambda request: request.reply(404, headers={"X": read(request)}))
    rig = rig_of(app)
    memory = memory_of(rig)
    for number in range(600):
        rig.advance(0.1)
        rig.receive(fresh("INVITE", "sip:popular@b"), fresh("INVITE", f"sip:{number}@b"))
    assert asked(rig) == 601
    assert memory.figures()["evictions"] > 500, "so more generations have come and gone than a mark can number"
