"""What `@app.on` can ask of a request, who comes first, and that ten thousand numbers cost no more than ten."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers, Request
from slbroker.plugin.routing import Table, make_route
from slbroker.sip.parser import parse
from slbroker.sip.validate import Checks
from slbroker.testing import SOURCE, Client
from tests.support.sip import request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.sip.message import Source

NUMBERS = 10_000


def named(name: str) -> Any:
    return lambda request: request.reply(200, name)


def chosen(
    conditions: dict[str, Any], uri: str = "sip:bob@example.com", source: Source = SOURCE, **headers: str
) -> bool:
    """Whether a handler under these conditions gets the request."""
    app = Handlers()
    app.on("INVITE", **conditions)(named("here"))
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    response = Client(app).request("INVITE", uri, headers=sent, source=source)
    assert response is not None
    return response.status == 200


def asked(uri: str = "sip:bob@example.com", subject: str | None = None) -> Request:
    return Request(parse(request("INVITE", uri, subject=subject)), SOURCE)


@pytest.mark.parametrize(
    ("networks", "host", "matches"),
    [
        ("192.0.2.0/24", "192.0.2.1", True),
        ("192.0.2.0/24", "192.0.3.1", False),
        ("192.0.2.1", "192.0.2.1", True),
        (["198.51.100.0/24", "2001:db8::/32"], "2001:db8::7", True),
        ("2001:db8::/32", "192.0.2.1", False),
        ("192.0.2.0/24", "::ffff:192.0.2.1", True),  # as a socket for both families sees IPv4
    ],
)
def test_source_networks(networks: Any, host: str, matches: bool) -> None:
    assert chosen({"source": networks}, source=SOURCE._replace(host=host)) is matches


@pytest.mark.parametrize(
    ("transport", "listen", "matches"),
    [("udp", "udp:h:1", True), (["tcp", "tls"], "tls:h:1", True), (["tcp", "tls"], "udp:h:1", False)],
)
def test_transports(transport: Any, listen: str, matches: bool) -> None:
    assert chosen({"transport": transport}, source=SOURCE._replace(listen=listen)) is matches


@pytest.mark.parametrize(
    ("header", "matches"),
    [
        ("User-Agent", True),
        ("user-agent: *phone*", True),
        ("User-Agent: Phone", False),
        ("s: hello", True),  # a compact form is the same header
        ("Subject:HELLO", True),
        ("X-None", False),
        (["User-Agent: *1.2", "Subject"], True),
        (["User-Agent: *1.2", "X-None"], False),
    ],
)
def test_headers(header: Any, matches: bool) -> None:
    assert chosen({"header": header}, User_Agent="SoftPhone 1.2", Subject="hello") is matches


@pytest.mark.parametrize(
    ("conditions", "uri", "matches"),
    [
        ({"user": ["911", "112"]}, "sip:112@example.com", True),
        ({"user": ["911", "112"]}, "sip:113@example.com", False),
        ({"user": ["911", "9*0"]}, "sip:9000@example.com", True),
        ({"user": re.compile(r"^\+?49\d+$", re.ASCII)}, "sip:+4930@example.com", True),
        ({"user": ["a*", re.compile(r"^b"), "c*"]}, "sip:bob@example.com", True),
        ({"user": ["a*", re.compile(r"^b"), "c*"]}, "sip:cab@example.com", True),
        ({"user": ["a*", re.compile(r"^b"), "c*"]}, "sip:xa@example.com", False),
        ({"user": re.compile(r"30")}, "sip:+4930@example.com", True),  # =~ finds it anywhere
        ({"user": "bob", "domain": ["a.example", "EXAMPLE.com"]}, "sip:bob@example.COM", True),
        ({"domain": re.compile(r"\.example\.com$")}, "sip:x@a.example.com", True),
        ({"user": "bob", "source": "203.0.113.0/24"}, "sip:bob@example.com", False),
    ],
)
def test_several_users_and_regular_expressions(conditions: dict[str, Any], uri: str, matches: bool) -> None:
    assert chosen(conditions, uri) is matches


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"source": "192.0.2.0/33"}, "source="),
        ({"source": "192.0.2.1/24"}, "host bits set"),
        ({"source": "example.com"}, "write 192.0.2.1 or"),
        ({"transport": "sctp"}, "none of udp, tcp"),
        ({"transport": []}, "none of udp, tcp"),
        ({"header": "no name: x"}, "write 'Name' or"),
        ({"user": []}, "match nothing"),
        ({"user": 900}, "want text, such as '900*'"),
        ({"domain": ["a", None]}, "want text, such as '900*'"),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Handlers().on("INVITE", **wrong)(named("x"))


# Order ----------------------------------------------------------------------------------------------------------

CONDITIONS: tuple[dict[str, Any], ...] = (
    {"user": "a"},
    {"user": "b", "domain": "x.example"},
    {"domain": "x.example"},
    {"domain": "y.example"},
    {"user": ["a", "c"]},
    {"user": "[ab]"},
    {"domain": "*.example", "user": "c"},
    {"source": "192.0.2.0/24", "user": "c"},
    {"source": "203.0.113.0/24"},
    {"header": "Subject: a*"},
)


def scan(routes: Sequence[dict[str, Any]], asking: Request) -> int | None:
    """The number of the first route that matches, found the slow way: each on its own."""
    for number, conditions in enumerate(routes):
        if Table([make_route(named(""), *arguments(conditions))], named("none")).route(asking):
            return number
    return None


def arguments(conditions: dict[str, Any]) -> list[Any]:
    return [conditions.get(name) for name in ("user", "domain", "source", "transport", "header")]


def test_the_table_means_what_a_scan_in_order_of_declaration_means() -> None:
    chance = random.Random(5060)
    requests = [
        asked(f"sip:{user}@{domain}", subject=subject)
        for user in "abcd" for domain in ("x.example", "Y.example", "z.invalid") for subject in ("abc", "b")
    ]  # fmt: skip
    matched = 0
    for _ in range(300):
        routes = chance.sample(CONDITIONS, chance.randint(1, len(CONDITIONS)))
        handlers = [named(str(number)) for number in range(len(routes))]
        nobody = named("nobody")
        table = Table(
            [make_route(handler, *arguments(route)) for handler, route in zip(handlers, routes, strict=True)], nobody
        )
        for asking in requests:
            number = scan(routes, asking)
            assert table.find(asking) is (nobody if number is None else handlers[number])
            matched += number is not None
    assert matched > 1_000


class Counted:
    """A test that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, _request: Request) -> bool:
        self.asked += 1
        return False


def test_ten_thousand_numbers_cost_as_many_steps_as_ten() -> None:
    def steps(numbers: int) -> int:
        counted = Counted()
        routes = [make_route(named(str(n)), str(n), None, None, None, None) for n in range(numbers)]
        routes = [route._replace(tests=(counted,)) for route in routes]
        table = Table(routes, named("none"))
        for user in range(numbers - 10, numbers + 10):
            table.find(asked(f"sip:{user}@example.com"))
        return counted.asked

    assert steps(10) == steps(NUMBERS) == 10  # each of the ten known ones meets its own route only


def test_of_ten_thousand_domains_only_those_that_may_match_are_looked_at() -> None:
    routes = [make_route(named(f"d{n}"), None, f"d{n}.example", None, None, None) for n in range(NUMBERS)]
    routes.insert(NUMBERS // 2, make_route(named("pattern"), "9*", None, None, None, None))
    table = Table(routes, named("none"))
    early, late = asked("sip:911@d3.example"), asked(f"sip:911@d{NUMBERS - 1}.example")
    assert len(list(table.candidates(early))) == len(list(table.candidates(late))) == 2
    assert [route.handler(early).reason for route in table.candidates(early)] == ["d3", "pattern"]  # type: ignore[union-attr]
    assert [route.words for route in table.candidates(late)] == ["user=9*", f"domain=d{NUMBERS - 1}.example"]


def test_a_route_says_how_it_was_declared() -> None:
    app = Handlers()
    app.on("INVITE", user="9*", source="192.0.2.0/24")(named("nine"))
    app.otherwise(named("rest"))
    route = app.route_of(asked("sip:911@example.com"))
    assert route is not None
    assert route.words == "user=9* source=192.0.2.0/24"
    assert app.route_of(asked("sip:811@example.com")) is None
    assert app.route_of(Request(parse(request("OPTIONS")), SOURCE)) is None


def test_a_handler_declared_after_the_first_request_counts() -> None:
    app = Handlers()
    client = Client(app)
    before = client.request("FOO")
    app.on("FOO")(named("foo"))
    after = client.request("FOO")
    app.before(named("hook"))
    hooked = client.request("FOO")
    assert [reply and reply.reason for reply in (before, after, hooked)] == ["Not Implemented", "foo", "hook"]


def test_only_a_uri_that_a_route_asks_for_is_read() -> None:
    app = Handlers()
    app.on("INVITE", source="203.0.113.0/24", user="9*")(named("nine"))
    app.on("INVITE", transport="udp")(named("udp"))
    client = Client(app, checks=Checks(names=frozenset()))
    reply = client.request("INVITE", "sip:bob@@example.com")
    assert reply is not None
    assert reply.status == 400
    app = Handlers()
    app.on("INVITE", transport="udp")(named("udp"))
    reply = Client(app, checks=Checks(names=frozenset())).request("INVITE", "sip:bob@@example.com")
    assert reply is not None
    assert reply.status == 200
