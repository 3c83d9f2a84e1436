"""Routing: which handler gets which request."""

from __future__ import annotations

from typing import Any

import pytest

from slbroker import Handlers, Reply, Request
from slbroker.sip.validate import Checks
from slbroker.testing import Client


def named(name: str) -> Any:
    """A handler that answers with its name as the reason."""
    return lambda request: request.reply(200, name)


def chosen(app: Handlers, method: str, uri: str = "sip:bob@example.com") -> str | int | None:
    """The name of the handler that answered; a status if none did; None if there is no reply."""
    response = Client(app).request(method, uri)
    if response is None:
        return None
    return response.reason if response.status == 200 else response.status


def test_each_method_has_its_handler() -> None:
    app = Handlers()
    app.on("OPTIONS")(named("options"))
    app.on("INVITE", "BYE")(named("calls"))
    app.otherwise(named("rest"))
    assert [chosen(app, method) for method in ("OPTIONS", "INVITE", "BYE", "REGISTER", "FOO")] == [
        "options", "calls", "calls", "rest", "rest",
    ]  # fmt: skip


def test_the_decorators_return_the_function() -> None:
    app = Handlers()

    @app.on("OPTIONS")
    @app.otherwise
    def handler(request: Request) -> Reply:
        return request.reply(200)

    assert handler.__name__ == "handler"


def test_the_first_declared_that_matches_is_called() -> None:
    app = Handlers()
    app.on("INVITE", user="911")(named("emergency"))
    app.on("INVITE", user="9*")(named("nine"))
    app.on("INVITE")(named("any"))
    app.on("INVITE", user="1*")(named("too late"))
    assert chosen(app, "INVITE", "sip:911@example.com") == "emergency"
    assert chosen(app, "INVITE", "sip:912@example.com") == "nine"
    assert chosen(app, "INVITE", "sip:123@example.com") == "any"


@pytest.mark.parametrize(
    ("pattern", "uri", "matches"),
    [
        ("900*", "sip:900123@example.com", True),
        ("900*", "sip:900@example.com", True),
        ("900*", "sip:1900@example.com", False),
        ("900*", "tel:900123", True),
        ("+49*", "sip:%2B4930@example.com", True),
        ("b?b", "sip:bob@example.com", True),
        ("[ab]ob", "sip:cob@example.com", False),
        ("bob", "sip:bob@example.com", True),
        ("bob", "sip:Bob@example.com", False),  # a user is case-sensitive (RFC 3261 19.1.4)
        ("bob", "sip:bobby@example.com", False),
        ("", "sip:example.com", True),
        ("*", "sip:example.com", True),
        ("", "sip:bob@example.com", False),
    ],
)
def test_user_patterns(pattern: str, uri: str, matches: bool) -> None:
    app = Handlers()
    app.on("INVITE", user=pattern)(named("here"))
    assert chosen(app, "INVITE", uri) == ("here" if matches else 404)


@pytest.mark.parametrize(
    ("pattern", "uri", "matches"),
    [
        ("example.com", "sip:bob@EXAMPLE.com", True),
        ("Example.COM", "sip:bob@example.com:5070;transport=udp", True),
        ("*.example.com", "sip:bob@a.b.example.com", True),
        ("*.example.com", "sip:bob@example.com", False),
        ("*.example.com", "sip:bob@xexample.com", False),
        ("2001:db8::*", "sip:bob@[2001:db8::7]", True),
        ("*", "tel:123", True),
        ("example.com", "tel:123", False),
    ],
)
def test_domain_patterns(pattern: str, uri: str, matches: bool) -> None:
    app = Handlers()
    app.on("INVITE", domain=pattern)(named("here"))
    assert chosen(app, "INVITE", uri) == ("here" if matches else 404)


def test_user_and_domain_must_both_match() -> None:
    app = Handlers()
    app.on("INVITE", user="9*", domain="example.com")(named("both"))
    assert chosen(app, "INVITE", "sip:9@example.com") == "both"
    assert chosen(app, "INVITE", "sip:9@example.org") == 404
    assert chosen(app, "INVITE", "sip:8@example.com") == 404


def test_a_uri_that_a_pattern_cannot_be_held_against_is_the_peers_fault() -> None:
    app = Handlers()
    app.on("INVITE", user="9*")(named("nine"))
    app.on("OPTIONS")(named("any"))
    client = Client(app, checks=Checks(names=frozenset()))  # for the edge refuses it, unless told not to
    replies = [client.request(method, "sip:bob@@example.com") for method in ("INVITE", "OPTIONS")]
    assert [reply and reply.status for reply in replies] == [400, 200]  # nobody has looked at the second


def test_without_a_handler_it_is_404_405_or_501() -> None:
    """RFC 3261 8.2.1: 405 names the methods that there are; 21.5.2 has 501 for a method that nobody knows."""
    app = Handlers()
    app.on("INVITE", user="9*")(named("nine"))
    app.on("OPTIONS")(named("options"))
    client = Client(app)
    refused = client.request("INVITE", "sip:bob@example.com")
    assert refused is not None
    assert refused.status == 404
    for method, status in (("REGISTER", 405), ("REGISTERED", 501)):
        refused = client.request(method)
        assert refused is not None
        assert (refused.status, refused.first("Allow")) == (status, "INVITE, OPTIONS")


def caller_only(keepalive: bool = True) -> Handlers:
    app = Handlers(keepalive=keepalive)
    app.on("INVITE")(named("calls"))
    return app


@pytest.mark.parametrize(
    "uri", ["sip:127.0.0.1:5060", "sips:edge.example.com", "sip:[::1]:5060;transport=tcp", "sip:anything"]
)
def test_a_dispatchers_ping_gets_200_from_a_plugin_that_does_not_know_options(uri: str) -> None:
    response = Client(caller_only()).request("OPTIONS", uri)
    assert response is not None
    assert response.status == 200
    assert (response.first("Accept"), response.first("Allow")) == ("application/sdp", "INVITE, OPTIONS")


@pytest.mark.parametrize(
    ("uri", "to"),
    [
        ("sip:bob@example.com", "<sip:bob@example.com>"),  # what bob's phone can do, nobody knows here
        ("tel:+123", "<tel:+123>"),
        ("sip:example.com", "<sip:example.com>;tag=1"),  # in a dialog that nobody has
    ],
)
def test_an_options_that_is_no_ping_is_refused_as_any_method_is(uri: str, to: str) -> None:
    response = Client(caller_only()).request("OPTIONS", uri, headers={"To": to})
    assert response is not None
    assert (response.status, response.first("Allow")) == (405, "INVITE, OPTIONS")


def test_a_ping_that_no_pattern_takes_gets_200_and_one_to_a_user_404() -> None:
    app = Handlers()
    app.on("OPTIONS", user="9*")(named("nine"))
    assert [chosen(app, "OPTIONS", uri) for uri in ("sip:9@h", "sip:8@h", "sip:h")] == ["nine", 404, "OK"]


def test_the_keepalive_can_be_put_off() -> None:
    response = Client(caller_only(keepalive=False)).request("OPTIONS", "sip:example.com")
    assert response is not None
    assert (response.status, response.first("Allow")) == (405, "INVITE")


def test_a_plugins_own_answer_to_a_ping_comes_first() -> None:
    app = Handlers()
    app.otherwise(named("rest"))
    assert chosen(app, "OPTIONS", "sip:h") == "rest"
    app.on("OPTIONS")(named("mine"))
    assert chosen(app, "OPTIONS", "sip:h") == "mine"
    hooked = caller_only()
    hooked.before(lambda request: request.reply(503))
    assert chosen(hooked, "OPTIONS", "sip:h") == 503


def test_a_ping_whose_uri_cannot_be_read_is_none() -> None:
    client = Client(caller_only(), checks=Checks(names=frozenset()))
    response = client.request("OPTIONS", "sip:bob@@example.com")
    assert response is not None
    assert response.status == 405


def test_who_answers_pings_is_said() -> None:
    app = caller_only()
    assert (app.pings, caller_only(keepalive=False).pings) == ("200", "405")
    app.otherwise(named("rest"))
    assert app.pings == "the otherwise handler, and a dispatcher wants 200"
    app.on("OPTIONS")(named("mine"))
    assert app.pings == "a handler"


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
def test_ack_and_cancel_want_to_be_asked_for(method: str) -> None:
    app = Handlers()
    app.otherwise(named("rest"))
    assert chosen(app, method) is None
    assert app.takes == []
    app.on(method, user="bob")(named("asked"))
    assert app.takes == [method.encode()]
    assert chosen(app, method, "sip:alice@example.com") is None
    assert chosen(app, method) == (None if method == "ACK" else "asked")


def test_methods_are_case_sensitive() -> None:
    app = Handlers()
    app.on("INVITE")(named("calls"))
    app.otherwise(named("rest"))
    assert chosen(app, "invite") == "rest"


@pytest.mark.parametrize("methods", [(), ("",), ("TWO WORDS",), ("INVITE,BYE",), ("ÄCK",), (named("f"),), (b"ACK",)])
def test_what_is_no_method_is_refused_where_it_stands(methods: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="SIP methods"):
        Handlers().on(*methods)


def test_a_second_otherwise_is_refused() -> None:
    app = Handlers()
    app.otherwise(named("one"))
    with pytest.raises(ValueError, match="already"):
        app.otherwise(named("two"))
