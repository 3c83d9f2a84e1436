"""Requests, replies and failures are counted by the name of their handler."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from slbroker import Handlers, Reply, Request
from slbroker.keys import KeyRing
from slbroker.plugin.responder import Responder
from slbroker.plugin.served import MANY, MAX_NAMES, OTHER, Served
from slbroker.sip.message import Source
from slbroker.sip.parser import parse
from slbroker.totag import Signer
from tests.support.sip import request

if TYPE_CHECKING:
    from slbroker.plugin.kinds import Handler

SOURCE = Source("192.0.2.1", 5060, "udp:192.0.2.7:5060")
RING = KeyRing.generate()


def responder(app: Handlers) -> Responder:
    counting = Responder(app, Signer(RING.current, RING.accepted(0.0)))
    counting.serve_as("worker 1")
    return counting


def ask(asked: Responder, *messages: bytes) -> dict[str, tuple[int, int, int]]:
    """Have these answered; return requests, replies and failures by handler."""
    for message in messages:
        answer = asked.respond(parse(message), SOURCE)
        if isinstance(answer, Coroutine):
            asyncio.run(answer)
    return {name: tuple(counts.values()) for name, counts in asked.figures()["handlers"].items()}


def call(user: str, method: str = "INVITE") -> bytes:
    return request(method, f"sip:{user}@example.com")


def plugin() -> Handlers:
    app = Handlers()

    @app.on("INVITE", user="a*")
    def alice(asked: Request) -> Reply:
        return asked.reply(200)

    @app.on("INVITE", user="b*")
    async def bob(asked: Request) -> Any:
        await asyncio.sleep(0)
        return asked.drop() if asked.uri.user == "bx" else asked.reply(486)

    @app.on("INVITE", user="c*")
    def carol(asked: Request) -> Any:
        return {"c1": None, "c2": asked.drop(), "c3": asked.forward("sip:10.0.0.5")}[asked.uri.user]

    @app.on("INVITE", user="d*")
    async def dave(asked: Request) -> Reply:
        raise RuntimeError(asked.uri.user)

    @app.on("INVITE", user="e*")
    def erin(asked: Request) -> Reply:
        raise KeyError(asked.uri.user)

    @app.on("REGISTER")
    def registrar(asked: Request) -> Reply:
        return asked.registered()

    return app


def test_each_handler_has_its_counts() -> None:
    asked = responder(plugin())
    users = ["a1", "a2", "a3", "b1", "b2", "bx", "c1", "c2", "c3", "d1", "d2", "e1", "zz"]
    counts = ask(asked, *map(call, users), call("x", "REGISTER"), call("x", "OPTIONS"), call("x", "ACK"))
    assert counts == {
        "alice": (3, 3, 0), "bob": (3, 2, 0), "carol": (3, 0, 1), "dave": (2, 0, 2), "erin": (1, 0, 1),
        "registrar": (1, 1, 0), "none": (3, 2, 0),
    }  # fmt: skip
    assert asked.figures()["errors"] == 4


def test_a_request_that_awaits_counts_when_it_has_ended() -> None:
    asked = responder(plugin())
    waiting = asked.respond(parse(call("b1")), SOURCE)
    assert ask(asked) == {}
    assert isinstance(waiting, Coroutine)
    asyncio.run(waiting)
    assert ask(asked) == {"bob": (1, 1, 0)}


def test_counts_go_on_when_the_plugin_is_loaded_again() -> None:
    asked = responder(plugin())
    assert ask(asked, call("a1")) == {"alice": (1, 1, 0)}
    asked.respond(parse(call("a1")), SOURCE)
    asked.use_app(plugin())
    assert ask(asked, call("a1"), call("e1")) == {"alice": (3, 3, 0), "erin": (1, 0, 1)}


def test_hooks_and_memory_leave_the_names_as_they_are() -> None:
    app = plugin()
    app.before(lambda _request: None)
    app.otherwise(remember=5)(lambda asked: asked.reply(404))
    counts = ask(responder(app), call("a1"), call("zz"))
    assert counts == {"alice": (1, 1, 0), "<lambda>": (1, 1, 0)}


def test_a_handler_that_has_no_hash_is_counted_too() -> None:
    class Answer:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return True

        def __call__(self, asked: Request) -> Reply:
            return asked.reply(200)

    app = Handlers()
    app.on("INVITE")(Answer())
    app.on("OPTIONS")(Answer())
    assert ask(responder(app), call("a"), call("a", "OPTIONS")) == {"Answer": (2, 2, 0)}


def test_a_peer_makes_no_names() -> None:
    asked = responder(plugin())
    counts = ask(asked, *(call(f"a{number}") for number in range(300)), *(call("x", f"M{n}") for n in range(300)))
    assert set(counts) == {"alice", "none"}


def test_of_very_many_handlers_the_last_are_counted_together() -> None:
    served = Served()
    handlers: list[Handler] = [lambda asked: asked.reply(200) for _ in range(MAX_NAMES + 36)]
    names = {handler: f"handler {number}" for number, handler in enumerate(handlers)}
    served.taken += handlers * 2
    served.fold(names.__getitem__)
    figures = served.figures()
    assert len(figures) == MAX_NAMES + 1
    assert figures[OTHER] == {"requests": 72, "replies": 72, "failures": 0}


def test_who_serves_keeps_no_more_than_so_many() -> None:
    asked = responder(plugin())
    sizes = []
    for number in range(3 * MANY):
        asked.respond(parse(call(f"a{number}")), SOURCE)
        asked.tidy()
        sizes.append(len(asked._served.taken))
    assert max(sizes) == MANY
    assert ask(asked) == {"alice": (3 * MANY, 3 * MANY, 0)}


def test_who_does_not_serve_keeps_none() -> None:
    """Such as an edge with a rule file, or a test's client."""
    asked = Responder(plugin(), Signer(RING.current, RING.accepted(0.0)))
    assert ask(asked, call("a1"), call("a2")) == {}
    assert asked._served.taken == []
