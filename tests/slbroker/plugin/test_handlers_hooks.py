"""What stands around handlers: hooks, settings, times, numbers of calls at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from slbroker import DROP, Handlers, Reply, Request
from slbroker.errors import PluginError
from slbroker.plugin import lifecycle
from slbroker.sip.slerrors import SlError
from slbroker.testing import Client
from tests.support.timing import within

if TYPE_CHECKING:
    from slbroker.plugin.reply import Drop

SORRY = (500, "I'm terribly sorry, server error occurred (1/SL)")


def ok(request: Request) -> Reply:
    return request.reply(200)


def fail(_request: Request) -> Reply:
    raise ZeroDivisionError


def outcome(app: Handlers, method: str = "OPTIONS", uri: str = "sip:bob@example.com") -> tuple[int, str] | None:
    response = Client(app).request(method, uri)
    return None if response is None else (response.status, response.reason)


# filtered_ack ---------------------------------------------------------------------------------------------------


def test_absorbed_acks_are_told_and_nobody_else_is_asked() -> None:
    app = Handlers()
    asked: list[str] = []
    told: list[str] = []
    app.before(lambda request: asked.append(request.method))
    app.on("ACK")(fail)

    @app.filtered_ack
    def tell(request: Request) -> Reply:
        told.append(request.headers["X-Why"])
        return request.reply(200)

    client = Client(app)
    client.filtered_ack(headers={"X-Why": "because"})
    assert (told, asked, client.errors) == (["because"], [], 0)


def test_a_filtered_ack_handler_may_be_async() -> None:
    app = Handlers()
    told: list[str] = []

    @app.filtered_ack
    async def tell(request: Request) -> Drop:
        await asyncio.sleep(0)
        told.append(request.method)
        return request.drop()

    Client(app).filtered_ack()
    assert told == ["ACK"]


def test_there_is_one_filtered_ack_handler() -> None:
    app = Handlers()
    app.filtered_ack(ok)
    with pytest.raises(ValueError, match=r"there is an @app\.filtered_ack handler already"):
        app.filtered_ack(ok)


# before ---------------------------------------------------------------------------------------------------------


async def later(request: Request) -> Reply | None:
    await asyncio.sleep(0)
    return request.reply(403, "Later") if request.uri.user == "later" else None


def now(request: Request) -> Reply | None:
    return request.reply(403, "Now") if request.uri.user == "now" else None


@pytest.mark.parametrize("hooks", [[now, later], [later, now], [later, later, now]])
@pytest.mark.parametrize("asynchronous", [True, False])
def test_the_first_hook_that_decides_has_decided(hooks: list[Any], asynchronous: bool) -> None:
    app = Handlers()
    for hook in hooks:
        app.before(hook)

    async def ok_later(request: Request) -> Reply:
        return ok(request)

    app.on("OPTIONS")(ok_later if asynchronous else ok)
    assert outcome(app) == (200, "OK")
    assert outcome(app, uri="sip:now@h") == (403, "Now")
    assert outcome(app, uri="sip:later@h") == (403, "Later")


def test_what_a_hook_returns_and_is_no_decision_may_be_the_hooks(caplog: pytest.LogCaptureFixture) -> None:
    app = Handlers()
    app.before(lambda _request: True)  # type: ignore[type-var]
    app.on("OPTIONS")(ok)
    assert outcome(app) == SORRY
    assert f"ok at {__file__}:{ok.__code__.co_firstlineno}, or a before hook, returned True" in caplog.text


def test_hooks_are_asked_in_order_and_no_further_than_needed() -> None:
    app, asked = Handlers(), []
    app.before(lambda _request: asked.append("first"))
    app.before(lambda _request: asked.append("second") or DROP)  # type: ignore[func-returns-value]
    app.before(lambda _request: asked.append("third"))
    app.otherwise(ok)
    assert outcome(app) is None
    assert asked == ["first", "second"]


def test_what_nobody_handles_meets_the_hooks_too() -> None:
    """A scanner's INVITE is to hear nothing, whether the plugin serves INVITE or not."""
    app = Handlers()
    app.on("OPTIONS")(ok)
    assert outcome(app, "INVITE") == (405, "Method Not Allowed")
    app.before(lambda _request: DROP)
    assert [outcome(app, method) for method in ("INVITE", "FOO", "OPTIONS")] == [None, None, None]


def test_a_hook_that_fails_is_a_fault_of_the_plugin() -> None:
    app = Handlers()
    app.before(fail)
    app.otherwise(ok)
    assert outcome(app) == SORRY


# after ----------------------------------------------------------------------------------------------------------


def test_each_reply_is_shown_before_it_is_built() -> None:
    app, seen = Handlers(), []
    app.on("INVITE")(lambda request: [request.reply(180), request.reply(486)])
    app.on("OPTIONS")(fail)

    @app.after
    def note(request: Request, reply: Reply) -> None:
        seen.append((request.method, reply.status))

    @app.after
    def change(request: Request, reply: Reply) -> Reply | None:
        return request.reply(600) if reply.status == 486 else None

    assert [reply.status for reply in Client(app).replies("INVITE")] == [180, 600]
    assert outcome(app) == SORRY
    assert seen == [("INVITE", 180), ("INVITE", 486), ("OPTIONS", 500)]


@pytest.mark.parametrize("hook", [lambda _request, _reply: 1 // 0, lambda _request, _reply: "200 OK"])
def test_a_reply_leaves_whatever_an_after_hook_does(hook: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = Handlers()
    app.after(hook)
    app.otherwise(ok)
    assert outcome(app) == (200, "OK")
    assert len(caplog.messages) == 1


def test_local_response_is_told_of_replies_that_have_left() -> None:
    app, told = Handlers(), []
    app.on("INVITE")(lambda request: [request.reply(180), request.reply(486)])
    app.on("SUBSCRIBE")(lambda _request: DROP)

    @app.local_response
    def note(request: Request, reply: Reply) -> None:
        told.append((request.method, reply.status))
        raise RuntimeError("and that harms nobody")

    client = Client(app)
    assert [reply.status for reply in client.replies("INVITE")] == [180, 486]
    client.request("SUBSCRIBE")
    assert told == [("INVITE", 180), ("INVITE", 486)]


# Settings -------------------------------------------------------------------------------------------------------


def test_default_code_and_reason() -> None:
    app = Handlers()
    app.otherwise(lambda request: request.reply())
    assert outcome(app) == (500, "Internal Server Error")
    app = Handlers(default_code=503, default_reason="Come Back")
    app.otherwise(lambda request: request.reply())
    assert outcome(app) == (503, "Come Back")


def test_the_error_table_is_the_plugin_s_choice() -> None:
    for errors, uri_fault, fault in (
        ("kamailio", (479, "Regretfully, we were not able to process the URI (479/SL)"), SORRY),
        ("opensips", (475, "Bad URI (475/SL)"), (500, "Server error occurred (1/SL)")),
    ):
        app = Handlers(errors=errors)  # type: ignore[arg-type]
        app.on("INVITE")(lambda request: request.reply_error(SlError.E_BAD_URI))
        app.on("OPTIONS")(fail)
        assert (outcome(app, "INVITE"), outcome(app)) == (uri_fault, fault)


@pytest.mark.parametrize(
    ("decision", "statuses"), [([183, 486], [486]), ([183], [500]), (183, [500]), (486, [486]), ([100, 180], [500])]
)
def test_provisional_replies_may_be_refused(decision: Any, statuses: list[int]) -> None:
    """RFC 3261 8.2.7."""
    made = [Reply(status) for status in decision] if isinstance(decision, list) else Reply(decision)
    app = Handlers(provisional=False)
    app.otherwise(lambda _request: made)
    assert [reply.status for reply in Client(app).replies("INVITE")] == statuses


@pytest.mark.parametrize(
    "wrong",
    [
        {"default_code": 99}, {"default_reason": ""}, {"errors": "asterisk"}, {"timeout": 0}, {"timeout": -1},
        {"timeout": float("nan")}, {"on_timeout": "503"},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Handlers(**wrong)


# Time and number ------------------------------------------------------------------------------------------------


async def never(_request: Request) -> Reply:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize(("app_wide", "own"), [(0.01, None), (None, 0.01), (60.0, 0.01)])
def test_a_handler_that_takes_too_long_is_a_fault_and_says_which(
    app_wide: float | None, own: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    app = Handlers(timeout=app_wide)
    app.on("OPTIONS", timeout=own)(never)
    assert outcome(app) == SORRY
    assert "never has not answered within 0.01 s" in caplog.text


@pytest.mark.parametrize(("policy", "answer"), [(Reply(503, "Busy"), (503, "Busy")), (DROP, None)])
def test_what_is_answered_then_is_a_setting(policy: Any, answer: Any) -> None:
    app = Handlers(timeout=0.01, on_timeout=policy)
    app.otherwise(never)
    assert outcome(app) == answer


def test_a_timeout_of_the_handler_s_own_making_is_its_own() -> None:
    app = Handlers(timeout=60, on_timeout=Reply(503))

    @app.otherwise
    async def fails(_request: Request) -> Reply:
        raise TimeoutError("the database")

    assert outcome(app) == SORRY


def test_calls_beyond_the_limit_wait_for_their_turn() -> None:
    running, most, order = 0, 0, []

    async def count(request: Request) -> Reply:
        nonlocal running, most
        running += 1
        most = max(most, running)
        order.append(request.uri.user)
        await asyncio.sleep(0)
        running -= 1
        return request.reply(200)

    app = Handlers()
    app.on("OPTIONS", limit=3)(count)

    async def play() -> list[Any]:
        client = Client(app)
        return await asyncio.gather(*(client.ask("OPTIONS", f"sip:{n}@h") for n in range(10)))

    for _ in range(2):  # a limit belongs to no loop
        order.clear()
        replies = asyncio.run(play())
        assert [reply and reply.status for reply in replies] == [200] * 10
        assert order == [str(n) for n in range(10)]
    assert most == 3


def test_waiting_for_a_turn_counts() -> None:
    app = Handlers(on_timeout=Reply(503))
    app.on("OPTIONS", limit=1, timeout=0.02)(never)

    async def play() -> list[Any]:
        client = Client(app)
        return await asyncio.wait_for(asyncio.gather(*(client.ask("OPTIONS") for _ in range(3))), within(5))

    assert [reply.status for reply in asyncio.run(play())] == [503] * 3


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"limit": 0}, {"timeout": -1}])
def test_times_and_limits_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="="):
        Handlers().on("OPTIONS", **wrong)(never)


@pytest.mark.parametrize("given", [{"timeout": 1.0}, {"limit": 1}])
def test_a_plain_function_can_have_neither(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="ok is none"):
        Handlers().on("OPTIONS", **given)(ok)


# Beginning and end ----------------------------------------------------------------------------------------------


def test_startup_and_shutdown_around_a_client() -> None:
    app, called = Handlers(), []
    app.startup(lambda: called.append("first"))

    @app.startup
    async def second() -> None:
        await asyncio.sleep(0)
        called.append("second")

    app.shutdown(lambda: called.append("last"))

    @app.shutdown
    async def fails() -> None:
        raise RuntimeError("and the other one is called all the same")

    @app.otherwise
    async def served(request: Request) -> Reply:
        called.append("served")
        return request.reply(200)

    with Client(app) as client:
        assert called == ["first", "second"]
        assert client.request("OPTIONS") is not None
    assert called == ["first", "second", "served", "last"]


def test_a_startup_that_fails_says_where() -> None:
    app = Handlers()
    app.startup(lambda: 1 // 0)
    with pytest.raises(
        PluginError, match=r"startup failed: ZeroDivisionError: .* at .*test_handlers_hooks\.py:\d+ in <lambda>"
    ):
        asyncio.run(lifecycle.start(app))


# What is cancelled ----------------------------------------------------------------------------------------------


async def await_what_is_cancelled(_request: Request) -> Reply:
    inner = asyncio.ensure_future(asyncio.sleep(60))
    await asyncio.sleep(0)
    inner.cancel()
    await inner
    raise AssertionError("unreachable")


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_a_handler_that_awaits_what_is_cancelled_has_failed(
    timeout: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    app = Handlers()
    app.on("OPTIONS", timeout=timeout)(await_what_is_cancelled)
    assert outcome(app) == SORRY
    assert "CancelledError" in caplog.text


def test_a_handler_that_is_cancelled_itself_answers_nothing() -> None:
    """As when its worker is stopped for good."""
    app = Handlers()

    @app.on("OPTIONS")
    async def wait(_request: Request) -> Reply:
        await asyncio.sleep(60)
        raise AssertionError("unreachable")

    async def play() -> None:
        asking = asyncio.ensure_future(Client(app).ask("OPTIONS"))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(play())
