"""What a handler has decided is said again by the edge, to requests that are alike in all that was read for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers
from slbroker.bus.routes import Route
from slbroker.plugin import screen
from slbroker.settings.dispatch import Policies
from tests.support.edge import Rig
from tests.support.remembered import answering, asked, fresh, memory_of, rig_of, statuses
from tests.support.sip import read_reply, request

if TYPE_CHECKING:
    from slbroker.bus.envelope import Answer
    from slbroker.bus.items import Item


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


# Workers, pools and versions -------------------------------------------------------------------------------------


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
    assert memory_of(rig).forget(rig.now, "one") == 1
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
