"""Replies on their way back, of which a plugin is asked: `@app.on_reply`, over the real bus protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers
from slbroker.keys import KeyRing
from slbroker.settings.dispatch import DispatchSettings
from tests.support.edge import PEER
from tests.support.forwarding import headers, lines_of, reply_to, seals_of, vias
from tests.support.passing import NEXT, PassingRig
from tests.support.sip import request

if TYPE_CHECKING:
    from slbroker.plugin import ForwardedReply


def app(hook: Any, **others: Any) -> Handlers:
    made = Handlers()
    made.on_reply(hook)
    for name, handler in others.items():
        made.on(name)(handler)
    return made


def rig(*routes: str, **options: Any) -> PassingRig:
    return PassingRig(*(routes or ("pass=sip:10.0.0.5",)), **options)


def exchange(site: PassingRig, status: int = 200, reason: bytes = b"OK", call: str = "c") -> list[bytes]:
    """Let a request go through and its reply come back; return what its sender got for it."""
    before = len(site.to(PEER))
    site.receive(request("MESSAGE", call_id=call))
    site.receive(reply_to(site.to(NEXT)[-1], status, reason), source=NEXT)
    return site.to(PEER)[before:]


def figures(site: PassingRig) -> dict[str, Any]:
    return {name: value for name, value in site.forwarding.replies.figures().items() if value}


def test_without_such_a_plugin_no_reply_crosses_the_bus() -> None:
    site = rig()
    worker = site.join(Handlers())
    assert len(exchange(site)) == 1
    assert worker.asked == 0
    assert site.edge.asking is None


def test_it_is_asked_of_each_and_may_let_it_be() -> None:
    seen: list[ForwardedReply] = []
    site = rig()
    worker = site.join(app(seen.append))
    (got,) = exchange(site, 180, b"Ringing Loud")
    assert worker.asked == 1
    (reply,) = seen
    assert (reply.status, reply.reason, reply.method) == (180, "Ringing Loud", "MESSAGE")
    assert len(reply.headers.get_all("Via")) == 1, "ours is off already"
    assert reply.source[:2] == NEXT
    assert lines_of(got)[0] == b"SIP/2.0 180 Ringing Loud"
    assert len(vias(got)) == 1
    assert figures(site) == {"received": 1, "forwarded": 1}
    assert site.shown() == {"forwarded": 1}


def test_status_and_headers_are_what_it_says() -> None:
    site = rig()
    site.join(app(lambda reply: reply.forward(480, "Gone", remove="Server", add={"X-Was": str(reply.status)})))
    (got,) = exchange(site, 404, b"Not Found")
    assert lines_of(got)[0] == b"SIP/2.0 480 Gone"
    assert headers(got, b"x-was") == [b"X-Was: 404"]


def test_it_may_drop_it() -> None:
    site = rig()
    site.join(app(lambda reply: reply.drop()))
    assert exchange(site) == []
    assert figures(site) == {"received": 1, "dropped": {"handler": 1}}


def test_what_answers_nothing_of_ours_is_asked_of_nobody() -> None:
    site = rig()
    worker = site.join(app(lambda reply: reply.drop()))
    site.receive(request("MESSAGE"))
    stranger = reply_to(site.to(NEXT)[-1], 200).replace(b"CSeq: 1 ", b"CSeq: 2 ")
    site.receive(stranger, source=("203.0.113.66", 5060))
    assert worker.asked == 0
    assert figures(site) == {"received": 1, "dropped": {"forged": 1}}


@pytest.mark.parametrize("words", [{"status": 200, "reason": "OK"}, {"remove": [b"Via"]}, {"status": "x"}, {"add": 1}])
def test_what_a_worker_makes_of_it_that_cannot_be_changes_nothing(
    words: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    site = rig()
    worker = site.join(app(lambda _reply: None))
    worker.respond = lambda _item: words
    (got,) = exchange(site, 404, b"Not Found")
    assert lines_of(got)[0] == b"SIP/2.0 404 Not Found"
    assert site.edge.bad_answers == 1
    (line,) = [line for line in caplog.messages if "makes of this reply" in line]
    assert "goes back as it came" in line


@pytest.mark.parametrize("answer", [b"SIP/2.0 200 OK\r\n\r\n", (b"SIP/2.0 200 OK\r\n\r\n",), b""])
def test_a_reply_is_no_answer_to_a_reply(answer: Any) -> None:
    site = rig()
    site.join(app(lambda _reply: None)).respond = lambda _item: answer
    (got,) = exchange(site, 404, b"Not Found")
    assert lines_of(got)[0] == b"SIP/2.0 404 Not Found"
    assert site.edge.bad_answers == 1


def test_a_plugin_that_fails_holds_nothing_up() -> None:
    site = rig()
    site.join(app(lambda _reply: 1 / 0))
    (got,) = exchange(site)
    assert lines_of(got)[0] == b"SIP/2.0 200 OK"


def test_while_its_worker_hangs_replies_go_back_as_they_came_after_a_while() -> None:
    site = rig()
    site.join(app(lambda reply: reply.drop()))
    site.receive(request("MESSAGE"))
    site.hang()
    site.receive(reply_to(site.to(NEXT)[-1], 200), source=NEXT)
    assert figures(site) == {"received": 1, "in_flight": 1}
    assert site.edge.in_flight == 0, "it is no request"
    site.advance(DispatchSettings().handler_timeout + 1.0)
    assert len(site.to(PEER)) == 1
    assert figures(site) == {"received": 1, "forwarded": 1}
    site.recover()
    assert len(site.to(PEER)) == 1, "its late answer is none"


def test_when_its_worker_goes_they_go_back_at_once() -> None:
    site = rig()
    worker = site.join(app(lambda reply: reply.drop()))
    site.kill(worker)
    site.dispatcher.lose(b"worker 1", site.now)
    site.edge.expire(site.now)
    assert len(exchange(site)) == 1
    assert site.edge.asking is not None
    assert site.edge.asking.choice is None


def test_workers_of_the_pools_that_ask_are_asked() -> None:
    site = rig("pool=premium user=900*", "pass=sip:10.0.0.5")
    plain = site.join(Handlers())
    asked = site.join(app(lambda reply: reply.forward(add={"X": "premium"})), pool="premium")
    for number in range(4):
        (got,) = exchange(site, call=str(number))
        assert headers(got, b"x") == [b"X: premium"]
    assert (plain.asked, asked.asked) == (0, 4)


def test_replies_to_what_a_handler_forwards_are_asked_of_too() -> None:
    site = PassingRig()
    made = app(lambda reply: reply.forward(add={"X": "1"}), MESSAGE=lambda request: request.forward("sip:10.0.0.5"))
    site.join(made)
    (got,) = exchange(site)
    assert headers(got, b"x") == [b"X: 1"]


def test_a_key_that_has_gone_meanwhile_is_no_bug() -> None:
    """The reply waits for its worker while the ring loses the key that its Via is signed with."""
    site = rig()
    site.join(app(lambda reply: reply.forward(add={"X": "1"})))
    site.receive(request("MESSAGE"))
    site.hang()
    site.receive(reply_to(site.to(NEXT)[-1], 200), source=NEXT)
    site.forwarding.use_keys(seals_of(KeyRing.generate()))
    site.recover()
    assert site.to(PEER) == []
    assert figures(site) == {"received": 1, "dropped": {"forged": 1}}
