"""What a handler has decided is said again by the edge, to requests that are alike in all that was read for it."""

from __future__ import annotations

import logging
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from slbroker import DROP, Handlers, Request
from slbroker.bus.routes import Route
from slbroker.plugin import RateLimit, screen
from slbroker.settings.dispatch import Policies
from slbroker_edge import remembered
from tests.support.edge import PEER, FakeListener, Rig
from tests.support.sip import read_reply, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.envelope import Answer
    from slbroker.bus.items import Item

numbers = count(1)


def fresh(method: str = "OPTIONS", uri: str = "sip:bob@example.com", **headers: Any) -> bytes:
    """A request of a call of its own."""
    number = next(numbers)
    given = {
        "via": f"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{number}",
        "from_": f"<sip:alice@example.org>;tag=f{number}",
        "call_id": f"call-{number}",
        "cseq": f"{number} {method}",
    }
    return request(method, uri, **(given | headers))


def rig_of(app: Handlers, **kinds: Any) -> Rig:
    rig = Rig(**kinds)
    rig.join(app)
    return rig


def memory_of(rig: Rig) -> remembered.Remembered:
    assert rig.edge.remembered is not None
    return rig.edge.remembered


def asked(rig: Rig) -> int:
    """How many requests workers were given."""
    return sum(worker.asked for worker in rig.workers.values())


def statuses(rig: Rig) -> list[int]:
    return [read_reply(reply).status for reply in rig.replies]


def answering(remember: float | None = 5.0, **given: Any) -> Handlers:
    app = Handlers()
    app.on("OPTIONS", "INVITE", remember=remember, **given)(lambda request: request.reply(404))
    return app


def test_the_second_request_reaches_no_worker() -> None:
    rig = rig_of(answering())
    for _ in range(5):
        rig.receive(fresh())
    assert statuses(rig) == [404] * 5
    assert asked(rig) == 1
    assert (rig.fates.replied, rig.fates.remembered) == (5, 4)
    assert memory_of(rig).figures() == {"entries": 1, "hits": 4, "misses": 1, "evictions": 0}


def test_it_echoes_the_new_requests_headers_and_signs_their_tag() -> None:
    plain, rig = rig_of(answering(None)), rig_of(answering())
    rig.receive(fresh())
    for data in (
        fresh(record_route=["<sip:p1;lr>", "<sip:p2;lr>"], timestamp="54"),
        fresh(to="<sip:bob@example.com>;tag=theirs"),
        fresh(via=["SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bKa", "SIP/2.0/TCP 10.0.0.2;branch=z9hG4bKb"]),
        fresh(from_='"A, B" <sip:a@b>;tag=x;y=1', subject="folded\r\n value"),
    ):
        rig.receive(data)
        plain.receive(data)
        assert rig.listener.sent[-1] == plain.listener.sent[-1]
    assert asked(rig) == 1


@pytest.mark.parametrize("remember", [None, 0])
def test_nothing_is_remembered_unless_it_is_asked_for(remember: float | None) -> None:
    rig = rig_of(answering(remember))
    for _ in range(3):
        rig.receive(fresh())
    assert asked(rig) == 3
    assert rig.fates.remembered == 0
    assert rig.edge.remembered is None


def test_it_is_forgotten_when_its_time_is_over() -> None:
    rig = rig_of(answering(5.0))
    rig.receive(fresh())
    rig.advance(4.9)
    rig.receive(fresh())
    assert asked(rig) == 1
    rig.advance(0.1)
    rig.receive(fresh())
    assert asked(rig) == 2


def test_silence_is_remembered_too() -> None:
    app = Handlers()
    app.on("REGISTER", remember=60.0)(lambda request: request.drop())
    rig = rig_of(app)
    for _ in range(4):
        rig.receive(fresh("REGISTER"))
    assert asked(rig) == 1
    assert rig.replies == []
    assert rig.shown() == {"dropped": {"handler": 4}, "remembered": 3}


def test_scanners_are_dropped_where_a_hook_before_the_handlers_says_so() -> None:
    app = Handlers()
    app.before(screen(), remember=60.0)
    app.otherwise(lambda request: request.reply(404))
    rig = rig_of(app)
    for _ in range(3):
        rig.receive(fresh(user_agent="friendly-scanner"))
        rig.receive(fresh(user_agent="a phone"))
    assert statuses(rig) == [404] * 3
    assert asked(rig) == 4  # what the handler says was not declared to be remembered
    assert rig.fates.remembered == 2


def test_the_ack_to_a_remembered_404_is_absorbed() -> None:
    rig = rig_of(answering())
    rig.receive(fresh("INVITE"))
    rig.advance(1.0)
    rig.receive(fresh("INVITE", call_id="c9", from_="<sip:a@b>;tag=9", cseq="9 INVITE"))
    to = read_reply(rig.replies[-1]).one(b"To").decode()
    rig.receive(request("ACK", call_id="c9", from_="<sip:a@b>;tag=9", cseq="9 ACK", to=to))
    assert asked(rig) == 1
    assert rig.shown() == {"replied": 2, "remembered": 1, "absorbed": 1}


def test_so_is_that_to_a_reinvite_which_has_its_own_tag() -> None:
    rig = rig_of(answering())
    own: dict[str, Any] = {"to": "<sip:bob@example.com>;tag=own", "call_id": "c8", "from_": "<sip:a@b>;tag=8"}
    rig.receive(fresh("INVITE", to="<sip:bob@example.com>;tag=other"))
    rig.receive(request("INVITE", cseq="8 INVITE", **own))
    rig.receive(request("ACK", cseq="8 ACK", **own))
    assert asked(rig) == 1
    assert rig.shown() == {"replied": 2, "remembered": 1, "absorbed": 1}


def test_the_filter_is_armed_by_what_is_said_again() -> None:
    """The first 404's window is over when the ACK to the second one comes."""
    rig = rig_of(answering(100.0), window=10.0)
    rig.receive(fresh("INVITE"))
    rig.advance(11.0)
    rig.receive(fresh("INVITE", call_id="c9", from_="<sip:a@b>;tag=9", cseq="9 INVITE"))
    to = read_reply(rig.replies[-1]).one(b"To").decode()
    rig.receive(request("ACK", call_id="c9", from_="<sip:a@b>;tag=9", cseq="9 ACK", to=to))
    assert rig.shown() == {"replied": 2, "remembered": 1, "absorbed": 1}


# By what a decision goes ----------------------------------------------------------------------------------------

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


# What is never remembered --------------------------------------------------------------------------------------


def test_neither_are_errors_nor_several_replies() -> None:
    app = Handlers()

    @app.on("INVITE", remember=60.0)
    def fails(request: Request) -> Any:
        raise RuntimeError("no")

    app.on("SUBSCRIBE", remember=60.0)(lambda request: [request.reply(180), request.reply(486)])
    app.on("MESSAGE", remember=60.0)(lambda request: request.reply(403, close=True))
    app.on("NOTIFY", remember=60.0)(lambda request: request.headers)
    app.on("INFO", remember=60.0)(lambda request: request.reply(200 if request.expires else 404))
    rig = rig_of(app)
    tls = LISTENERS["tls:192.0.2.7:5061"]
    for _ in range(2):
        for method in ("INVITE", "SUBSCRIBE", "MESSAGE", "NOTIFY", "INFO"):
            rig.receive(fresh(method, expires="x"), listener=tls)
    assert asked(rig) == 10
    assert rig.fates.remembered == 0


def test_nor_what_goes_through_a_rate_limit_unless_that_says_so() -> None:
    for remembered_too in (False, True):
        app = Handlers()
        app.before(RateLimit(100, 1.0, remembered=remembered_too))
        app.on("OPTIONS", remember=60.0)(lambda request: request.reply(200))
        rig = rig_of(app)
        for _ in range(3):
            rig.receive(fresh())
        assert asked(rig) == (1 if remembered_too else 3)


@pytest.mark.parametrize("hook", ["after", "local_response", "filtered_ack"])
def test_nor_what_a_hook_is_to_see_unless_that_says_so(hook: str) -> None:
    for remembered_too in (False, True):
        app = answering()
        declare = getattr(app, hook)(remembered=True) if remembered_too else getattr(app, hook)
        declare(lambda *_: None)
        rig = rig_of(app)
        for _ in range(3):
            rig.receive(fresh("INVITE"))
        assert asked(rig) == (1 if remembered_too else 3)
        assert bool(app.slips) is not remembered_too


def test_a_reply_that_an_after_hook_has_changed_is_said_again_as_it_left() -> None:
    app = answering()
    app.after(remembered=True)(lambda request, reply: reply.with_headers({"Server": request.uri.host}))
    rig = rig_of(app)
    for uri in ("sip:a@b", "sip:c@b", "sip:a@d"):
        rig.receive(fresh(uri=uri))
    assert [read_reply(reply).one(b"Server") for reply in rig.replies] == [b"b", b"b", b"d"]
    assert asked(rig) == 2


def test_a_reply_may_say_for_how_long_itself() -> None:
    app = Handlers()

    @app.on("OPTIONS", "INVITE", remember=60.0)
    def answer(request: Request) -> Any:
        return request.reply(404, remember={"1": 1.0, "0": 0.0}[request.uri.user])

    rig = rig_of(app)
    for user in ("0", "0", "1", "1"):
        rig.receive(fresh(uri=f"sip:{user}@b"))
    assert asked(rig) == 3
    rig.advance(1.0)
    rig.receive(fresh(uri="sip:1@b"))
    assert asked(rig) == 4


async def look_up(request: Request) -> Any:
    return request.reply(404 if request.uri.user == "a" else 480)


def test_async_handlers_may_be_remembered() -> None:
    app = Handlers()
    app.on("INVITE", remember=60.0)(look_up)
    rig = rig_of(app)
    for user in ("a", "b", "a", "b"):
        rig.receive(fresh("INVITE", f"sip:{user}@x"))
    assert statuses(rig) == [404, 480, 404, 480]
    assert asked(rig) == 2


# Workers, pools and versions ------------------------------------------------------------------------------------


def test_what_is_remembered_is_said_when_no_worker_is_left_until_it_expires() -> None:
    app = answering(5.0)
    rig = Rig()
    worker = rig.join(app)
    rig.receive(fresh())
    worker.membership.leave()
    rig.turn()
    rig.kill(worker)
    rig.receive(fresh())
    assert statuses(rig) == [404, 404]
    rig.advance(5.0)
    rig.receive(fresh())
    assert statuses(rig) == [404, 404, 503]


def test_another_worker_of_the_same_version_changes_nothing() -> None:
    rig = rig_of(answering())
    rig.receive(fresh())
    rig.join(answering())
    rig.receive(fresh())
    assert asked(rig) == 1


def test_one_of_another_version_has_all_forgotten() -> None:
    rig = rig_of(answering())
    rig.receive(fresh())
    newer = rig.join(answering(), generation="two")
    rig.receive(fresh())
    assert asked(rig) == 2
    rig.receive(fresh())
    assert asked(rig) == 2
    newer.membership.leave()  # what is remembered may be of the one that has gone
    rig.turn()
    rig.receive(fresh())
    assert asked(rig) == 3


def test_so_has_one_that_has_loaded_its_plugin_again() -> None:
    rig = Rig()
    worker = rig.join(answering())
    rig.receive(fresh())
    worker.hello["generation"] = "two"
    worker.membership.offer()
    rig.turn()
    rig.receive(fresh())
    assert asked(rig) == 2


def test_a_pool_does_not_remember_for_another() -> None:
    routes = tuple(Route.read(text) for text in ("pool=one user=1*", "pool=two user=2*"))
    rig = Rig(policies=Policies(routes=routes))
    one, two = Handlers(), Handlers()
    one.otherwise(remember=60.0)(lambda request: request.reply(480))
    two.otherwise(remember=60.0)(lambda request: request.reply(486))
    rig.join(one, pool="one")
    rig.join(two, pool="two")
    for _ in range(2):
        rig.receive(fresh("INVITE", "sip:1@b"), fresh("INVITE", "sip:2@b"))
    assert statuses(rig) == [480, 486] * 2
    assert asked(rig) == 2
    assert memory_of(rig).forget("one") == 1
    rig.receive(fresh("INVITE", "sip:1@b"), fresh("INVITE", "sip:2@b"))
    assert asked(rig) == 3


def test_a_pool_that_is_shadowed_is_not_remembered() -> None:
    rig = Rig(policies=Policies(shadow=("canary", 100.0)))
    rig.join(answering())
    rig.join(answering(), pool="canary")
    for _ in range(3):
        rig.receive(fresh())
    assert asked(rig) == 6


def test_a_draining_edge_refuses_options_and_says_the_rest_again() -> None:
    rig = rig_of(answering())
    rig.receive(fresh(), fresh("INVITE"))
    rig.edge.draining = True
    rig.receive(fresh(), fresh("INVITE"))
    assert statuses(rig) == [404, 404, 503, 404]
    assert asked(rig) == 2


def test_a_request_that_is_in_flight_already_is_not_answered_beside_its_worker() -> None:
    rig = rig_of(answering())
    rig.receive(fresh("INVITE", "sip:a@b"))
    rig.advance(6.0)  # forgotten
    rig.hang()
    late = fresh("INVITE", "sip:a@b")
    rig.receive(late)
    other = rig.join(answering())
    rig.receive(fresh("INVITE", "sip:a@b"))
    assert other.asked == 1
    before = len(rig.replies)
    rig.receive(late)
    assert len(rig.replies) == before
    assert rig.fates.repeated == 1


def test_a_worker_that_lies_about_its_reply_has_it_not_remembered(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    worker = rig.join(answering())

    respond = worker.respond

    def lie(item: Item) -> Answer:
        answer = respond(item)
        assert isinstance(answer, bytes)
        return answer.replace(b"\r\nCall-ID: ", b"\r\nCall-ID: x")

    worker.respond = lie
    rig.receive(fresh())
    rig.receive(fresh())
    assert worker.asked == 2
    assert memory_of(rig).refused == 2
    assert "cannot be remembered" in caplog.text


# Many of them ---------------------------------------------------------------------------------------------------


def test_the_table_is_bounded_and_keeps_what_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MAX_ENTRIES", 64)
    app = Handlers()
    app.on("INVITE", remember=600.0)(lambda request: request.reply(404, headers={"X": request.uri.user}))
    rig = rig_of(app)
    memory = memory_of(rig)
    for number in range(500):
        rig.advance(0.1)
        rig.receive(fresh("INVITE", "sip:popular@b"), fresh("INVITE", f"sip:{number}@b"))
        assert memory.figures()["entries"] <= 64
    assert asked(rig) == 501
    assert memory.figures()["evictions"] > 400


def test_in_a_flood_of_new_users_few_are_looked_at_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Handlers()
    watched = 0
    app.on("INVITE", remember=600.0)(lambda request: request.reply(404 if request.uri.user else 480))
    rig = Rig()
    worker = rig.join(app, credit=10_000)
    watch = worker.responder.watch

    def counting(*given: Any) -> Any:
        nonlocal watched
        watched += 1
        return watch(*given)

    monkeypatch.setattr(worker.responder, "watch", counting)
    for number in range(0, 5_000, 100):
        rig.receive(*(fresh("INVITE", f"sip:{one}@b") for one in range(number, number + 100)))
    assert watched <= remembered.WANTED_AT_ONCE + 1
    users = [fresh("INVITE", f"sip:{one}@b") for one in range(4_000, 4_100)]  # who were here: they are worth it
    rig.receive(*users)
    assert watched >= remembered.WANTED_AT_ONCE + 90
    before = asked(rig)
    rig.receive(*(fresh("INVITE", f"sip:{one}@b") for one in range(4_000, 4_100)))
    assert asked(rig) - before <= 10


def test_many_ways_to_decide_make_few_tables() -> None:
    app = Handlers()

    @app.on("INVITE", remember=600.0)
    def answer(request: Request) -> Any:
        for number in range(int(request.uri.user)):
            request.headers.get(f"X-{number}")
        return DROP

    rig = rig_of(app)
    for number in range(20):
        rig.receive(fresh("INVITE", f"sip:{number}@b"))
    (recall,) = memory_of(rig).pools.values()
    assert len(recall.tables[b"INVITE"]) <= remembered.MAX_TABLES
