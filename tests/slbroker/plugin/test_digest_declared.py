"""Authentication in a plugin: what is put before handlers, realms and users by functions, and what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from slbroker import Handlers, Reply, Request
from slbroker.plugin import Digest
from slbroker.sip.parser import parse
from slbroker.testing import SOURCE, Client
from tests.support.digest import PASSWORDS, URI, challenge_of
from tests.support.sip import request


async def look_up(name: str) -> str | None:
    await asyncio.sleep(0)
    return PASSWORDS.get(name)


async def serve_later(request: Request) -> Reply:
    await asyncio.sleep(0)
    return request.reply(200)


@pytest.mark.parametrize("lookup", [PASSWORDS.get, look_up])
@pytest.mark.parametrize("handler", [serve_later, lambda request: request.reply(200)])
def test_lookups_and_handlers_may_be_asynchronous(lookup: Any, handler: Any) -> None:
    digest = Digest("r", lookup)
    decorated, gated = Handlers(), Handlers()
    decorated.on("REGISTER")(digest.required(handler))
    gated.before(digest.gate("REGISTER"))
    gated.otherwise(handler)
    for app in (decorated, gated):
        client = Client(app)
        for password, status in (("wonderland", 200), ("wrong", 401)):
            response = client.authenticated("alice", password, "REGISTER", URI)
            assert response is not None
            assert response.status == status


def test_an_asynchronous_lookup_asked_in_time_says_how_it_is_done() -> None:
    app = Handlers()
    digest = Digest("r", look_up)
    app.on("REGISTER")(lambda request: digest.check(request).reply or request.reply(200))
    with pytest.warns(RuntimeWarning, match="never awaited"):
        response = Client(app).authenticated("alice", "wonderland", "REGISTER", URI)
    assert response is not None
    assert response.status == 500


def test_a_gate_lets_pass_what_cannot_be_asked() -> None:
    """RFC 3261 22.1: neither ACK nor CANCEL can be sent again with credentials."""
    app, seen = Handlers(), []
    app.before(Digest("r", PASSWORDS.get).gate())
    app.on("ACK", "CANCEL")(lambda request: seen.append(request.method) or request.reply(200))  # type: ignore[func-returns-value]
    app.otherwise(lambda request: request.reply(200))
    client = Client(app)
    for method, status in (("ACK", None), ("CANCEL", 200), ("OPTIONS", 401)):
        response = client.request(method)
        assert (response and response.status) == status
    assert seen == ["ACK", "CANCEL"]


def test_a_realm_may_depend_on_the_request() -> None:
    app = Handlers()
    digest = Digest(lambda request: f'{request.from_uri.host} "\\', PASSWORDS.get)
    app.on("REGISTER")(digest.required(lambda request: request.reply(200)))
    client = Client(app)
    headers = {"From": "<sip:alice@a.example>;tag=1"}
    challenge = client.request("REGISTER", URI, headers)
    assert challenge is not None
    assert challenge_of(challenge)["realm"] == 'a.example "\\'


@pytest.mark.parametrize(
    ("realm", "said"),
    [
        ("a\r\nX: b", r"realm='a\r\nX: b' from realm_of at {here} has a line end or NUL in it"),
        ("a\0", r"realm='a\x00' from realm_of at {here} has a line end or NUL in it"),
        (None, "realm=None from realm_of at {here} is no text: the function has to return the realm's name"),
        (b"r", "realm=b'r' from realm_of at {here} is no text"),
    ],
)
def test_a_function_that_returns_no_realm_is_told_so(realm: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    app = Handlers()

    def realm_of(_: Request) -> Any:
        return realm

    app.on("REGISTER")(Digest(realm_of, PASSWORDS.get).required(lambda request: request.reply(200)))
    client = Client(app)
    response = client.request("REGISTER", URI)
    assert response is not None
    assert (response.status, response.all("X"), client.errors) == (500, [], 1)
    assert said.format(here=f"{__file__}:{realm_of.__code__.co_firstlineno}") in caplog.text


@pytest.mark.parametrize("secret", [b"wonderland", 5, ["wonderland"]])
def test_credentials_that_are_no_password_are_told_so(secret: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = Handlers()

    def look_up(_: str) -> Any:
        return secret

    app.on("REGISTER")(Digest("r", look_up).required(lambda request: request.reply(200)))
    response = Client(app).authenticated("alice", "wonderland", "REGISTER")
    assert response is not None
    assert response.status == 500
    assert f"has to return a password, an Ha1 or None, not {type(secret).__name__}" in caplog.text
    assert f"look_up at {__file__}:" in caplog.text


@pytest.mark.parametrize("realm", ['say "hi"', "back\\slash", '\\"', "a, b; c=d", "z\u00fcrich", "\udcff", ""])
def test_a_realm_may_hold_anything_that_a_header_can(realm: str) -> None:
    app = Handlers()
    app.on("REGISTER")(Digest(realm, {"alice": "wonderland"}.get).required(lambda request: request.reply(200)))
    answered = Client(app).authenticated("alice", "wonderland", "REGISTER")
    assert answered is not None
    assert answered.status == 200


@pytest.mark.parametrize(
    "wrong",
    [{"algorithms": ()}, {"algorithms": ("SHA-1",)}, {"lifetime": 0}, {"bind": "branch"}, {"realm": "a\r\nX: b"}],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="="):
        Digest(**{"realm": "r", "credentials": PASSWORDS.get, **wrong})


def test_outside_a_worker_there_is_no_key() -> None:
    with pytest.raises(RuntimeError, match="key ring"):
        Digest("r", PASSWORDS.get).challenge(Request(parse(request("REGISTER")), SOURCE))
