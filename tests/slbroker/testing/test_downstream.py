"""Tests of plugins that let requests go on: what would leave, and what comes back of the replies."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers
from slbroker.sip.message import Source
from slbroker.testing import SOURCE, Client
from tests.support.forwarding import headers, lines_of, vias

if TYPE_CHECKING:
    from slbroker.plugin import ForwardedReply


def client_of(handler: Any, on_reply: Any = None) -> Client:
    app = Handlers()
    app.on("ACK")(handler)
    app.otherwise(handler)
    if on_reply is not None:
        app.on_reply(on_reply)
    return Client(app)


def test_a_test_sees_what_leaves_and_where_it_goes() -> None:
    client = client_of(lambda request: request.forward("sip:10.0.0.5:5070", uri="sip:bob@pbx", add={"X-Seen": "yes"}))
    assert client.request("INVITE", "sip:alice@example.com") is None
    sent = client.forwarded
    assert sent is not None
    assert (sent.to, sent.uri, sent.body) == ("sip:10.0.0.5:5070", "sip:bob@pbx", b"")
    assert sent.headers["X-Seen"] == "yes"
    assert sent.headers["Max-Forwards"] == "69"
    ours, theirs = vias(sent.data)
    assert ours.startswith(b"Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK")
    assert b";received=192.0.2.1" in theirs or b";rport=5060" in theirs
    assert sent.sender[:2] == ("10.0.0.5", 5070)


@pytest.mark.parametrize(
    ("to", "transport", "host", "port"),
    [
        ("", "UDP", "192.0.2.3", 5060),
        ("target", "UDP", "192.0.2.3", 5060),
        ("group:1", "UDP", "192.0.2.3", 5060),
        ("sip:gw.example.com;transport=tcp", "TCP", "192.0.2.3", 5060),
        ("sips:10.0.0.9", "TLS", "10.0.0.9", 5061),
        ("sip:[2001:db8::5]:5070", "UDP", "2001:db8::5", 5070),
    ],
)
def test_names_and_groups_lead_somewhere_too(to: str, transport: str, host: str, port: int) -> None:
    client = client_of(lambda request: request.forward(to))
    client.request("OPTIONS")
    assert client.forwarded is not None
    assert client.forwarded.to == to
    assert vias(client.forwarded.data)[0].startswith(b"Via: SIP/2.0/%b " % transport.encode())
    assert client.forwarded.sender[:2] == (host, port)


def test_record_route_and_path_as_the_handler_says() -> None:
    client = client_of(lambda request: request.forward("sip:10.0.0.5", record_route=True, path=True))
    client.request("INVITE")
    assert client.forwarded is not None
    assert "Record-Route" in client.forwarded.headers
    assert "Path" not in client.forwarded.headers
    client.request("REGISTER")
    assert "Path" in client.forwarded.headers


def test_who_is_refused_reads_why() -> None:
    client = client_of(lambda request: request.forward("sip:10.0.0.5"))
    response = client.request("INVITE", headers={"Max-Forwards": "0"})
    assert response is not None
    assert (response.status, client.forwarded) == (483, None)
    back = client_of(lambda request: request.forward(f"sip:{request.source.host}:{request.source.port}"))
    response = back.request("INVITE")
    assert response is not None
    assert response.status == 482


def test_nothing_is_forwarded_of_what_was_answered() -> None:
    client = client_of(lambda request: request.forward() if request.method == "INVITE" else request.reply(200))
    assert client.request("INVITE") is None
    response = client.request("OPTIONS")
    assert response is not None
    assert response.status == 200
    with pytest.raises(ValueError, match="not forwarded"):
        client.forwarded_reply(200)


def test_acks_go_on() -> None:
    client = client_of(lambda request: request.forward("sip:10.0.0.5"))
    assert client.request("ACK") is None
    assert client.forwarded is not None
    client.request("ACK", headers={"Max-Forwards": "0"})
    assert client.forwarded is None


def test_async_handlers_forward_too() -> None:
    async def handler(request: Any) -> Any:
        await asyncio.sleep(0)
        return request.forward("sip:10.0.0.5")

    client = client_of(handler)
    assert asyncio.run(client.ask("MESSAGE")) is None
    assert client.forwarded is not None


# Replies ------------------------------------------------------------------------------------------------------------


def forwarding(on_reply: Any = None) -> Client:
    client = client_of(lambda request: request.forward("sip:10.0.0.5"), on_reply)
    client.request("INVITE", headers={"Content-Type": "text/plain"}, body="hello")
    return client


def test_a_reply_goes_back_without_our_via() -> None:
    client = forwarding()
    response = client.forwarded_reply(180, headers={"Server": "pbx"})
    assert response is not None
    assert (response.status, response.reason) == (180, "Ringing")
    assert len(response.all("Via")) == 1
    assert "192.0.2.1" in response.headers["Via"]
    assert response.headers["Server"] == "pbx"


def test_a_plugin_is_asked_of_it() -> None:
    seen: list[ForwardedReply] = []
    client = forwarding(seen.append)
    sdp = b"v=0\r\n"
    response = client.forwarded_reply(200, headers={"Content-Type": "application/sdp", "Server": "pbx"}, body=sdp)
    assert response is not None
    (reply,) = seen
    assert (reply.status, reply.reason, reply.method, reply.body) == (200, "OK", "INVITE", sdp)
    assert (reply.from_tag, reply.to_tag) == ("from1", "downstream")
    assert (reply.call_id, reply.cseq) == ("call1@192.0.2.1", 1)
    assert reply.headers["Server"] == "pbx"
    assert len(reply.headers.get_all("Via")) == 1
    assert reply.source.host == "10.0.0.5"
    assert response.body == sdp


def test_it_may_change_status_and_headers_within_the_class() -> None:
    def hook(reply: ForwardedReply) -> Any:
        if reply.status == 404:
            return reply.forward(480, "Gone Fishing", remove="Server", add={"X-Was": str(reply.status)})
        return None

    client = forwarding(hook)
    changed = client.forwarded_reply(404, headers={"Server": "pbx"})
    assert changed is not None
    assert (changed.status, changed.reason) == (480, "Gone Fishing")
    assert "Server" not in changed.headers
    assert changed.headers["X-Was"] == "404"
    left = client.forwarded_reply(486)
    assert left is not None
    assert left.status == 486


def test_a_reason_of_its_own_keeps_the_status() -> None:
    response = forwarding(lambda reply: reply.forward(reason="Läuft")).forwarded_reply(200)
    assert response is not None
    assert (response.status, response.reason) == (200, "Läuft")


def test_it_may_drop_it() -> None:
    assert forwarding(lambda reply: reply.drop()).forwarded_reply(183) is None


def test_an_async_one_is_waited_for() -> None:
    async def hook(reply: ForwardedReply) -> Any:
        await asyncio.sleep(0)
        return reply.forward(add={"X": "1"})

    response = forwarding(hook).forwarded_reply(200)
    assert response is not None
    assert response.headers["X"] == "1"


def _raising(_reply: ForwardedReply) -> Any:
    raise RuntimeError("no luck")


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        (_raising, ": RuntimeError: no luck, at "),
        (lambda reply: reply.forward(200), "200 is of another class than 404"),
        (lambda reply: reply.forward(404, "a\r\nb"), "has a line end in it"),
        (lambda reply: reply.forward(remove="Via"), "Via is not changed on the way"),
        (lambda _reply: 404, "returned 404; return reply.forward(...), reply.drop() or None"),
        (lambda _reply: [None], "returned [None]"),
    ],
)
def test_while_it_fails_replies_go_back_as_they_are(hook: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    client = forwarding(hook)
    response = client.forwarded_reply(404)
    assert response is not None
    assert (response.status, response.reason) == (404, "Not Found")
    assert client.errors == 1
    (line,) = caplog.messages
    assert said in line


def test_there_is_one_such_hook_and_no_before_hook_is_asked() -> None:
    app = Handlers()
    asked: list[str] = []
    app.before(lambda request: asked.append(request.method))
    app.on("INVITE")(lambda request: request.forward("sip:10.0.0.5"))
    app.on_reply(lambda reply: reply.drop())
    with pytest.raises(ValueError, match="there is an @app"):
        app.on_reply(lambda reply: reply.drop())
    with pytest.raises(ValueError, match=r"write def <lambda>\(reply\)"):
        Handlers().on_reply(lambda: None)  # type: ignore[type-var]
    client = Client(app)
    client.request("INVITE")
    assert client.forwarded_reply(200) is None
    assert asked == ["INVITE"]
    assert b"sl:reply" in app.takes
    assert b"sl:reply" not in app.methods


def test_what_leaves_is_what_came_but_for_what_a_proxy_changes() -> None:
    client = client_of(lambda request: request.forward("sip:10.0.0.5"))
    data = b"MESSAGE sip:b@h SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nf: <sip:a@h>;tag=1\r\n"
    data += b"t: <sip:b@h>\r\ni: c1\r\nCSeq: 1 MESSAGE\r\nSubject:  two  spaces \r\nl: 2\r\n\r\nhi"
    client.exchange(data, Source("192.0.2.1", 5060, SOURCE.listen))
    assert client.forwarded is not None
    sent = client.forwarded.data
    assert headers(sent, b"subject") == [b"Subject:  two  spaces "]
    assert set(lines_of(data)[2:]) <= set(lines_of(sent))
