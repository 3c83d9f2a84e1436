"""The client that plugin authors test with."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from slbroker import DROP, Handlers, Reply, Request
from slbroker.keys import KeyRing
from slbroker.sip.message import Source
from slbroker.sip.parser import parse
from slbroker.sip.validate import NAMES, Checks
from slbroker.testing import SOURCE, Client, RequestFactory, credentials
from tests.support.sip import read_reply, request

ALL = Checks(frozenset(NAMES))
app = Handlers()


@app.on("OPTIONS")
def keepalive(request: Request) -> Reply:
    return request.reply(200, "OK", headers={"X-Seen": f"{request.source.host} {request.headers.get('Subject', '')}"})


@app.on("INVITE")
async def twice(request: Request) -> list[Reply]:
    await asyncio.sleep(0)
    return [request.reply(180), request.reply(404, "No " + request.uri.user)]


app.on("MESSAGE")(lambda request: request.reply(200, headers={"Content-Type": "text/plain"}, body=request.body))
app.on("SUBSCRIBE")(lambda _: DROP)
client = Client(app)


def test_a_request_and_its_reply() -> None:
    response = client.request("OPTIONS")
    assert response is not None
    assert (response.status, response.reason, response.body) == (200, "OK", b"")
    assert response.first("X-Seen") == "192.0.2.1"
    assert response.first("Call-ID") in ("call1@192.0.2.1", "call2@192.0.2.1")
    assert re.search(r";tag=s1[0-9a-f]{4}-[0-9a-f]{24}$", response.first("To") or "")


def test_a_reply_has_the_shapes_that_a_handler_knows_from_requests() -> None:
    seen: list[Request] = []
    app = Handlers()

    @app.on("MESSAGE")
    def message(request: Request) -> Reply:
        seen.append(request)
        return request.reply(480, "Jörg ist weg", {"X-One": "\udcff", "X-Two": ["1", "2"]})

    response = Client(app).request("MESSAGE", headers={"X-One": "\udcff", "X-Two": ["1", "2"]})
    assert response is not None
    assert response.reason == "Jörg ist weg"
    for headers in (seen[0].headers, response.headers):
        assert headers["x-one"] == headers.get("X-One") == "\udcff"
        assert headers.get_all("X-Two") == ["1", "2"]
        assert headers["i"] == headers["Call-ID"]
        assert headers.get("Subject") is None
        assert headers.get("Subject", "none") == "none"
        assert "Subject" not in headers
        assert ("x-two", "2") in list(headers)
        with pytest.raises(KeyError):
            headers["Subject"]
    assert type(response.headers) is type(seen[0].headers)


def test_the_last_of_several_replies_or_all() -> None:
    last = client.request("INVITE", "sip:bob@example.com")
    assert last is not None
    assert (last.status, last.reason) == (404, "No bob")
    assert [reply.status for reply in client.replies("INVITE")] == [180, 404]


def test_silence_is_none() -> None:
    assert client.request("SUBSCRIBE") is None
    assert client.replies("SUBSCRIBE") == []
    assert client.request("ACK") is None
    assert client.request("CANCEL") is None


def test_headers_are_added_or_replaced_in_any_spelling() -> None:
    response = client.request("OPTIONS", headers={"s": "hello", "call-id": "mine", "t": "<sip:x@y>;tag=z"})
    assert response is not None
    assert response.first("X-Seen") == "192.0.2.1 hello"
    assert response.all("Call-ID") == ["mine"]
    assert response.all("To") == ["<sip:x@y>;tag=z"]


@pytest.mark.parametrize("body", ["Grüße", "Grüße".encode()])
def test_a_body(body: str | bytes) -> None:
    response = client.request("MESSAGE", body=body)
    assert response is not None
    assert response.body.decode() == "Grüße"


def test_another_source() -> None:
    response = client.request("OPTIONS", source=Source("198.51.100.9", 4_000, SOURCE.listen))
    assert response is not None
    assert response.first("X-Seen") == "198.51.100.9"
    assert "received=198.51.100.9" in (response.first("Via") or "")
    assert "rport=4000" in (response.first("Via") or "")


def test_requests_differ() -> None:
    calls = [client.request("OPTIONS") for _ in range(3)]
    assert len({(call.first("Call-ID"), call.first("Via")) for call in calls if call}) == 3


def test_a_key_ring_of_the_test_s_own() -> None:
    ring = KeyRing.generate()
    tags = [client.exchange(request("OPTIONS")) for client in (Client(app, ring), Client(app, ring), Client(app))]
    assert tags[0] == tags[1] != tags[2]


@pytest.mark.parametrize("datagram", [b"", b"\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", request("OPTIONS", via=None)])
def test_what_an_edge_never_answers(datagram: bytes) -> None:
    assert client.exchange(datagram) == []


@pytest.mark.parametrize("broken", [{}, {"from_": None}, {"max_forwards": ["70", "70"]}])
def test_a_via_that_is_none_gets_no_answer(broken: dict[str, Any]) -> None:
    assert client.exchange(request("OPTIONS", via="nonsense", **broken)) == []


def test_a_malformed_request_is_answered_as_by_an_edge() -> None:
    source = Source("198.51.100.9", 4_000, SOURCE.listen)
    (data,) = client.exchange(request("OPTIONS", via="SIP/2.0/UDP 10.0.0.1;rport", from_=None), source)
    reply = read_reply(data)
    assert (reply.status, reply.reason) == (400, "Missing From Header")
    assert reply.vias == [b"SIP/2.0/UDP 10.0.0.1;rport=4000;received=198.51.100.9"]


def test_headers_may_repeat_or_be_left_out() -> None:
    data = RequestFactory().request("INVITE", headers={"Route": ["<sip:a;lr>", "<sip:b;lr>"], "m": None})
    message = parse(data)
    assert message.all(b"route") == [b"<sip:a;lr>", b"<sip:b;lr>"]
    assert message.first(b"contact") is None


def test_the_factory_s_calls_and_registrations_are_what_the_rfc_wants() -> None:
    factory = RequestFactory()
    invite = parse(factory.invite("sip:bob@example.com"), ALL)
    assert invite.first(b"content-type") == b"application/sdp"
    assert invite.body.startswith(b"v=0")
    register = parse(factory.register("sip:alice@example.com", expires=60, headers={"Supported": "path"}), ALL)
    assert (register.uri, register.first(b"to"), register.first(b"expires")) == (
        b"sip:example.com", b"<sip:alice@example.com>", b"60",
    )  # fmt: skip
    assert register.first(b"supported") == b"path"
    assert invite.call_id != register.call_id


def test_a_challenge_that_is_not_there_cannot_be_answered() -> None:
    response = client.request("OPTIONS")
    assert response is not None
    with pytest.raises(ValueError, match="no such challenge in 200 OK"):
        credentials(response, "OPTIONS", "sip:h", "a", "b")
    assert client.authenticated("a", "b", "OPTIONS") is not None


def test_faults_of_the_plugin_are_counted() -> None:
    faulty = Handlers()
    faulty.otherwise(lambda request: request.nothing)
    asked = Client(faulty)
    asked.request("OPTIONS")
    assert asked.errors == 1


def test_many_at_once() -> None:
    async def play() -> list[int]:
        replies = await asyncio.gather(*(client.ask("INVITE") for _ in range(20)))
        return [reply.status for reply in replies if reply is not None]

    assert asyncio.run(play()) == [404] * 20


def test_startup_hooks_that_are_skipped_without_with_are_said_once() -> None:
    app = Handlers()
    started: list[bool] = []

    @app.startup
    def open_pool() -> None:
        started.append(True)

    client = Client(app)
    with pytest.warns(UserWarning, match=r"startup hooks are not called \(open_pool\): with Client\(app\) as client"):
        client.request("OPTIONS")
    client.request("OPTIONS")  # warnings are errors: no second one
    assert started == []
    with Client(app) as begun:
        begun.request("OPTIONS")
    assert started == [True]


def test_the_client_tells_whether_an_answer_closes_its_connection() -> None:
    app = Handlers()
    app.on("INVITE")(lambda request: request.reply(403, close=True))
    app.on("BYE")(lambda request: [request.reply(100), request.reply(200).closing()])
    app.otherwise(lambda request: request.reply(200))
    client = Client(app)
    tcp = Source("192.0.2.1", 5060, "tcp:192.0.2.7:5060")
    seen = []
    for method in ("INVITE", "OPTIONS", "BYE"):
        statuses = [reply.status for reply in client.replies(method, source=tcp)]
        seen.append((statuses, client.closed))
    assert seen == [([403], True), ([200], False), ([100, 200], True)]
    client.request("INVITE")
    assert not client.closed  # over UDP there is nothing to close
