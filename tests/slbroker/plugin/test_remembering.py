"""What a plugin says of its decisions, and what the worker's half makes of it: a memo, or a line that says why not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from slbroker import DROP, Handlers, Request
from slbroker.bus.items import Item
from slbroker.bus.memo import WANTED, Kept, Memo, unpack_memo
from slbroker.plugin import keeping
from slbroker.plugin.responder import Responder
from slbroker.sip.message import Source
from slbroker.sip.parser import parse
from slbroker.sip.reply import NO_BODY
from tests.support.edge import SIGNER
from tests.support.sip import request

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Source("192.0.2.1", 5060, "udp:192.0.2.7:5060")


def item(method: str = "OPTIONS", number: int = WANTED, **headers: Any) -> Item:
    return Item(number, parse(request(method, **headers)), SOURCE)


def memo_of(app: Handlers, one: Item) -> Memo | None:
    answer = Responder(app, SIGNER).answer(one)
    return unpack_memo(answer.memo) if isinstance(answer, Kept) else None


def declared(handler: Callable[[Request], Any], remember: float = 5.0) -> Handlers:
    app = Handlers()
    app.on("OPTIONS", remember=remember)(handler)
    return app


def test_a_memo_has_the_seconds_the_fields_and_the_tail() -> None:
    app = declared(lambda request: request.reply(404, headers={"X": request.uri.user}))
    assert memo_of(app, item()) == Memo(5.0, ("uri.user",), len(b"\r\nX: bob\r\nContent-Length: 0\r\n\r\n"))
    assert memo_of(declared(lambda _request: DROP), item()) == Memo(5.0, (), 0)


def test_only_who_is_asked_for_one_tells_it() -> None:
    app = declared(lambda request: request.reply(404))
    assert memo_of(app, item(number=WANTED - 1)) is None
    assert memo_of(app, item()) is not None


@pytest.mark.parametrize("remember", [-1, 3_601, float("nan"), "5", True])
def test_seconds_are_from_none_to_an_hour(remember: Any) -> None:
    app = Handlers()
    declarations: list[Callable[[], object]] = [
        lambda: app.on("OPTIONS", remember=remember),
        lambda: app.before(lambda _request: None, remember=remember),
        lambda: Request(item().message, SOURCE).reply(200, remember=remember),
        lambda: Request(item().message, SOURCE).drop(remember=remember),
    ]
    for declare in declarations:
        with pytest.raises(ValueError, match=r"remember=.* is no number of seconds from 0 to 3600"):
            declare()


def test_the_whole_of_a_uri_covers_its_parts() -> None:
    app = declared(lambda request: request.reply(404, str(request.uri), {"X": request.uri.user}))
    memo = memo_of(app, item())
    assert memo is not None
    assert memo.fields == ("uri",)


def test_more_than_a_decision_can_go_by_is_not_remembered() -> None:
    app = declared(lambda request: request.reply(404 if any(f"X-{at}" in request.headers for at in range(17)) else 480))
    assert memo_of(app, item()) is None


def test_a_handler_that_never_fits_is_looked_at_now_and_then(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    responder = Responder(declared(lambda request: request.reply(404, str(request.cseq))), SIGNER)
    watched = 0
    run = Responder._run

    def counting(*given: Any) -> Any:
        nonlocal watched
        watched += 1
        return run(*given)

    monkeypatch.setattr(Responder, "_run", counting)
    for _ in range(10 * keeping.HOPELESS):
        responder.answer(item())
    assert keeping.HOPELESS <= watched <= keeping.HOPELESS + 10
    assert [one.levelno for one in caplog.records] == [logging.WARNING]


def test_a_version_before_decides_for_nobody() -> None:
    old, new = declared(lambda request: request.reply(404)), declared(lambda request: request.reply(480))
    responder = Responder(old, SIGNER)

    @old.on("INVITE", remember=5.0)
    def reloads(request: Request) -> Any:
        responder.use_app(new)
        return request.reply(404)

    assert not isinstance(responder.answer(item("INVITE")), Kept)
    assert isinstance(responder.answer(item()), Kept)


def test_what_is_read_does_not_change_what_is_seen() -> None:
    """A watched request gives the same values as a plain one."""
    one = item("INVITE", contact="<sip:a@b>", subject="1", body=b"x", to='"B" <sip:b@c>;tag=t')
    seen: list[Any] = []

    def look(request: Request) -> Any:
        seen.append([
            request.method, request.uri, request.uri.user, str(request.uri), hash(request.uri), [*request.uri],
            request.from_address, str(request.from_address), request.to_address.display, request.to_uri.host,
            request.headers["Subject"], list(request.headers), request.headers == request.headers, request.body,
            request.call_id, request.cseq, request.from_tag, request.to_tag, request.is_initial, request.contacts,
            request.via, request.source.host, request.source.port, tuple(request.source), request.listen,
            request.is_from("192.0.2.0/24"), request.reply_tag, request.user_agent, request.max_forwards,
            tuple(request.message), request.message.first(b"subject"), repr(request), isinstance(request, Request),
            request.uri == request.uri, request.uri != request.to_uri, request.uri in {request.uri},
        ])  # fmt: skip
        return request.reply(404)

    app = Handlers()
    app.on("INVITE", remember=5.0)(look)
    responder = Responder(app, SIGNER)
    plain = responder.answer(Item(0, one.message, one.source))
    watched = responder.answer(one)
    assert seen[0] == seen[1]
    assert plain == watched


def test_a_hook_says_of_one_of_its_decisions_that_it_is_good_for_nobody_else() -> None:
    app = Handlers()

    @app.before(remember=60)
    def hook(request: Request) -> Any:
        return request.reply(403, remember=0 if request.uri.user == "bob" else None)

    assert memo_of(app, item()) is None
    assert memo_of(app, item(uri="sip:carol@example.com")) == Memo(60.0, ("uri.user",), len(NO_BODY))
