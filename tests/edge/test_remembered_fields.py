"""By what a remembered decision goes: all that was read for it, and nothing else."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers, Request
from tests.support.edge import PEER, FakeListener, Rig
from tests.support.remembered import asked, fresh, rig_of, statuses

if TYPE_CHECKING:
    from collections.abc import Callable

LISTENERS = {name: FakeListener(name) for name in ("udp:192.0.2.7:5060", "udp:192.0.2.8:5060", "tls:192.0.2.7:5061")}
Asking = tuple[dict[str, Any], tuple[str, int], str]


def asking(source: str = PEER[0], port: int = PEER[1], listen: str = "udp:192.0.2.7:5060", **given: Any) -> Asking:
    return given, (source, port), listen


def read(what: str) -> Callable[[Request], object]:
    return lambda request: eval(what, {"request": request})


# What is read; the request that it is read of; requests that are alike, and others that are not.
FIELDS: list[tuple[str, Asking, list[Asking], list[Asking]]] = [
    ("None", asking(), [asking(uri="sip:x@y"), asking("203.0.113.9", 9)], []),
    ("request.method", asking(), [asking(uri="sip:x@y")], [asking(method="INVITE")]),
    ("str(request.uri)", asking(uri="sip:a@b"), [], [asking(uri="sip:a@b:5060"), asking(uri="sip:A@b")]),
    ("request.message.uri", asking(uri="sip:a@b"), [], [asking(uri="sip:a@b:5060")]),
    ("request.uri.user", asking(uri="sip:a@b"), [asking(uri="sips:a@c:5061;x=1")], [asking(uri="sip:A@b")]),
    ("request.uri.user", asking(uri="sip:a@b"), [asking(uri="sip:%61@b")], [asking(uri="sip:b")]),
    ("request.uri.decoded_user", asking(uri="sip:a%20b@h"), [asking(uri="sip:a%20b@i")], [asking(uri="sip:ab@h")]),
    ("request.uri.host", asking(uri="sip:a@b"), [asking(uri="sip:z@B."), asking(uri="sip:b;x")],
     [asking(uri="sip:a@c")]),
    ("request.uri.host", asking(uri="sip:[2001:DB8::1]"), [asking(uri="sip:[2001:db8:0::1]")],
     [asking(uri="sip:[::1]")]),
    ("request.uri.port", asking(uri="sip:a@b"), [asking(uri="sip:c")], [asking(uri="sip:a@b:5060")]),
    ("request.uri.port", asking(uri="sip:a@b:70"), [asking(uri="sip:c@d:0070")], [asking(uri="sip:a@b:7")]),
    ("request.uri.scheme", asking(uri="sip:a@b"), [asking(uri="SIP:c")], [asking(uri="sips:a@b")]),
    ("request.uri.params.get('x')", asking(uri="sip:a;x=1"), [asking(uri="sip:b;X=1")], [asking(uri="sip:a;x")]),
    ("request.uri.params", asking(uri="sip:a;x"), [], [asking(uri="sip:a;x="), asking(uri="sip:a")]),
    ("request.uri.headers", asking(uri="sip:a?x=1"), [asking(uri="sip:b?x=1")], [asking(uri="sip:a")]),
    ("request.uri.password", asking(uri="sip:a:p@b"), [asking(uri="sip:b:p@b")], [asking(uri="sip:a@b")]),
    ("request.uri.user", asking(uri="tel:+1;x=1"), [asking(uri="sip:+1@b")], [asking(uri="tel:+2")]),
    ("request.from_uri.user", asking(from_="<sip:a@b>;tag=1"), [asking(from_='"A" <sip:a@c>;tag=2')],
     [asking(from_="<sip:b@b>;tag=1")]),
    ("request.from_uri.host", asking(from_="sip:a@b;tag=1"), [asking(from_="<sip:q@B:1>;tag=2")],
     [asking(from_="<sip:a@c>")]),
    ("str(request.from_uri)", asking(from_="<sip:a@b>;tag=1"), [asking(from_="X <sip:a@b>;tag=2")],
     [asking(from_="<sip:A@b>;tag=1")]),
    ("request.from_address.display", asking(from_='"A" <sip:a@b>;tag=1'), [asking(from_="A <sip:z@b>;tag=2")],
     [asking(from_="B <sip:a@b>;tag=1")]),
    ("request.to_uri.user", asking(to="<sip:a@b>"), [asking(to="<sip:a@c>;tag=9")], [asking(to="<sip:b@b>")]),
    ("request.to_address", asking(), [asking(to="<sip:a@c>;tag=9")], []),
    ("request.headers['to']", asking(to="<sip:a@b>"), [asking(uri="sip:q", to="<sip:a@b>")],
     [asking(to="A <sip:a@b>")]),
    ("request.headers.get('X-A')", asking(x_a="1"), [asking(lines=[b"x-a:  1 "])], [asking(), asking(x_a="2")]),
    ("request.headers.get('X-A')", asking(), [asking(x_b="1")], [asking(x_a=""), asking(x_a="2")]),
    ("'Subject' in request.headers", asking(subject="1"), [asking(lines=[b"s: 1"])], [asking(), asking(subject="2")]),
    ("request.headers.get_all('X-A')", asking(x_a=["1", "2"]), [asking(x_a=["1", "2"])],
     [asking(x_a=["12"]), asking(x_a="1")]),
    ("request.user_agent", asking(user_agent="a"), [asking(user_agent="a", uri="sip:x")],
     [asking(), asking(user_agent="b")]),
    ("request.max_forwards", asking(max_forwards="70"), [asking(uri="sip:x")], [asking(max_forwards="69")]),
    ("request.contacts", asking(contact="<sip:a>"), [asking(lines=[b"m: <sip:a>"])],
     [asking(), asking(contact="<sip:b>")]),
    ("request.supported", asking(supported="path"), [asking(lines=[b"k: path"])], [asking(supported="gruu")]),
    ("request.body", asking(body=b"x"), [asking(body=b"x", uri="sip:q")], [asking(body=b"y"), asking()]),
    ("request.is_initial", asking(), [asking(uri="sip:q")], [asking(to="<sip:bob@example.com>;tag=1")]),
    ("request.is_initial", asking(to="<sip:b>;tag=1"), [asking(to="<sip:c>;tag=2")], [asking()]),
    ("request.to_tag", asking(), [asking(uri="sip:q")], [asking(to="<sip:bob@example.com>;tag=1")]),
    ("request.source.host", asking("192.0.2.1", 1), [asking("192.0.2.1", 2)], [asking("192.0.2.9", 1)]),
    ("request.source.transport", asking(), [asking(listen="udp:192.0.2.8:5060")],
     [asking(listen="tls:192.0.2.7:5061")]),
    ("request.listen", asking(), [asking("192.0.2.3")], [asking(listen="udp:192.0.2.8:5060")]),
    ("request.is_from('192.0.2.0/25')", asking("192.0.2.1"), [asking("192.0.2.127")], [asking("192.0.2.128")]),
    ("request.is_from('192.0.2.0/25', '2001:db8::/32')", asking("203.0.113.1"), [asking("198.51.100.1")],
     [asking("192.0.2.1")]),
]  # fmt: skip


def ask(rig: Rig, one: Asking) -> None:
    given, source, listen = one
    rig.receive(fresh(**given), source=source, listener=LISTENERS[listen])


@pytest.mark.parametrize(
    ("what", "first", "alike", "others"), FIELDS, ids=[f"{row[0]}-{at}" for at, row in enumerate(FIELDS)]
)
def test_a_decision_goes_by_what_was_read(what: str, first: Asking, alike: list[Asking], others: list[Asking]) -> None:
    app = Handlers()

    @app.otherwise(remember=60.0)
    def answer(request: Request) -> Any:
        read(what)(request)
        return request.reply(404)

    for other in others:
        rig = rig_of(app)
        ask(rig, first)
        ask(rig, other)
        assert asked(rig) == 2, other
    rig = rig_of(app)
    for one in (first, first, *alike):
        ask(rig, one)
    assert asked(rig) == 1


UNFIT = [
    "request.call_id", "request.cseq", "request.from_tag", "request.via", "request.vias", "request.source.port",
    "list(request.headers)", "request.message.headers", "tuple(request.message)", "tuple(request.source)",
    "request.headers['Call-ID']", "request.headers['From']", "request.from_address.params", "str(request.from_address)",
    "request.reply_tag", "request.unfit('it is counted')", "request.message.first(b'via')", "request.item.number",
    "request.from_address == request.to_address", "repr(request.headers)",
]  # fmt: skip


@pytest.mark.parametrize("what", UNFIT)
def test_who_reads_what_never_comes_again_has_nothing_remembered(what: str, caplog: pytest.LogCaptureFixture) -> None:
    app = Handlers()

    @app.otherwise(remember=60.0)
    def answer(request: Request) -> Any:
        read(what)(request)
        return request.reply(404)

    rig = rig_of(app)
    for _ in range(3):
        rig.receive(fresh())
    assert asked(rig) == 3
    assert statuses(rig) == [404] * 3
    lines = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert len(lines) == 1
    assert "not remembered, for it " in lines[0]
    assert "answer at " in lines[0]


def test_what_led_to_the_handler_counts_as_well() -> None:
    app = Handlers()
    app.on("OPTIONS", user="900*", source="192.0.2.0/24", remember=60.0)(lambda request: request.reply(403))
    app.on("OPTIONS", header="X-Test: 1", remember=60.0)(lambda request: request.reply(480))
    app.otherwise(remember=60.0)(lambda request: request.reply(404))
    rig = rig_of(app)
    everybody = [
        (uri, source, header)
        for uri in ("sip:9001@b", "sip:9002@b", "sip:1@b")
        for source in ("192.0.2.1", "192.0.2.2", "203.0.113.1")
        for header in (None, "1", "2")
    ]
    for _ in range(2):
        for uri, source, header in everybody:
            rig.receive(fresh(uri=uri, x_test=header), source=(source, 5060))
            wanted = 403 if uri != "sip:1@b" and source != "203.0.113.1" else 480 if header == "1" else 404
            assert statuses(rig)[-1] == wanted
    # By user, network and, where these do not match, header: three users twice, and with each of three headers.
    assert asked(rig) <= 2 + 2 * 3 + 2 * 3
    assert rig.fates.remembered >= 54 - 14


def test_exact_users_of_a_table_are_known_by_the_user() -> None:
    app = Handlers()
    for number in range(100):
        app.on("INVITE", user=str(number), remember=60.0)(lambda request: request.reply(480))
    app.otherwise(remember=60.0)(lambda request: request.reply(404))
    rig = rig_of(app)
    for _ in range(3):
        for number in range(0, 110, 10):
            rig.receive(fresh("INVITE", f"sip:{number}@example.com"))
    assert asked(rig) == 11
    assert statuses(rig) == ([480] * 10 + [404]) * 3
