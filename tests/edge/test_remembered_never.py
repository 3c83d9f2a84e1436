"""What is never remembered; and which declarations of a plugin's say for how long, or in whose stead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers
from slbroker.plugin import RateLimit
from tests.support.edge import FakeListener
from tests.support.remembered import answering, asked, fresh, rig_of, statuses
from tests.support.sip import read_reply

if TYPE_CHECKING:
    from slbroker import Request


def test_neither_are_errors_nor_several_replies() -> None:
    app = Handlers()

    @app.on("INVITE", remember=60.0)
    def fails(request: Request) -> Any:
        raise RuntimeError("no")

    app.on("SUBSCRIBE", remember=60.0)(lambda request: [request.reply(180), request.reply(486)])
    app.on("MESSAGE", remember=60.0)(lambda request: request.reply(403, close=True))
    app.on("NOTIFY", remember=60.0)(lambda request: request.headers)
    app.on("INFO", remember=60.0)(lambda request: request.reply(200 if request.expires else 404))
    rig = rig_of(app)
    tls = FakeListener("tls:192.0.2.7:5061")
    for _ in range(2):
        for method in ("INVITE", "SUBSCRIBE", "MESSAGE", "NOTIFY", "INFO"):
            rig.receive(fresh(method, expires="x"), listener=tls)
    assert asked(rig) == 10
    assert rig.fates.remembered == 0


def test_nor_what_goes_through_a_rate_limit_unless_that_says_so() -> None:
    for remembered_too in (False, True):
        app = Handlers()
        app.before(RateLimit(100, 1.0, remembered=remembered_too))
        app.on("OPTIONS", remember=60.0)(lambda request: request.reply(200))
        rig = rig_of(app)
        for _ in range(3):
            rig.receive(fresh())
        assert asked(rig) == (1 if remembered_too else 3)


@pytest.mark.parametrize("hook", ["after", "local_response", "filtered_ack"])
def test_nor_what_a_hook_is_to_see_unless_that_says_so(hook: str) -> None:
    for remembered_too in (False, True):
        app = answering()
        declare = getattr(app, hook)(remembered=True) if remembered_too else getattr(app, hook)
        declare(lambda *_: None)
        rig = rig_of(app)
        for _ in range(3):
            rig.receive(fresh("INVITE"))
        assert asked(rig) == (1 if remembered_too else 3)
        assert bool(app.slips) is not remembered_too


def test_a_reply_that_an_after_hook_has_changed_is_said_again_as_it_left() -> None:
    app = answering()
    app.after(remembered=True)(lambda request, reply: reply.with_headers({"Server": request.uri.host}))
    rig = rig_of(app)
    for uri in ("sip:a@b", "sip:c@b", "sip:a@d"):
        rig.receive(fresh(uri=uri))
    assert [read_reply(reply).one(b"Server") for reply in rig.replies] == [b"b", b"b", b"d"]
    assert asked(rig) == 2


def test_a_reply_may_say_for_how_long_itself() -> None:
    app = Handlers()

    @app.on("OPTIONS", "INVITE", remember=60.0)
    def answer(request: Request) -> Any:
        return request.reply(404, remember={"1": 1.0, "0": 0.0}[request.uri.user])

    rig = rig_of(app)
    for user in ("0", "0", "1", "1"):
        rig.receive(fresh(uri=f"sip:{user}@b"))
    assert asked(rig) == 3
    rig.advance(1.0)
    rig.receive(fresh(uri="sip:1@b"))
    assert asked(rig) == 4


async def look_up(request: Request) -> Any:
    return request.reply(404 if request.uri.user == "a" else 480)


def test_async_handlers_may_be_remembered() -> None:
    app = Handlers()
    app.on("INVITE", remember=60.0)(look_up)
    rig = rig_of(app)
    for user in ("a", "b", "a", "b"):
        rig.receive(fresh("INVITE", f"sip:{user}@x"))
    assert statuses(rig) == [404, 480, 404, 480]
    assert asked(rig) == 2
