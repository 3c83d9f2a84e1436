"""The checks that can be put on and off, each by what it refuses and what it lets pass."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from slbroker.errors import Drop
from slbroker.sip.parser import BadRequest, parse
from slbroker.sip.validate import DEFAULT, MAX_TAGS, NAMES, USUAL, Checks
from slbroker.testing import Client
from slbroker_handlers.bundled import app
from tests.support.sip import SIPP_ACK, TYPICAL, Value, request
from tests.torture.corpus import CASES

COOKIE = "SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK1"
ALL = Checks(frozenset(NAMES), supported=frozenset((b"replaces", b"100rel", b"timer")))


class Case(NamedTuple):
    """A check, a header of which it refuses some values and lets others pass, and the answer to the former."""

    check: str
    header: str
    refused: tuple[Value, ...]
    passed: tuple[Value, ...]
    answer: str


CASES_BY_HEADER = [
    Case("require", "require", ("foo", "100rel,foo", "foo,", ",foo", ["timer", "foo"]),
         ("100rel", "Timer , REPLACES", ["timer", "100rel"]), "420 Bad Extension"),
    Case("require", "require", ("a b", '"timer"', ",".join(["timer"] * (MAX_TAGS + 1))),
         (None, "timer", "", "timer,", " , timer"),
         "400 Bad Require Header"),
    Case("proxy-require", "proxy_require", ("foo", ["timer", "foo"]), (None, "timer"), "420 Bad Extension"),
    Case("max-forwards", "max_forwards", ("0", "000"), (None, "1", "70", "255"), "483 Too Many Hops"),
    Case("max-forwards", "max_forwards", ("-1", "256", "1" * 4_301, "+5", "5 0"), ("0001", ""),
         "400 Bad Max-Forwards Header"),
    Case("from-tag", "from_", ("<sip:a@b>",), ("<sip:a@b>;tag=1",), "400 Missing Tag In From Header"),
    Case("from-to", "to", ("<sip:@>", "sip:a@b@c", "<sip:[::1>"), ("<tel:+4930>", "http://example.com", "sip:a@b"),
         "400"),
    Case("branch", "via", ("SIP/2.0/UDP a", "SIP/2.0/UDP a;branch=z9hG4bK", "SIP/2.0/UDP a;branch=1",
         "SIP/2.0/UDP a, SIP/2.0/UDP b;branch=z9hG4bK1"), (COOKIE, "SIP/2.0/UDP a ; Branch = Z9HG4BK-1"),
         "400 Bad Branch In Via Header"),
    Case("contact", "contact", ('"Joe" <sip:joe@example.org>;x y', "sip:a@b?Route=%3Csip:c%3E", "*", "<sip:@>"),
         (None, "", "<sip:a@b?x=y>, sip:c@d;expires=3", ["<tel:+49>", "<sip:a@b>"], "<sip:a@b>;,,<sip:c@d>,"), "400"),
    Case("route", "route", ("sip:a@b@c", "<sip:a", ["<sip:a;lr>", "b"]), (None, "<sip:a;lr>,<sip:b;lr>"), "400"),
    Case("route", "record_route", ("sip:a@b@c", "<sip:a"), (None, ["<sip:a;lr>", "<sip:b;lr>"]), "400"),
    Case("authorization", "authorization", ("Digest", 'Digest realm="x'), (None, "Digest a=b", "Basic eA=="),
         "400 Bad Credentials"),
    Case("authorization", "proxy_authorization", ("Digest a b",), (None, 'Digest realm="x", nonce="y"'),
         "400 Bad Credentials"),
    Case("expires", "expires", ("-1", "4294967296", "1" * 4_301, "1.5"), (None, "", "4294967295", "00000000000060"),
         "400 Bad Expires Header"),
    Case("date", "date", ("", "Fri, 01 Jan 2010 16:00:00 EST", "Fri, 1 Jan 2010 16:00:00 GMT", "tomorrow"),
         (None, "Sat, 13 Nov 2010 23:29:00 GMT"), "400 Bad Date Header"),
    Case("via", "via", ("SIP/2.0/UDP a;=", "SIP/2.0/UDP a;;,b", "SIP/2.0/UDP a,,"),
         (COOKIE, "SIP/2.0/UDP a,SIP/2.0/UDP b"), "400 Bad Via Header"),
]  # fmt: skip


def with_header(name: str, value: Value) -> bytes:
    headers: dict[str, Any] = {name: value}
    return request(**headers)


def answer(checks: Checks, data: bytes) -> str:
    """The status line of the reply to `data`, without the version."""
    (reply,) = Client(app, checks=checks).exchange(data)
    return reply.partition(b"\r\n")[0].decode()[8:]


def only(name: str) -> Checks:
    return Checks(frozenset({name}), supported=ALL.supported)


@pytest.mark.parametrize("case", CASES_BY_HEADER, ids=lambda case: f"{case.check} {case.header} {case.answer[:3]}")
def test_a_check_refuses_what_it_is_for_when_it_is_on(case: Case) -> None:
    for value in case.refused:
        assert answer(only(case.check), with_header(case.header, value)).startswith(case.answer), value
    for value in case.passed:
        assert answer(only(case.check), with_header(case.header, value)) == "200 OK", value


@pytest.mark.parametrize("name", NAMES)
def test_none_is_on_that_was_not_asked_for(name: str) -> None:
    nothing = Checks(frozenset())
    for case in CASES_BY_HEADER:
        if case.check == name:
            assert all(answer(nothing, with_header(case.header, value)) == "200 OK" for value in case.refused)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("sip:2001:db8::10", "400 Bad Host In URI"), ("sip:a@b@c", "400 Bad User In URI"),
        ("sip::x@h", "400 Bad User In URI"), ("sip:h:65536", "400 Bad Port In URI"), ("tel:;x", "400 Empty URI"),
        ("sip:%4@h", "400 Bad Escape In URI"), ("sip:a:b@h" + ";a" * 65, "400 Too Many Parameters In URI"),
    ],
)  # fmt: skip
def test_the_request_uri(uri: str, reason: str) -> None:
    assert answer(only("ruri"), request(uri=uri)) == reason
    assert answer(Checks(frozenset()), request(uri=uri)) == "200 OK"


@pytest.mark.parametrize(
    "uri", ["sip:h", "sips:a:b@[::1]:65535;lr?x=y", "sip:%23a@h:60000", "tel:+49;x=1", "urn:service:sos"]
)
def test_request_uris_that_pass(uri: str) -> None:
    assert answer(only("ruri"), request(uri=uri)) == "200 OK"


def test_headers_in_the_request_uri() -> None:
    assert answer(only("ruri-headers"), CASES["escruri"].data) == "400 Headers In Request-URI"
    assert answer(only("ruri-headers"), request(uri="sip:a@b;c=d")) == "200 OK"


def test_a_body_without_a_type() -> None:
    assert answer(only("content-type"), request(body=b"x")) == "400 Missing Content-Type Header"
    assert answer(only("content-type"), request(body=b"x", content_type="text/plain")) == "200 OK"
    assert answer(only("content-type"), request()) == "200 OK"


def test_a_body_too_large() -> None:
    checks = Checks(max_body=10)
    assert answer(checks, request(body=b"x" * 11)) == "413 Request Entity Too Large"
    assert answer(checks, request(body=b"x" * 10)) == "200 OK"
    assert answer(USUAL, request(body=b"x" * 60_000)) == "200 OK"


def test_420_names_what_is_not_supported() -> None:
    """RFC 3261 8.2.2.3: Unsupported, in the request's order and spelling; and Require is for no ACK or CANCEL."""
    (reply,) = Client(app, checks=ALL).exchange(request("INVITE", via=COOKIE, require=["Foo, timer", "bar"]))
    assert b"\r\nUnsupported: Foo, bar\r\n" in reply
    for method in ("ACK", "CANCEL"):
        assert parse(request(method, require="foo", to="<sip:a@b>;tag=1"), ALL).method == method.encode()


def test_a_wildcard_is_for_register() -> None:
    assert answer(only("contact"), request("REGISTER", contact="*")).startswith("404")
    assert answer(only("contact"), request("INVITE", contact="*")) == "400 Bad Contact Header"


@pytest.mark.parametrize("name", TYPICAL)
def test_what_real_programs_send_passes(name: str) -> None:
    parse(TYPICAL[name])
    if name not in ("kamailio_ping", "sipsak_options"):  # branch=0, and a branch without the cookie's capitals
        parse(TYPICAL[name], Checks(frozenset(NAMES), supported=ALL.supported))


def test_an_ack_is_judged_by_none() -> None:
    """It could not be told, and the filter has to know it again."""
    odd = request(
        "ACK", "sip:2001:db8::10", via="SIP/2.0/UDP a;", contact="?", date="x", from_="<sip:a@b>", require="x"
    )
    assert parse(odd, ALL).method == b"ACK"
    assert parse(SIPP_ACK, ALL).method == b"ACK"


def test_a_request_whose_cseq_says_ack_is_not_told() -> None:
    with pytest.raises(Drop, match="bad-ack"):
        parse(request("OPTIONS", date="x", cseq=["1 OPTIONS", "1 ACK"]), only("date"))
    with pytest.raises(BadRequest):
        parse(request("OPTIONS", date="x"), only("date"))


def test_the_default() -> None:
    assert USUAL.names == DEFAULT == {"via", "ruri", "require"}
    assert not USUAL.supported


def test_a_name_that_is_none() -> None:
    with pytest.raises(ValueError, match="there is no check requier"):
        Checks(frozenset(("require", "requier")))
