"""What a handler has decided of requests that go on is done again by the edge, to those that are alike."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from slbroker import Handlers
from slbroker.bus.memo import Memo, pack_memo
from slbroker_edge.remembered import MAX_REPLY
from tests.support.edge import PEER
from tests.support.forwarding import headers, lines_of, reply_to, unwrap
from tests.support.passing import NEXT, PassingRig
from tests.support.remembered import asked, fresh
from tests.support.sip import read_reply


def forwarding(remember: float = 5.0, **how: Any) -> Handlers:
    app = Handlers()
    app.on("MESSAGE", remember=remember)(lambda request: request.forward("sip:10.0.0.5", **how))
    return app


def rig_of(app: Handlers, *routes: str) -> PassingRig:
    rig = PassingRig(*routes)
    rig.join(app)
    return rig


@pytest.mark.parametrize("routes", [(), ("pool=default method=MESSAGE",)])
def test_the_second_request_goes_on_without_a_worker(routes: tuple[str, ...]) -> None:
    rig = rig_of(forwarding(uri="sip:carol@pbx", add={"X-By": "handler"}), *routes)
    given = [fresh("MESSAGE") for _ in range(4)]
    for data in given:
        rig.receive(data)
    assert asked(rig) == 1
    sent = rig.to(NEXT)
    assert [lines_of(data)[0] for data in sent] == [b"MESSAGE sip:carol@pbx SIP/2.0"] * 4
    assert [headers(data, b"x-by") for data in sent] == [[b"X-By: handler"]] * 4
    assert [headers(data, b"call-id") for data in sent] == [headers(data, b"call-id") for data in given]
    assert rig.shown() == {"forwarded": 4, "remembered": 3}
    rig.receive(reply_to(sent[-1], 404, b"Not Found"), source=NEXT)
    assert read_reply(rig.to(PEER)[-1]).status == 404
    assert len(rig.to(PEER)) == 1


def test_what_leaves_is_the_same_with_and_without_a_worker() -> None:
    rig, again = rig_of(forwarding()), fresh("MESSAGE", subject="one")
    rig.receive(again)
    rig.receive(again)
    first, second = rig.to(NEXT)
    assert first == second
    assert unwrap(second, again) == again
    assert asked(rig) == 1


def test_who_is_not_alike_is_decided_for_anew() -> None:
    app = Handlers()
    hops = {"1": "sip:10.0.0.5", "2": "sip:10.0.0.6"}
    app.on("MESSAGE", remember=60)(lambda request: request.forward(hops[request.uri.user]))
    rig = rig_of(app)
    for user in "1212":
        rig.receive(fresh("MESSAGE", f"sip:{user}@example.com"))
    assert (len(rig.to(NEXT)), len(rig.to(("10.0.0.6", 5060)))) == (2, 2)
    assert asked(rig) == 2


def test_it_ends_with_its_time_and_with_the_plugin() -> None:
    rig = rig_of(forwarding(5.0))
    rig.receive(fresh("MESSAGE"))
    rig.advance(5.1)
    rig.receive(fresh("MESSAGE"))
    assert asked(rig) == 2
    rig.join(forwarding(5.0), generation="two")
    rig.receive(fresh("MESSAGE"))
    assert asked(rig) == 3


def test_what_the_request_is_refused_for_counts_again() -> None:
    rig = rig_of(forwarding())
    rig.receive(fresh("MESSAGE"))
    rig.receive(fresh("MESSAGE", max_forwards="0"))
    assert read_reply(rig.to(PEER)[-1]).status == 483
    assert asked(rig) == 1


def test_a_handler_may_say_so_of_one_decision() -> None:
    app = Handlers()
    app.on("MESSAGE")(lambda request: request.forward("sip:10.0.0.5", remember=5.0))
    rig = rig_of(app)
    for _ in range(5):
        rig.receive(fresh("MESSAGE"))
        worker = next(iter(rig.workers.values()))
        worker.hello |= {"remembers": app.remembered_methods, "generation": "one"}  # as a worker does that is asked so
        worker.membership.offer()
        rig.turn()
    assert asked(rig) < 5
    assert len(rig.to(NEXT)) == 5


@pytest.mark.parametrize(
    "words", [{"to": 5}, {"remove": [b"Via"]}, {"add": [[b"X", b"1" * 8_000]]}, {"add": [[b"X", b"1" * MAX_REPLY]]}]
)
def test_what_cannot_be_or_is_too_long_is_not_remembered(
    words: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    rig = rig_of(forwarding())
    worker = next(iter(rig.workers.values()))

    def answer(_item: Any) -> Any:
        worker.memo = pack_memo(Memo(5.0, ("uri.user",), 0))
        return words

    worker.respond = answer
    for _ in range(3):
        rig.receive(fresh("MESSAGE"))
    assert asked(rig) == 3
    assert "a decision cannot be remembered" in caplog.text
    assert msgpack.packb(words)


def test_a_retransmission_of_what_waits_for_its_worker_waits_with_it() -> None:
    rig = rig_of(forwarding())
    rig.receive(fresh("MESSAGE"))
    rig.advance(6.0)
    rig.hang()
    waiting = fresh("MESSAGE")
    rig.receive(waiting)
    rig.receive(waiting)
    assert rig.shown()["repeated"] == 1
    rig.recover()
    assert len(rig.to(NEXT)) == 2
