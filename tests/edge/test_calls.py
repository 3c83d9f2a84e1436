"""`--log-calls`: each request has one line, with the fate that it is counted as, by whom and why."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker import Handlers
from slbroker.settings.dispatch import USUAL_POLICIES, DispatchSettings, Policies
from slbroker.sip.validate import USUAL
from slbroker_edge.calls import LoggedEdge
from tests.edge.test_edge import app
from tests.edge.test_edge_laws import apply, steps
from tests.support.edge import Rig
from tests.support.examples import examples
from tests.support.sip import request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.bus.envelope import Answer
    from slbroker.bus.items import Item
    from slbroker.logline import Call
    from slbroker.plugin.reply import Drop, Reply
    from slbroker.plugin.request import Request

UNTOLD = ("keepalive", "response", "bad-ack", "ack")  # drops that are no request's, or an ACK's


class Told:
    """A rig whose edge logs calls."""

    def __init__(self, settings: DispatchSettings | None = None, policies: Policies = USUAL_POLICIES) -> None:
        self.calls: list[Call] = []

        def tell(calls: Sequence[Call]) -> None:
            self.calls += calls

        self.rig = Rig(
            settings, policies=policies,
            make_edge=lambda dispatcher, acks, said: LoggedEdge(dispatcher, acks, said, USUAL, tell),
        )  # fmt: skip

    def only(self) -> Call:
        (call,) = self.calls
        self.calls.clear()
        return call


@examples(150)
@given(st.lists(steps, max_size=25))
def test_there_are_as_many_lines_of_each_fate_as_are_counted(script: list[tuple[str, object, object]]) -> None:
    told = Told(DispatchSettings(max_waiting=8))
    for step in script:
        apply(told.rig, step)
    told.rig.advance(11.0)
    fates, counted = told.rig.fates, Counter(call.fate for call in told.calls)
    dropped = sum(count for cause, count in fates.dropped.items() if cause not in UNTOLD)
    assert (counted["replied"], counted["shed"], counted["failed"], counted["dropped"]) == (
        fates.replied, fates.shed, fates.failed, dropped,
    )  # fmt: skip
    assert all(bool(call.status) == (call.fate != "dropped") for call in told.calls)
    assert all(call.cause for call in told.calls if call.fate in ("failed", "shed", "dropped"))


def test_a_call_is_told_with_worker_pool_time_and_source() -> None:
    told = Told()
    told.rig.join(app)
    told.rig.receive(request("INVITE", call_id="one"))
    call = told.only()
    assert (call.method, call.call_id, call.source) == (b"INVITE", b"one", "udp:192.0.2.1:5060")
    assert (call.fate, call.pool, call.worker) == ("replied", "default", "worker 1")
    assert call.status >= 200
    assert "call INVITE, Call-ID one, from udp:192.0.2.1:5060: replied, " in call.words()
    assert call.words().endswith(", worker worker 1 of pool default, handler unknown")


HANDLERS = Handlers()


@HANDLERS.on("OPTIONS")
def quick(asked: Request) -> Reply:
    return asked.reply(200)


@HANDLERS.on("INVITE")
async def waits(asked: Request) -> Reply:
    return asked.reply(404)


@HANDLERS.on("MESSAGE")
def raises(asked: Request) -> Reply:
    raise RuntimeError(asked)


@HANDLERS.on("INFO")
async def raises_later(asked: Request) -> Reply:
    raise RuntimeError(asked)


@HANDLERS.on("BYE")
def silent(asked: Request) -> Drop:
    return asked.drop()


@HANDLERS.on("NOTIFY")
def several(asked: Request) -> list[Reply]:
    return [asked.reply(180), asked.reply(200)]


@pytest.mark.parametrize(
    ("method", "fate", "status", "handler", "cause"),
    [
        ("OPTIONS", "replied", 200, "quick", ""),
        ("INVITE", "replied", 404, "waits", ""),
        ("MESSAGE", "replied", 500, "raises", "handler failed"),
        ("INFO", "replied", 500, "raises_later", "handler failed"),
        ("BYE", "dropped", 0, "silent", "handler"),
        ("NOTIFY", "replied", 200, "several", ""),
        ("PUBLISH", "replied", 405, "none", ""),
    ],
)
def test_a_call_names_the_handler_that_has_decided_and_whether_it_failed(
    method: str, fate: str, status: int, handler: str, cause: str
) -> None:
    told = Told()
    told.rig.join(HANDLERS)
    told.rig.receive(*(request(method, call_id=f"c{number}", branch=f"z9hG4bK{number}") for number in range(3)))
    assert [(call.fate, call.status, call.worker, call.handler, call.cause) for call in told.calls] == [
        (fate, status, "worker 1", handler, cause)
    ] * 3


def test_handlers_are_named_side_by_side_with_what_may_be_remembered() -> None:
    handlers = Handlers()

    @handlers.on("OPTIONS", remember=60.0)
    def alive(asked: Request) -> Reply:
        return asked.reply(200)

    told = Told()
    told.rig.join(handlers)
    for number in range(4):
        told.rig.advance(0.3)
        told.rig.receive(request("OPTIONS", call_id=f"c{number}"))
    assert Counter((call.fate, call.handler) for call in told.calls)["replied", "alive"] >= 1
    assert told.rig.fates.remembered >= 1, "what names the handler hides no memo"


@pytest.mark.parametrize(
    "memo",
    [b"", b"\xc1", b"\x80", b"\x93", msgpack.packb({"worker": 7, "handler": "f"}), msgpack.packb({"worker": "w"}),
     msgpack.packb({"worker": "w" * 300, "handler": "f"}), msgpack.packb([1]), b"\xff" * 200],
)  # fmt: skip
def test_a_worker_that_names_nobody_or_nonsense_is_told_of_by_its_own_name(memo: bytes) -> None:
    told = Told()
    worker = told.rig.join(HANDLERS)
    answer = worker.respond

    def garbled(item: Item) -> Answer:
        said = answer(item)
        worker.memo = memo
        return said

    worker.respond = garbled
    told.rig.receive(request("OPTIONS"))
    call = told.only()
    assert (call.fate, call.status, call.worker, call.handler) == ("replied", 200, "worker 1", "")


def test_an_edge_that_logs_no_calls_is_told_no_names() -> None:
    rig = Rig()
    worker = rig.join(HANDLERS)
    rig.receive(request("OPTIONS"))
    assert rig.fates.replied == 1
    assert worker.memo == b""


def test_a_lost_call_says_whose_fault_it_was() -> None:
    told = Told(DispatchSettings(max_tries=1))
    worker = told.rig.join(app)
    worker.frozen = True
    told.rig.receive(request("INVITE", call_id="late"))
    told.rig.advance(5.2)
    call = told.only()
    assert (call.fate, call.status, call.worker) == ("failed", 500, "worker 1")
    assert call.cause == "no answer: worker worker 1 has had it for 5 s"
    assert 5.0 <= call.duration < 5.3
    told.rig.receive(request("INVITE", call_id="lost"))
    told.rig.kill(worker)
    told.rig.dispatcher.lose(b"worker 1", told.rig.now)
    told.rig.advance(0.1)
    assert told.only().cause == "no answer: worker worker 1 is lost (its connection is gone)"
    told.rig.receive(request("INVITE", call_id="nobody"))
    call = told.only()
    assert (call.fate, call.status, call.cause) == ("shed", 503, "no worker")


def test_what_is_refused_or_dropped_before_any_worker_has_its_line() -> None:
    told = Told()
    told.rig.join(app)
    told.rig.receive(request("OPTIONS", from_=None, call_id="bad"))
    call = told.only()
    assert (call.fate, call.status, call.call_id) == ("replied", 400, b"bad")
    assert call.cause
    told.rig.receive(request("OPTIONS", via=None))
    assert (told.only().fate, told.rig.fates.dropped) == ("dropped", {"no-via": 1})
    told.rig.receive(request("CANCEL"))
    assert told.only().cause == "cancel"
    told.rig.receive(b"\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", request("ACK"))
    assert told.calls == []


def test_an_answer_that_is_none_is_told_as_such() -> None:
    told = Told()
    worker = told.rig.join(app)
    worker.respond = lambda _item: b"garbage"
    told.rig.receive(request("INVITE"))
    call = told.only()
    assert (call.fate, call.status, call.cause, call.worker) == ("failed", 500, "bad answer", "worker 1")


def test_what_is_remembered_is_told_one_by_one() -> None:
    handlers = Handlers()

    @handlers.on("OPTIONS", remember=60.0)
    def alive(asked: Request) -> Reply:
        return asked.reply(200 if asked.uri.user == "a" else 404)

    told = Told()
    told.rig.join(handlers)
    for number in range(8):
        told.rig.advance(0.3)
        told.rig.receive(*(request("OPTIONS", f"sip:{user}@b", call_id=f"{user}{number}") for user in "ab"))
    assert told.rig.fates.remembered
    assert Counter(call.fate for call in told.calls) == {
        "remembered": told.rig.fates.remembered, "replied": told.rig.fates.replied - told.rig.fates.remembered,
    }  # fmt: skip
    assert {(call.call_id[:1], call.status) for call in told.calls} == {(b"a", 200), (b"b", 404)}
