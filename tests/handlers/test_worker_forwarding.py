"""A worker whose handlers let requests go on: what its edge is told, and what where an edge forwards nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from slbroker import Forward, Handlers, Reply, Request, keys
from slbroker.bus import envelope
from slbroker.bus.address import parse_bus_address
from slbroker.bus.envelope import Kind
from slbroker.settings.handler import HandlerSettings
from slbroker_handlers.worker import Worker
from tests.handlers.test_worker import FakeLink, batch, turn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

app = Handlers()


@app.on("INVITE")
def onward(request: Request) -> Forward:
    return request.forward("sip:10.0.0.5:5060", remove="X-Internal", add={"X-Seen": "yes"}, record_route=True)


@app.on("MESSAGE")
async def later(request: Request) -> Forward:
    await asyncio.sleep(0)
    return request.forward()


@app.on("ACK", "CANCEL")
def along(request: Request) -> Forward:
    return request.forward("group:1")


@app.on("OPTIONS")
def answer(request: Request) -> Reply:
    return request.reply(200)


WORDS = {
    "to": "sip:10.0.0.5:5060",
    "remove": (b"x-internal",),
    "add": ((b"X-Seen", b"yes"),),
    "record_route": True,
}


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    keys.create(tmp_path / "ring")
    address = parse_bus_address(f"ipc://{tmp_path}/bus")
    made = Worker(HandlerSettings((address,), tmp_path / "ring", "app", 128), app)
    yield made
    made.context.term()


def link_to(**welcome: object) -> FakeLink:
    link = FakeLink()
    link.address = parse_bus_address("ipc:///run/bus")
    link.membership.receive(envelope.encode(Kind.WELCOME, {"edge": "e", **welcome}), 0.0)
    return link


def answers_of(link: FakeLink) -> dict[int, envelope.Answer]:
    return {number: answer for batch in link.sent for number, answer in batch}


def statuses_of(link: FakeLink) -> dict[int, int | None]:
    return {number: status for batch in link.statuses() for number, status in batch}


def test_a_decision_to_forward_goes_to_the_edge_in_the_place_of_a_reply(worker: Worker) -> None:
    link = link_to(forwards=True, closes=True)
    worker.take(link, batch("OPTIONS", "INVITE", "ACK", "CANCEL"))
    link.flush(0.0)
    answers = answers_of(link)
    assert statuses_of(link)[0] == 200
    assert [answers[number] for number in (1, 2, 3)] == [WORDS, {"to": "group:1"}, {"to": "group:1"}]
    assert worker.responder.errors == 0


def test_an_async_handler_may_forward_too(worker: Worker) -> None:
    link = link_to(forwards=True)

    async def play() -> None:
        worker.take(link, batch("MESSAGE"))
        await turn()

    asyncio.run(play())
    assert link.sent == [[(0, {})]]


@pytest.mark.parametrize("welcome", [{}, {"closes": True}, {"forwards": False}, {"forwards": 1}])
def test_at_an_edge_that_forwards_nothing_it_is_500_and_one_line_that_says_why(
    worker: Worker, caplog: pytest.LogCaptureFixture, welcome: dict[str, object]
) -> None:
    link = link_to(**welcome)

    async def play() -> None:
        worker.take(link, batch("INVITE", "OPTIONS", "ACK", "MESSAGE"))
        link.flush(0.0)
        await turn()

    asyncio.run(play())
    assert statuses_of(link) == {0: 500, 1: 200, 2: None, 3: 500}
    assert answers_of(link)[2] is None, "an ACK is never answered"
    assert worker.responder.errors == 3
    (line,) = caplog.messages
    assert "INVITE sip:b@h: onward at " in line
    assert "edge e at ipc:///run/bus forwards nothing: it, or an edge behind it, is of an older slbroker" in line


def test_acks_and_cancels_that_nobody_has_a_word_for_are_as_if_unasked_there(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    few = Handlers()
    few.on("ACK", "CANCEL", user="0*")(lambda request: request.forward("sip:10.0.0.5"))
    worker.responder.use_app(few)
    old, new = link_to(), link_to(forwards=True)
    for link in (old, new):
        worker.take(link, batch("ACK", "CANCEL"))
        link.flush(0.0)
    assert answers_of(old) == {0: None, 1: None}
    assert answers_of(new) == {0: {}, 1: {}}
    assert caplog.messages == []
    assert worker.responder.errors == 0


def test_each_such_edge_is_told_of_by_itself(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        worker.take(link_to(), batch("INVITE"))
    assert len(caplog.messages) == 2
