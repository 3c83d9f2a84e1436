"""What a handler reads from a request, and the replies it can make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker import DROP, Handlers, Request
from slbroker.errors import Reject
from slbroker.sip.message import Source
from slbroker.sip.parser import parse
from slbroker.sip.slerrors import SlError
from slbroker.sip.validate import Checks
from slbroker.testing import Client
from tests.support.sip import PHONE_INVITE, SIPP_INVITE, request

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Source("198.51.100.1", 40_000, "udp:[2001:db8::7]:5060")


def read(*arguments: Any, **headers: Any) -> Request:
    return Request(parse(request(*arguments, **headers)), SOURCE)


def test_the_request_line_and_what_the_edge_has_read() -> None:
    inside = read("INVITE", "sip:bob@example.com;user=phone", to="<sip:bob@example.com>;tag=t1", cseq="42 INVITE")
    assert inside.method == "INVITE"
    assert (inside.uri.user, inside.uri.host, inside.uri.port) == ("bob", "example.com", None)
    assert (inside.call_id, inside.cseq) == ("a84b4c76e66710@192.0.2.1", 42)
    assert (inside.from_tag, inside.to_tag) == ("1928301774", "t1")
    assert read("INVITE").to_tag == ""
    assert read("INVITE", from_="<sip:alice@example.org>").from_tag == ""


def test_where_it_came_from() -> None:
    assert (read().source.host, read().source.port, read().source.transport) == ("198.51.100.1", 40_000, "udp")


def test_from_to_and_contact() -> None:
    phone = Request(parse(PHONE_INVITE), SOURCE)
    assert phone.from_address.display == "Zoë"
    assert str(phone.from_uri) == "sip:zoe@example.com"
    assert phone.to_uri.user == "+4930123456"
    assert [contact.uri.port for contact in phone.contacts] == [5062]
    assert read(contact=["<sip:a@h>, <sip:b@h>", "sip:c@h"]).contacts[2].uri.user == "c"
    assert read().contacts == []


def test_headers_by_any_name_in_any_case() -> None:
    phone = Request(parse(PHONE_INVITE), SOURCE)
    for name in ("Supported", "supported", "k", "K"):
        assert phone.headers[name] == "replaces, 100rel, timer"
    assert phone.headers.get("Session-Expires") == "1800;refresher=uac"
    assert "x" in phone.headers
    assert "Subject" not in phone.headers
    assert phone.headers.get("Subject") is None
    assert phone.headers.get("Subject", "none") == "none"
    with pytest.raises(KeyError, match="Subject"):
        phone.headers["Subject"]


def test_headers_that_repeat_and_their_order() -> None:
    several = read(route=["<sip:a;lr>", "<sip:b;lr>"], content_length=None, max_forwards=None)
    assert several.headers.get_all("Route") == ["<sip:a;lr>", "<sip:b;lr>"]
    assert several.headers.get_all("X-None") == []
    assert several.headers["Route"] == "<sip:a;lr>"
    assert [name for name, _value in several.headers] == ["via", "from", "to", "call-id", "cseq", "route", "route"]


@pytest.mark.parametrize("name", ["", "no such", "Ä", "a:b", "via\r\n"])
def test_what_is_no_header_name_is_in_no_request(name: str) -> None:
    assert name not in read().headers
    assert read().headers.get_all(name) == []


def test_the_vias() -> None:
    """All of them, of whichever line, as the edge has stamped them."""
    hops = read(via=["SIP/2.0/UDP p2;rport=9;received=192.0.2.9, SIP/2.0/TCP p1:5070", "SIP/2.0/TLS [::1]"]).vias
    assert [(via.transport, via.host, via.port) for via in hops] == [
        ("UDP", "p2", None), ("TCP", "p1", 5070), ("TLS", "::1", None),
    ]  # fmt: skip
    assert hops[0].params == {"rport": "9", "received": "192.0.2.9"}


def test_the_credentials() -> None:
    asked = read(
        authorization=['Digest username="bob", realm="a"', 'Digest realm="b"'], proxy_authorization="Basic eA=="
    )
    assert asked.authorization is not None
    assert (asked.authorization.scheme, asked.authorization.params) == ("digest", {"username": "bob", "realm": "a"})
    assert asked.proxy_authorization is not None
    assert asked.proxy_authorization.token == "eA=="
    assert (read().authorization, read().proxy_authorization) == (None, None)


def test_the_body() -> None:
    assert Request(parse(SIPP_INVITE), SOURCE).body.startswith(b"v=0\r\n")
    assert read().body == b""


def test_bytes_that_are_no_text_come_as_surrogates_and_are_not_lost() -> None:
    odd = read(subject=b"caf\xe9", call_id=b"\xff@h")
    assert odd.headers["Subject"].encode(errors="surrogateescape") == b"caf\xe9"
    assert odd.call_id.encode(errors="surrogateescape") == b"\xff@h"


def test_repr_is_short() -> None:
    assert repr(read("INVITE")) == "<Request INVITE sip:bob@example.com>"


@pytest.mark.parametrize(
    "look",
    [
        lambda request: request.uri,
        lambda request: request.from_uri,
        lambda request: request.to_uri,
        lambda request: request.contacts,
        lambda request: request.vias,
        lambda request: request.via,
        lambda request: request.routes,
        lambda request: request.record_routes,
        lambda request: request.expires,
        lambda request: request.max_forwards,
        lambda request: request.authorization,
        lambda request: request.proxy_authorization,
    ],
)
def test_looking_at_what_is_malformed_is_the_peers_400(look: Callable[[Request], object]) -> None:
    bad = {
        "from_": "<sip:>;tag=1", "to": "<sip:@>", "contact": '"Bob <sip:b@h>', "via": "SIP/2.0/UDP h;<",
        "route": "<", "record_route": "<", "expires": "soon", "max_forwards": "256",
    }  # fmt: skip
    data = request("INVITE", "sip:a@@b", **bad, authorization="Digest", proxy_authorization="Digest a b")  # type: ignore[arg-type]
    odd = Request(parse(data, Checks(names=frozenset())), SOURCE)
    with pytest.raises(Reject) as caught:
        look(odd)
    assert caught.value.status == 400


def test_what_scripts_ask_for() -> None:
    """As $ua, $mf, $hdr(Expires), $ct, $Ri, has_totag() and the like."""
    data = request(
        "REGISTER",
        user_agent="Phone 1.2",
        expires="3600",
        content_type="Application/SDP;charset=utf-8",
        require="Path, 100rel",
        supported=["timer", "path,gruu"],
        route=["<sip:a;lr>, <sip:b;lr>", "<sip:c;lr>"],
        record_route="<sip:d;lr>",
        via=["SIP/2.0/UDP p2, SIP/2.0/TCP p1"],
    )
    asked = Request(parse(data, Checks(names=frozenset())), SOURCE)
    assert (asked.user_agent, asked.expires, asked.max_forwards) == ("Phone 1.2", 3600, 70)
    assert asked.content_type == "application/sdp"
    assert (asked.require, asked.supported) == (["path", "100rel"], ["timer", "path", "gruu"])
    assert [route.uri.host for route in asked.routes] == ["a", "b", "c"]
    assert [route.uri.host for route in asked.record_routes] == ["d"]
    assert asked.via.host == "p2"
    assert asked.listen == "udp:[2001:db8::7]:5060"
    assert asked.is_initial
    assert not read(to="<sip:b@h>;tag=t").is_initial


def test_what_a_request_does_not_have() -> None:
    bare = read(max_forwards=None)
    assert (bare.user_agent, bare.expires, bare.max_forwards, bare.content_type) == ("", None, None, "")
    assert (bare.require, bare.routes, bare.record_routes, bare.words("Allow")) == ([], [], [], [])


def test_the_tag_that_replies_will_carry() -> None:
    """`$ltt(s)`."""
    app, seen = Handlers(), []
    app.otherwise(lambda request: seen.append(request.reply_tag) or request.reply(404))  # type: ignore[func-returns-value]
    client = Client(app)
    ours = client.request("INVITE")
    theirs = client.request("INVITE", headers={"To": "<sip:b@h>;tag=theirs"})
    assert ours is not None
    assert theirs is not None
    assert [reply.first("To") for reply in (ours, theirs)] == [
        f"<sip:alice@example.com>;tag={seen[0]}", "<sip:b@h>;tag=theirs",
    ]  # fmt: skip
    assert seen[1] == "theirs"
    assert read().reply_tag == ""


# Answering ------------------------------------------------------------------------------------------------------


def test_reply() -> None:
    reply = read().reply(486, "Gone Fishing", {"Retry-After": "60"}, b"")
    assert (reply.status, reply.reason, reply.extra) == (486, "Gone Fishing", b"\r\nRetry-After: 60")


def test_reply_error() -> None:
    assert read().reply_error().reason == "I'm terribly sorry, server error occurred (1/SL)"
    assert read().reply_error(SlError.E_BAD_URI).status == 479


def test_drop() -> None:
    assert read().drop() is DROP


def test_redirect() -> None:
    reply = read().redirect("sip:gw1.example.com;transport=tcp", '"Bob" <sip:bob@h>;q=0.5')
    assert (reply.status, reply.reason) == (302, "Moved Temporarily")
    assert reply.extra == b'\r\nContact: <sip:gw1.example.com;transport=tcp>\r\nContact: "Bob" <sip:bob@h>;q=0.5'
    reply = read().redirect("sip:h", status=301, reason="Gone", headers={"X": "y"})
    assert (reply.status, reply.reason, reply.extra) == (301, "Gone", b"\r\nX: y\r\nContact: <sip:h>")


@pytest.mark.parametrize("arguments", [{}, {"status": 200}, {"status": 404}])
def test_a_redirect_needs_a_target_and_a_3xx(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="redirect wants"):
        read().redirect(*(["sip:h"] if arguments else []), **arguments)


def test_a_redirect_with_q_values() -> None:
    reply = read().redirect(("sip:a", 1), ("<sip:b>;expires=60", 0.75), ("sip:c", 1 / 3), ("sip:d", 0), status=300)
    contacts = "<sip:a>;q=1", "<sip:b>;expires=60;q=0.75", "<sip:c>;q=0.333", "<sip:d>;q=0"
    assert reply.extra.decode() == "".join(f"\r\nContact: {contact}" for contact in contacts)


@pytest.mark.parametrize("q", [-0.1, 1.1, float("nan")])
def test_a_q_is_from_0_to_1(q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        read().redirect(("sip:a", q))


@pytest.mark.parametrize(
    "target", ["sip:[2001:db8::1]:5060;x=%41?a=b", "SIPS:h", "tel:+1", "http://h/a#b", "<sip:a%20b@h>"]
)
def test_what_needs_no_escape_stays_as_it_is(target: str) -> None:
    written = target if "<" in target else f"<{target}>"
    assert read().redirect(target).extra.decode() == f"\r\nContact: {written}"
