"""`request.forward()`: what a handler may say of a request that goes on, and what is refused where it says it."""

from __future__ import annotations

from typing import Any

import pytest

from slbroker.bus.envelope import FILTERED_ACK
from slbroker.errors import EnvelopeError
from slbroker.plugin import Forward, Request
from slbroker.proxy.decision import read_forward
from slbroker.sip.parser import parse
from slbroker.testing import SOURCE
from slbroker.testing.factory import RequestFactory
from tests.slbroker.plugin.test_responder import respond, responder
from tests.support.sip import request

INVITE = Request(parse(RequestFactory().invite("sip:alice;x=1@example.com")), SOURCE)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, {}),
        ({"to": "sip:10.0.0.5:5060"}, {"to": "sip:10.0.0.5:5060"}),
        ({"to": "<sip:[2001:db8::5];transport=tcp>"}, {"to": "<sip:[2001:db8::5];transport=tcp>"}),
        ({"to": "group:7"}, {"to": "group:7"}),
        ({"to": "target"}, {"to": "target"}),
        ({"uri": "sip:bob@gw"}, {"uri": b"sip:bob@gw"}),
        ({"uri": INVITE.uri}, {"uri": b"sip:alice;x=1@example.com"}),
        ({"uri": "sip:käthe@gw"}, {"uri": b"sip:k%C3%A4the@gw"}),
        ({"uri": "tel:+4930"}, {"uri": b"tel:+4930"}),
        ({"remove": "Server"}, {"remove": [b"server"]}),
        ({"remove": ["k", "X-Y"]}, {"remove": [b"supported", b"x-y"]}),
        ({"replace": {"Subject": "new"}}, {"replace": [[b"Subject", b"new"]]}),
        ({"replace": [("Subject", "new"), ("X", "1")]}, {"replace": [[b"Subject", b"new"], [b"X", b"1"]]}),
        ({"add": {"X": ["1", "2"], "Y": ""}}, {"add": [[b"X", b"1"], [b"X", b"2"], [b"Y", b""]]}),
        ({"add": {"X": "\udcff"}}, {"add": [[b"X", b"\xff"]]}),
        ({"record_route": True, "path": False}, {"record_route": True, "path": False}),
        ({"remove": (), "replace": {}, "add": []}, {}),
    ],
)
def test_what_a_handler_says_is_what_the_edge_is_told(given: dict[str, Any], words: dict[str, Any]) -> None:
    forward = INVITE.forward(**given)
    assert forward.words() == words
    assert read_forward(forward.words()).words() == words


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"to": "10.0.0.5:5060"}, "write a SIP URI such as sip:10.0.0.5:5060"),
        ({"to": "sip:10.0.0.5:0"}, "there is no port 0"),
        ({"to": "sip:10.0.0.5:99999"}, "next hop"),
        ({"to": "tel:110"}, "next hop"),
        ({"to": "sip:a;transport=sctp"}, "Unsupported Transport"),
        ({"to": "group:one"}, "write group:N"),
        ({"to": "group:"}, "write group:N"),
        ({"to": "group:" + "9" * 10}, "write group:N"),
        ({"to": "sip:" + "a" * 600}, "more than 512 characters"),
        ({"to": "sip:\udcff"}, "next hop"),
        ({"to": None}, "a next hop is text"),
        ({"to": ("10.0.0.5", 5060)}, "a next hop is text"),
        ({"uri": "bob"}, "is no URI"),
        ({"uri": "sip:bob@gw\r\nX: y"}, "sip:bob"),
        ({"uri": b"sip:bob@gw"}, "uri wants text"),
        ({"uri": "sip:a@b@gw"}, "two @"),
        ({"uri": ""}, "is no URI"),
        ({"remove": "Via"}, "not changed on the way"),
        ({"remove": 5}, "text is wanted"),
        ({"remove": "a b"}, "no header's name"),
        ({"replace": {"c": "text/plain"}}, "not changed on the way"),
        ({"replace": {"Subject": ["1", "2"]}}, "header Subject wants one text"),
        ({"replace": {"Subject": 5}}, "header Subject wants one text"),
        ({"add": {"X": "1\r\nVia: y"}}, "a line end or NUL"),
        ({"add": {"X": 5}}, "text is wanted"),
        ({"add": "X: y"}, "wants a dict"),
        ({"add": 7}, "wants a dict"),
        ({"add": ["X"]}, "or pairs; 'X' is none"),
        ({"add": {b"X": "1"}}, "or pairs"),
        ({"add": {"X": "1" * 9_000}}, "8192 bytes"),
        ({"add": {f"X{number}": "1" for number in range(65)}}, "more than 64 headers"),
        ({"record_route": "yes"}, "record_route='yes' is neither"),
        ({"path": 1}, "path=1 is neither"),
    ],
)
def test_what_cannot_be_is_refused_at_the_handlers_own_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        INVITE.forward(**given)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_peer_that_writes_the_user_chooses_no_other_host() -> None:
    """As a redirect does, it escapes what a handler puts together."""
    called = Request(parse(RequestFactory().invite("sip:alice%40evil.example@example.com")), SOURCE)
    forward = called.forward("sip:10.0.0.5", uri=f"sip:{called.uri.user}@10.0.0.5")
    assert forward.words()["uri"] == b"sip:alice%40evil.example@10.0.0.5"


def test_the_responder_answers_with_the_map() -> None:
    assert respond(lambda request: request.forward("sip:gw", add={"X": "1"})) == {"to": "sip:gw", "add": [[b"X", b"1"]]}


def test_a_mistake_in_it_is_500_and_a_line(caplog: pytest.LogCaptureFixture) -> None:
    made = responder(lambda request: request.forward("10.0.0.5"))
    answer = made.respond(parse(request("INVITE")), SOURCE)
    assert isinstance(answer, bytes)
    assert answer.startswith(b"SIP/2.0 500 ")
    (line,) = caplog.messages
    assert "write a SIP URI such as sip:10.0.0.5:5060" in line
    assert "test_passing.py" in line


def test_an_ack_goes_on_and_an_absorbed_one_does_not() -> None:
    made = responder(lambda request: request.forward())
    ack = parse(request("ACK"))
    assert made.respond(ack, SOURCE) == {}
    assert made.respond(ack._replace(method=FILTERED_ACK), SOURCE) is None


@pytest.mark.parametrize("several", [[Forward("sip:a"), Forward("sip:b")], (Forward(),)])
def test_one_request_goes_on_once(several: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A stateless proxy does not fork (RFC 3261 16.11)."""
    answer = respond(lambda _request: several)
    assert isinstance(answer, bytes)
    assert answer.startswith(b"SIP/2.0 500 ")
    assert "return request.reply(...), .forward(...), .drop() or a list of replies" in caplog.text


def test_decisions_of_no_handler_of_ours_are_judged_by_the_edge() -> None:
    with pytest.raises(EnvelopeError):
        read_forward({"remove": [b"Via"]})
