"""What phones are told of their registrations, with no table of them (RFC 3261 10.3)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker import Handlers, Reply, Request
from slbroker.plugin import Binding, bindings
from slbroker.plugin.registration import MAX_CONTACTS, registered
from slbroker.sip.address import parse_address, parse_address_list
from slbroker.sip.parser import parse
from slbroker.sip.response import parse_response
from slbroker.testing import SOURCE, Client
from tests.support.sip import request

if TYPE_CHECKING:
    from slbroker.sip.response import Response

URI = "sip:example.com"
ALICE = "<sip:alice@192.0.2.1:5070;transport=tcp>"


def answers(decide: Any) -> Client:
    app = Handlers()
    app.on("REGISTER")(decide)
    return Client(app)


def send(client: Client, **headers: Any) -> Response:
    """A REGISTER with these headers and no others of its kind."""
    (data,) = client.exchange(request("REGISTER", URI, **headers))
    response = parse_response(data)
    assert response is not None
    return response


def ask(headers: dict[str, Any], /, **settings: Any) -> Response:
    return send(answers(lambda request: request.registered(**settings)), **headers)


@pytest.mark.parametrize(
    ("contact", "expires", "told"),
    [
        (ALICE, None, [f"{ALICE};expires=3600"]),
        (ALICE, "600", [f"{ALICE};expires=600"]),
        (f"{ALICE};expires=300", "600", [f"{ALICE};expires=300"]),
        (f"{ALICE};Expires = 300;q=0.5", None, [f"{ALICE};q=0.5;expires=300"]),
        (f'{ALICE};expires="300"', None, [f"{ALICE};expires=300"]),
        (f"{ALICE};expires", "600", [f"{ALICE};expires=600"]),
        (f"{ALICE};expires=7200", None, [f"{ALICE};expires=3600"]),
        (ALICE, "4294967295", [f"{ALICE};expires=3600"]),
        # 20.10: what cannot be read counts as 3600
        (f"{ALICE};expires=soon", "600", [f"{ALICE};expires=3600"]),
        (f"{ALICE};expires=-1", None, [f"{ALICE};expires=3600"]),
        (ALICE, "soon", [f"{ALICE};expires=3600"]),
        ("sip:alice@192.0.2.1", "600", ["<sip:alice@192.0.2.1>;expires=600"]),
        ("sip:alice@192.0.2.1;q=0.1;expires=99", None, ["<sip:alice@192.0.2.1>;q=0.1;expires=99"]),
        ('"Alice, \\"A\\"" <sip:a@h>', "60", ['"Alice, \\"A\\"" <sip:a@h>;expires=60']),
        ("Alice <sip:a@h>;x", "60", ["Alice <sip:a@h>;x;expires=60"]),
        # several lines and lists; 0 takes one away
        ("<sip:a@h>, <sip:b@h>;expires=90", "60", ["<sip:a@h>;expires=60", "<sip:b@h>;expires=90"]),
        (["<sip:a@h>", "sip:b@h , <sip:c@h>"], "60",
         ["<sip:a@h>;expires=60", "<sip:b@h>;expires=60", "<sip:c@h>;expires=60"]),
        (["<sip:a@h>;expires=0", "<sip:b@h>"], "60", ["<sip:b@h>;expires=60"]),
        (ALICE, "0", []),
        ("*", "0", []),
        ("*;expires=0", None, []),
        ("<*>;expires=0", "600", []),  # as for any contact, its own counts
        (None, None, []),
        (None, "600", []),
        # outbound and GRUU (RFC 5626, RFC 5627) as they came
        ('<sip:a@h;ob>;reg-id=1;+sip.instance="<urn:uuid:0>";expires=60', None,
         ['<sip:a@h;ob>;reg-id=1;+sip.instance="<urn:uuid:0>";expires=60']),
        ("<tel:+1555>", "60", ["<tel:+1555>;expires=60"]),
        ("<sip:a@h?Subject=x>", "60", ["<sip:a@h?Subject=x>;expires=60"]),
    ],
)  # fmt: skip
def test_a_phone_is_told_what_it_has_registered(contact: Any, expires: str | None, told: list[str]) -> None:
    headers = {"contact": contact, "expires": expires}
    response = ask(headers)
    assert (response.status, response.all("Contact")) == (200, told)


@pytest.mark.parametrize(
    ("contact", "expires", "status"),
    [
        ("*", None, 400),
        ("*", "60", 400),
        ("*", "soon", 400),
        ("*;expires=60", "0", 400),
        (["*", ALICE], "0", 400),
        ([ALICE, "*"], "0", 400),
        (f"*, {ALICE}", "0", 400),
        ("<sip:a@h", "60", 400),
        (["<sip:a@h>", "<sip:b@h"], "60", 400),
        # an address that is read, around what is no URI
        ("<alice>", "60", 400),
        ("192.0.2.1", "60", 400),
        ("<sip:>", "60", 400),
        ("<sip:a@b@h>", "60", 400),
        ("<sip:a@h:port>", "60", 400),
        (f"{ALICE}, <sip:@h:99999999>", "60", 400),
        ([f"<sip:{number}@h>" for number in range(MAX_CONTACTS + 1)], "60", 403),
    ],
)
def test_what_cannot_be_registered(contact: Any, expires: str | None, status: int) -> None:
    assert ask({"contact": contact, "expires": expires}).status == status


@pytest.mark.parametrize("brief", [f"{ALICE};expires=59", f"<sip:b@h>, {ALICE};expires=1"])
def test_too_brief_an_interval_is_refused_with_the_one_that_will_do(brief: str) -> None:
    response = ask({"contact": brief})
    assert (response.status, response.reason, response.first("Min-Expires")) == (423, "Interval Too Brief", "60")
    assert response.first("Contact") is None


@pytest.mark.parametrize(
    ("asked", "settings", "granted"),
    [
        (30, {"refuse": False}, 60),
        (30, {"minimum": 30}, 30),
        (3600, {"minimum": 7200, "maximum": 7200}, 7200),  # 10.3 step 7: an hour is never refused
        (600, {"maximum": 120}, 120),
    ],
)
def test_bounds_are_the_registrars(asked: int, settings: dict[str, Any], granted: int) -> None:
    assert ask({"contact": ALICE, "expires": str(asked)}, **settings).all("Contact") == [f"{ALICE};expires={granted}"]


def test_who_asks_for_nothing_in_particular_gets_the_usual() -> None:
    assert ask({"contact": ALICE}, default=120).first("Contact") == f"{ALICE};expires=120"


def test_who_asks_for_nothing_in_particular_is_not_refused_for_the_registrars_own_default() -> None:
    response = ask({"contact": ALICE}, minimum=300, default=120)
    assert (response.status, response.first("Contact")) == (200, f"{ALICE};expires=300")


def test_paths_and_service_routes() -> None:
    """RFC 3327 5.3, RFC 3608 6.2."""
    headers = {"contact": ALICE, "path": ["<sip:p1.example.com;lr>,<sip:p2.example.com;lr>", "<sip:p3.example.com;lr>"]}
    options = {"path": True, "service_route": ["<sip:s1.example.com;lr>", "<sip:s2.example.com;lr>"]}
    response = ask(headers | {"supported": "outbound, path"}, **options)
    assert response.all("Path") == [f"<sip:p{number}.example.com;lr>" for number in (1, 2, 3)]
    assert response.all("Service-Route") == ["<sip:s1.example.com;lr>", "<sip:s2.example.com;lr>"]
    assert ask(headers, **options).all("Path") == []  # its sender would not know what to make of it
    assert ask(headers | {"supported": "path"}).all("Path") == []
    assert ask(headers | {"supported": "path", "path": "<sip:p"}, path=True).status == 400


@pytest.mark.parametrize("path", ["<proxy>", "<sip:p@q@h;lr>", "<sip:p;lr"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    assert ask({"contact": ALICE, "supported": "path", "path": path}, path=True).status == 400


def test_further_headers() -> None:
    response = ask({"contact": ALICE}, headers={"P-Associated-URI": ["<sip:a@h>", "<tel:+1>"]})
    assert response.all("P-Associated-URI") == ["<sip:a@h>", "<tel:+1>"]
    assert response.first("Contact") is not None


@pytest.mark.parametrize(
    "settings",
    [
        {"minimum": 0},
        {"minimum": 90, "maximum": 60},
        {"default": 0},
        {"headers": {"X": "a\r\nb"}},
        {"service_route": ["\n"]},
    ],
)
def test_what_a_handler_cannot_mean(settings: dict[str, Any]) -> None:
    asked = Request(parse(request("REGISTER", URI, contact=ALICE)), SOURCE)
    with pytest.raises(
        ValueError, match="=" if len(settings) == 2 or set(settings) <= {"minimum", "default"} else "line end"
    ):
        asked.registered(**settings)


def test_only_a_register_registers() -> None:
    with pytest.raises(ValueError, match="INVITE is no REGISTER"):
        Request(parse(request("INVITE", URI, contact=ALICE)), SOURCE).registered()


def test_a_handler_can_keep_what_it_grants_and_answer_from_what_it_kept() -> None:
    kept: list[Binding] = []

    def decide(request: Request) -> Reply:
        kept.extend(bindings(request))
        return registered(request, kept)

    client = answers(decide)
    send(client, contact=ALICE, expires="90")
    assert [(str(contact), seconds) for contact, seconds in kept] == [(ALICE, 90)]
    assert send(client).all("Contact") == [f"{ALICE};expires=90"]


PARAMS = st.lists(
    st.tuples(
        st.sampled_from(["q", "expires", "EXPIRES", "reg-id", "+sip.instance", "x"]),
        st.one_of(
            st.none(),
            st.from_regex(r"[0-9A-Za-z.-]{1,9}", fullmatch=True),
            st.from_regex(r'"[^"\\\r\n\0]{0,9}"', fullmatch=True),
        ),
    ),
    max_size=5,
)


@given(st.sampled_from(["<sip:a@h>", "sip:a@h", '"x;y, <z>" <sip:a@h;ob>', "A B <sips:a@[::1]:5061?x=y>"]), PARAMS)
def test_an_echo_parses_back_to_what_was_registered(head: str, params: list[tuple[str, str | None]]) -> None:
    written = "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params)
    contact = parse_address(f"{head}{written}".encode())
    asked = Request(parse(request("REGISTER", URI, contact=ALICE)), SOURCE)
    lines = registered(asked, [Binding(contact, 90)]).extra.removeprefix(b"\r\nContact: ")
    (echo,) = parse_address_list(lines)
    assert (echo.display, echo.uri_bytes) == (contact.display, contact.uri_bytes)
    assert dict(echo.params) == dict(contact.params) | {"expires": "90"}


# Where a handler writes the reply itself ------------------------------------------------------------------------

WARNING = "without its Contact"


@pytest.mark.parametrize(
    ("headers", "reply", "warned"),
    [
        ({"contact": ALICE}, Reply(200), True),
        ({"contact": ALICE}, Reply(202), True),
        ({"contact": [f"{ALICE};expires=0", "<sip:b@h>"]}, Reply(200), True),
        ({"contact": ALICE}, Reply(200, headers={"Supported": "m"}), True),
        ({"contact": ALICE}, Reply(200, headers={"Contact": ALICE}), False),
        ({"contact": ALICE}, Reply(200, headers={"m": ALICE}), False),
        ({"contact": ALICE}, Reply(404), False),
        ({"contact": ALICE, "expires": "0"}, Reply(200), False),
        ({"contact": "*", "expires": "0"}, Reply(200), False),
        ({"contact": "<sip:a"}, Reply(200), False),
        ({}, Reply(200), False),
    ],
)
@pytest.mark.parametrize("hooked", [False, True])
def test_a_registration_that_the_phone_will_not_see_is_warned_of(
    headers: dict[str, Any], reply: Reply, warned: bool, hooked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """SIP.js waits for ever, and JsSIP says nothing, where a 200 to REGISTER does not name their Contact."""
    app = Handlers()
    app.on("REGISTER")(lambda _: reply)
    if hooked:
        app.after(lambda _request, _reply: None)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            send(Client(app), **headers)
    # each client is a worker of its own
    assert sum(WARNING in message for message in caplog.messages) == (3 if warned else 0)


def test_a_worker_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    client = answers(lambda request: request.reply(200))
    for _ in range(3):
        send(client, contact=ALICE)
    (message,) = caplog.messages
    assert message == (
        f"REGISTER {URI}: answered 200 without its Contact: some phones wait for it for ever; "
        "return request.registered(), or name it in the reply (this is said once)"
    )
    send(client, contact=ALICE)
    assert len(caplog.messages) == 1


def test_nothing_is_warned_of_where_a_hook_adds_the_contact(caplog: pytest.LogCaptureFixture) -> None:
    app = Handlers()
    app.on("REGISTER")(lambda request: request.reply(200))
    app.after(lambda _, reply: reply.with_headers({"Contact": f"{ALICE};expires=60"}))
    send(Client(app), contact=ALICE)
    assert caplog.messages == []
