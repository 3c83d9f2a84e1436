"""What an edge adds to replies, and says of them: Retry-After, Server, the log line about a 420."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers
from slbroker.settings.dispatch import Policies
from slbroker.sip.retryafter import RetryAfter
from slbroker_edge.complaints import MOST_OTHERS
from tests.edge.test_edge_policies import app, statuses
from tests.support.edge import Rig
from tests.support.sip import read_reply, request

if TYPE_CHECKING:
    from slbroker.plugin.request import Request


# Retry-After ----------------------------------------------------------------------------------------------------


def again(rig: Rig) -> list[bytes]:
    """What each of the replies says of when to come again, b"" for nothing."""
    return [b"".join(read_reply(reply).all(b"Retry-After")) for reply in rig.replies]


def calls(count: int, method: str = "REGISTER") -> list[bytes]:
    return [request(method, call_id=f"call-{number}") for number in range(count)]


def test_those_who_are_shed_together_are_not_told_to_come_back_together() -> None:
    rig = Rig()
    rig.receive(*calls(200))
    seconds = [int(value) for value in again(rig)]
    assert (min(seconds), max(seconds)) == (5, 30)
    assert max(map(seconds.count, seconds)) < 25


def test_a_repeat_of_what_was_shed_is_told_the_same() -> None:
    first, second = Rig(), Rig()
    for rig in (first, second):
        rig.receive(*calls(20))
        rig.receive(*calls(20))
    assert again(first)[:20] == again(first)[20:] == again(second)[:20]


@pytest.mark.parametrize(("text", "value"), [("7", b"7"), ("off", b"")])
def test_when_to_come_again_is_a_setting(text: str, value: bytes) -> None:
    rig = Rig(policies=Policies(retry_after=RetryAfter.read(text)))
    rig.receive(*calls(3))
    rig.join(app())
    rig.edge.draining = True
    rig.receive(request("OPTIONS"))
    assert statuses(rig) == [503] * 4
    assert again(rig) == [value] * 4


def test_beyond_the_budget_nobody_is_told_to_come_again() -> None:
    rig = Rig(policies=Policies(overload_budget=3))
    rig.receive(*calls(10))
    assert len(again(rig)) == 3


# Server ---------------------------------------------------------------------------------------------------------


def test_all_replies_name_the_server_and_a_handlers_own_name_stays() -> None:
    rig = Rig(policies=Policies(server="Bänk 1.0"))
    handlers = app()

    @handlers.on("INVITE")
    def named(request: Request) -> Any:
        return request.reply(486, headers={"SERVER": "mine", "Content-Type": "text/plain"}, body="Server: no")

    rig.receive(request("OPTIONS"))  # 503 of the edge's own
    rig.join(handlers)
    rig.receive(request("OPTIONS"), request("INVITE"), request(lines=[b"Require: x"]), request(cseq="x"))
    replies = {(reply := read_reply(data)).status: reply.all(b"Server") + reply.all(b"SERVER") for data in rig.replies}
    ours = ["Bänk 1.0".encode()]
    assert replies == {503: ours, 200: ours, 486: [b"mine"], 420: ours, 400: ours}


def test_a_body_is_what_it_was_before_the_server_was_named() -> None:
    body = "v=0\r\n\r\nServer: x\r\n"
    handlers = Handlers()

    @handlers.otherwise
    def answer(request: Request) -> Any:
        return request.reply(200, headers={"Content-Type": "text/plain"}, body=body)

    rig = Rig(policies=Policies(server="us"))
    rig.join(handlers)
    rig.receive(request())
    reply = read_reply(rig.replies[0])
    assert (reply.one(b"Server"), reply.body) == (b"us", body.encode())
    assert reply.one(b"Content-Length") == b"%d" % len(body)


def test_a_reply_as_long_as_a_datagram_leaves_as_it_is() -> None:
    handlers = Handlers()
    handlers.otherwise(lambda request: request.reply(200, headers={"Content-Type": "x/y"}, body=b"x" * 65_200))
    rig = Rig(policies=Policies(server="s" * 128))
    rig.join(handlers)
    rig.receive(request())
    assert read_reply(rig.replies[0]).all(b"Server") == []


def test_without_the_setting_there_is_no_server_header() -> None:
    rig = Rig()
    rig.join(app())
    rig.receive(request())
    assert read_reply(rig.replies[0]).all(b"Server") == []


# Require --------------------------------------------------------------------------------------------------------


def requiring(tags: str) -> bytes:
    return request("INVITE", lines=[f"Require: {tags}".encode()])


def test_a_refused_option_tag_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.receive(*[requiring("timer")] * 5, requiring("Timer"), requiring("timer, 100rel"))
    assert statuses(rig) == [420] * 7
    assert caplog.messages == [
        f"420 to INVITE from 192.0.2.1, which requires {tag}: if your handlers may serve such requests, say --supported"
        f" {tag} (said once)"
        for tag in ("timer", "100rel")
    ]


def test_a_peer_that_makes_up_option_tags_fills_neither_log_nor_memory(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    for number in range(500):
        rig.receive(requiring(f"x{number}-{'y' * 2_000}"))
    assert len(caplog.messages) == MOST_OTHERS
    assert max(map(len, caplog.messages)) < 300
    rig.receive(requiring("timer"))
    assert "which requires timer" in caplog.messages[-1], "there is room for what is registered"
    assert rig.shown() == {"replied": 501}
