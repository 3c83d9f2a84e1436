"""What people get wrong in a plugin is said where it stands: at its declaration, or in the handler's line."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import pytest

from slbroker import DROP, Handlers, Reply, Request
from slbroker.plugin import Digest, RateLimit, SlError, keepalive, maintenance, screen
from slbroker.testing import Client, RequestFactory
from tests.support.processes import run_slbroker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

USERS = Digest("example.com", {"alice": "wonderland"}.get)
ANY: Any = (Handlers, Digest, RateLimit, screen)
handlers, digest, rate_limit, screened = ANY  # to be called as no type checker would let it be


def answer(request: Request) -> Reply:
    return request.reply(200)


# Guards ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "declare",
    [
        lambda app: app.on("INVITE"),
        lambda app: app.on("REGISTER", user="9*"),
        lambda app: app.otherwise,
        lambda app: app.filtered_ack,
        lambda app: app.before,
    ],
)
def test_a_guard_above_app_on_is_an_error_and_no_open_door(declare: Callable[[Handlers], Any]) -> None:
    app = Handlers()
    with pytest.raises(ValueError, match=r"register is declared without its guard; write @app\.on above"):

        @USERS.required
        @declare(app)  # type: ignore[untyped-decorator]
        def register(request: Request) -> Reply:
            return request.reply(200)

    with pytest.raises(ValueError, match="without its guard"):

        @USERS.required
        @declare(Handlers())  # type: ignore[untyped-decorator]
        async def register_later(request: Request) -> Reply:
            return request.reply(200)


def test_check_refuses_a_plugin_with_its_guard_above_app_on(tmp_path: Path) -> None:
    plugin = tmp_path / "open.py"
    plugin.write_text(
        "from slbroker import Handlers\nfrom slbroker.plugin import Digest\n"
        "app = Handlers()\nusers = Digest('r', {}.get)\n\n"
        "@users.required\n@app.on('REGISTER')\ndef register(request):\n    return request.reply(200)\n"
    )
    checked = run_slbroker("check", "--plugin", str(plugin))
    assert checked.wait() == 5
    assert f"{plugin}:6: ValueError: register is declared without its guard" in checked.output


def test_one_function_may_be_open_for_one_plugin_and_guarded_in_another() -> None:
    app, other = Handlers(), Handlers()
    app.on("OPTIONS")(answer)
    other.on("REGISTER")(USERS.required(answer))
    for client, method, status in ((Client(app), "OPTIONS", 200), (Client(other), "REGISTER", 401)):
        response = client.request(method)
        assert response is not None
        assert response.status == status


# Declarations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("invite", "write on('INVITE')"),
        ("Register", "write on('REGISTER')"),
        ("*", "@app.otherwise"),
        ("SUB*", "@app.otherwise"),
        ("", "wants SIP methods"),
        ("IN VITE", "wants SIP methods"),
        (None, "wants SIP methods"),
        (["INVITE"], "wants SIP methods"),
    ],
)
def test_a_method_that_no_request_has_is_refused(method: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Handlers().on("OPTIONS", method)
    with pytest.raises(ValueError, match="wants SIP methods"):
        Handlers().on()


@pytest.mark.parametrize(
    ("method", "meant"), [("INVTIE", "INVITE"), ("REGSITER", "REGISTER"), ("OPTION", "OPTIONS"), ("PING", "")]
)
def test_a_misspelt_method_is_warned_of_in_its_line(method: str, meant: str) -> None:
    app = Handlers()
    line = test_a_misspelt_method_is_warned_of_in_its_line.__code__.co_firstlineno + 6
    app.on(method)(answer)
    wanted = [f"{__file__}:{line}: on('{method}') is for a method that no RFC has; {meant}?"] if meant else []
    assert app.slips == wanted


def test_check_and_handler_name_a_slip_with_file_and_line(tmp_path: Path) -> None:
    plugin = tmp_path / "slips.py"
    plugin.write_text("from slbroker import Handlers\napp = Handlers()\n@app.on('INVTIE')\ndef f(request): ...\n")
    checked = run_slbroker("check", "--plugin", str(plugin))
    assert checked.wait() == 0
    assert f"{plugin}:3: on('INVTIE') is for a method that no RFC has; INVITE?" in checked.output
    plugin.write_text("from slbroker import Handlers\n\napp = Handlers()\n")
    checked = run_slbroker("check", "--plugin", str(plugin))
    assert checked.wait() == 0
    assert f"note plugin   {plugin}:3: no handlers; a request gets 405" in checked.output
    request = tmp_path / "request.sip"
    request.write_bytes(RequestFactory().request("INVITE"))
    explained = run_slbroker("explain", str(request), "--plugin", str(plugin))
    assert f"{plugin}:3: no handlers" in explained.log


def test_a_plugin_of_hooks_alone_is_no_slip() -> None:
    app = Handlers()
    app.before(lambda request: request.reply(403))
    assert app.slips == []


def no_parameter() -> Reply:
    return Reply(200)


def two(_request: Request, _other: object) -> Reply:
    return Reply(200)


async def later(_request: Request, _reply: Reply) -> None: ...


def generates(_request: Request) -> Any:
    yield Reply(200)


@pytest.mark.parametrize("declare", ["on", "otherwise", "before", "filtered_ack", "required"])
@pytest.mark.parametrize(
    ("function", "said"),
    [
        (no_parameter, "cannot be called as no_parameter(request)"),
        (two, "cannot be called as two(request)"),
        (generates, "has a yield in it"),
        (None, "goes before a function, not None"),
    ],
)
def test_a_handler_that_cannot_take_a_request_is_refused(declare: str, function: Any, said: str) -> None:
    app = Handlers()
    decorators: dict[str, Any] = {"on": app.on("INVITE"), "required": USERS.required}
    with pytest.raises(ValueError, match=re.escape(said)):
        (decorators.get(declare) or getattr(app, declare))(function)


@pytest.mark.parametrize(
    ("declare", "function"),
    [
        ("after", answer), ("after", later), ("local_response", answer), ("local_response", later),
        ("startup", answer), ("shutdown", answer), ("startup", 5),
    ],
)  # fmt: skip
def test_a_hook_that_cannot_be_called_is_refused(declare: str, function: Any) -> None:
    with pytest.raises(ValueError, match=f"@app.{declare}"):
        getattr(Handlers(), declare)(function)


def test_what_can_take_a_request_is_taken() -> None:
    class Object:
        def __call__(self, request: Request) -> Reply:
            return request.reply(200)

        def method(self, request: Request, status: int = 200) -> Reply:
            return request.reply(status)

    @functools.wraps(no_parameter)
    def wrapper(*given: Any) -> Reply:
        return answer(*given)

    for handler in (Object(), Object().method, functools.partial(Object().method, status=200), wrapper, lambda r: r):
        Handlers().on("INVITE")(handler)


@pytest.mark.parametrize("timeout", ["2", 0, -1, True, float("nan"), [2], b"2"])
def test_a_time_that_is_no_number_is_refused(timeout: Any) -> None:
    async def handler(request: Request) -> Reply:
        return request.reply(200)

    with pytest.raises(ValueError, match=r"timeout=.* is no number of seconds above 0"):
        Handlers().on("INVITE", timeout=timeout)(handler)
    with pytest.raises(ValueError, match=r"timeout=.* is no number of seconds above 0"):
        Handlers(timeout=timeout)
    with pytest.raises(ValueError, match=r"lifetime=.* is no number of seconds above 0"):
        Digest("r", str, lifetime=timeout)


@pytest.mark.parametrize("limit", ["5", 0, 2.5, True])
def test_a_limit_that_is_no_number_is_refused(limit: Any) -> None:
    async def handler(request: Request) -> Reply:
        return request.reply(200)

    with pytest.raises(ValueError, match="is no number of calls"):
        Handlers().on("INVITE", limit=limit)(handler)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: handlers(default_code="500"), "status '500' is no whole number"),
        (lambda: handlers().on("INVITE", header=5)(answer), "text is wanted"),
        (lambda: handlers().on("INVITE", source=5)(answer), "source=5"),
        (lambda: handlers().on("INVITE", transport=5)(answer), "text is wanted"),
        (lambda: digest("r", {"alice": "x"}), "of a dict pass its .get"),
        (lambda: digest(5, str), "realm=5"),
        (lambda: rate_limit("30"), "a rate of '30'"),
        (lambda: screened(5), "patterns want text"),
    ],
)  # fmt: skip
def test_an_argument_of_another_kind_is_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        make()


def test_one_word_in_place_of_a_list_is_that_word_and_not_its_letters() -> None:
    app = Handlers()
    app.before(screen("*scanner*", users="9*", answer=Reply(403)))
    app.before(maintenance(exempt="BYE"))
    app.otherwise(keepalive(allow="INVITE", supported="timer"))
    client = Client(app)
    asked = [
        ("BYE", "sip:1@h", {"User-Agent": "phone"}), ("BYE", "sip:1@h", {"User-Agent": "a scanner"}),
        ("BYE", "sip:9@h", {}), ("INVITE", "sip:1@h", {}),
    ]  # fmt: skip
    replies = [client.request(*one) for one in asked]
    assert [reply.status for reply in replies if reply is not None] == [200, 403, 403, 503]
    assert replies[0] is not None
    assert replies[0].first("Allow") == "INVITE"
    assert replies[0].first("Supported") == "timer"


# Answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decide", "said"),
    [
        (lambda r: r.reply("486"), "status '486' is no whole number; write it as 486"),
        (lambda r: r.reply(486.0), "status 486.0 is no whole number"),
        (lambda r: r.reply([486]), "status [486] is no whole number"),
        (lambda r: r.reply(True), "status True is no whole number"),
        (lambda r: r.reply("Busy Here", 486), "status 'Busy Here' is no whole number"),
        (lambda r: r.reply(486, 5), "reason 5 is no text"),
        (lambda r: r.reply(486, b"Busy"), "reason b'Busy' is no text"),
        (lambda r: r.reply(486, {"X": "y"}), "reason {'X': 'y'} is no text"),
        (lambda r: r.reply(486, ["x"]), "reason ['x'] is no text"),
        (lambda r: r.reply(200, headers=["X: y"]), "headers want a dict, {'Name': 'value'}, or pairs; 'X: y' is none"),
        (lambda r: r.reply(200, headers="X: y"), "'X: y' is none"),
        (lambda r: r.reply(200, headers=("Subject", "y")), "'Subject' is none"),
        (lambda r: r.reply(200, headers=[("X", "y", "z")]), "is none"),
        (lambda r: r.reply(200, headers=5), "5 is none"),
        (lambda r: r.reply(200, headers={"X": 5}), "header X wants text"),
        (lambda r: r.reply(200, headers={"X": None}), "header X wants text"),
        (lambda r: r.reply(200, headers={"X": b"y"}), "header X wants text"),
        (lambda r: r.reply(200, headers={b"X": "y"}), "b'X' is no header name"),
        (lambda r: r.reply(200, headers={5: "y"}), "5 is no header name"),
        (lambda r: r.reply(200, headers={"Content-Type": "a/b"}, body=5), "a body is text or bytes, not 5"),
        (lambda r: r.reply(200, headers={"Content-Type": "a/b"}, body={"a": 1}), "a body is text or bytes"),
        (lambda r: r.reply(200).with_headers(["X"]), "'X' is none"),
        (lambda r: r.redirect("bob@example.com"), "'bob@example.com' is no URI; write sip:user@host"),
        (lambda r: r.redirect("bob@example.com:5070"), "is no URI; write sip:user@host"),
        (lambda r: r.redirect("gw:5070"), "is a host and its port, no URI; write sip:gw:5070"),
        (lambda r: r.redirect("example.com:5070"), "write sip:example.com:5070"),
        (lambda r: r.redirect("192.0.2.1:5070"), "is no URI"),
        (lambda r: r.redirect("<bob@example.com>"), "is no URI"),
        (lambda r: r.redirect(None), "redirect wants 'sip:user@host'"),
        (lambda r: r.redirect(["sip:a@b", "sip:c@d"]), "redirect wants 'sip:user@host'"),
        (lambda r: r.redirect(("sip:a@b", "0.5")), "redirect wants 'sip:user@host'"),
        (lambda r: r.redirect(r.uri), "write str(uri)"),
        (lambda r: r.redirect(r.from_address), "write str(uri)"),
        (lambda r: r.redirect("sip:a@b", status="302"), "status '302' is no whole number"),
        (lambda r: r.reply_error("E_UNSPEC"), "'E_UNSPEC' is no SlError"),
        (lambda r: r.reply_error(500), "500 is no SlError"),
        (lambda r: r.registered(minimum="60"), "minimum='60'"),
        (lambda r: r.registered(service_route=5), "text is wanted"),
    ],
)
def test_a_mistake_in_an_answer_is_500_and_says_what_to_write(
    decide: Callable[[Any], Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    Reply(486)  # what is remembered of it serves no other kind of number
    app = Handlers()

    @app.otherwise
    def handler(request: Request) -> Any:
        return decide(request)

    response = Client(app).request("REGISTER")
    assert response is not None
    assert response.status == 500
    (line,) = caplog.messages
    assert "ValueError: " in line
    assert said in line
    assert f"{__file__}:" in line


def test_what_is_right_stays_right() -> None:
    from http import HTTPStatus

    assert Reply(HTTPStatus.NOT_FOUND, "x").line.endswith(b"404 x")
    assert Reply(200, body=None).body == b""  # type: ignore[arg-type]
    mutable: Any = bytearray(b"x")
    assert Reply(200, headers={"Content-Type": "a/b"}, body=mutable).body == b"x"
    assert Reply(200, headers=iter([("X", "y")])).extra == b"\r\nX: y"
    assert SlError.E_UNSPEC
    request: list[Any] = []
    app = Handlers()
    app.otherwise(lambda r: request.append(r) or DROP)  # type: ignore[func-returns-value]
    Client(app).request("INVITE")
    for contact in ("tel:112", "sip:5060", "mailto:bob@example.com", ("sip:a@b", 1), "sip:gw:5070"):
        assert b"Contact: <" in request[0].redirect(contact).extra
