"""ACKs and CANCELs at the edge: what arms the filter, what is let through, and to whom."""

from __future__ import annotations

import pytest

from slbroker import Handlers, Request
from slbroker.plugin.reply import DROP, Drop
from slbroker.settings.dispatch import DispatchSettings
from tests.edge.test_edge import app, served, statuses
from tests.support.acks import is_armed
from tests.support.edge import PEER, FakeListener, Rig
from tests.support.sip import read_reply, request

THEIRS = "<sip:bob@example.com>;tag=theirs"


def curious() -> tuple[Handlers, list[str]]:
    """A plugin that asks for ACKs, and the Call-IDs of those it has seen."""
    handlers, seen = Handlers(), list[str]()

    @handlers.on("ACK")
    def note(request: Request) -> Drop:
        seen.append(request.call_id)
        return DROP

    handlers.otherwise(lambda request: request.reply(404))
    return handlers, seen


def ack_to(reply: bytes) -> bytes:
    return request("ACK", to=read_reply(reply).one(b"To"))


# Arming ---------------------------------------------------------------------------------------------------------


def test_the_ack_to_our_reply_is_absorbed() -> None:
    rig = served()
    rig.receive(request("INVITE"))
    rig.receive(ack_to(rig.replies[0]), ack_to(rig.replies[0]))
    assert rig.shown() == {"replied": 1, "absorbed": 2}
    assert len(rig.replies) == 1


def test_the_ack_to_a_refused_re_invite_is_absorbed() -> None:
    rig = served()
    rig.receive(request("INVITE", to=THEIRS))
    assert read_reply(rig.replies[0]).one(b"To") == THEIRS.encode()
    rig.receive(request("ACK", to=THEIRS), request("ACK", to=THEIRS, cseq="2 ACK"))
    assert rig.shown() == {"replied": 1, "absorbed": 1, "dropped": {"ack": 1}}


@pytest.mark.parametrize(
    "datagram", [request("OPTIONS"), request("SUBSCRIBE"), request("REGISTER"), request("OPTIONS", from_=None)]
)
def test_replies_to_other_requests_do_not_arm(datagram: bytes) -> None:
    rig = served()
    rig.receive(datagram)
    assert not is_armed(rig)


def test_a_provisional_reply_does_not_arm() -> None:
    handlers = Handlers()
    handlers.on("INVITE")(lambda request: request.reply(183))
    rig = Rig()
    rig.join(handlers)
    rig.receive(request("INVITE"))
    assert statuses(rig) == [183]
    assert not is_armed(rig)


def test_a_reply_that_did_not_go_costs_an_entry_and_no_more() -> None:
    """It is noted before it leaves, so that one that is killed in between leaks none; nobody else's ACK is absorbed."""
    rig = served()
    rig.listener.unreachable = {PEER}
    rig.receive(request("INVITE", cseq="2 INVITE"), request("INVITE", to=THEIRS))
    assert rig.edge.send_failures == 2
    rig.receive(request("ACK", to="<sip:bob@example.com>;tag=another"), request("ACK", to=THEIRS, cseq="9 ACK"))
    assert rig.shown() == {"replied": 2, "dropped": {"ack": 2}}


def test_one_dead_socket_does_not_hide_what_went_by_another() -> None:
    rig = served()
    dead = FakeListener("udp:192.0.2.7:5080")
    dead.unreachable = {PEER}
    rig.edge.take([(request("INVITE", call_id="lost"), PEER)], dead, rig.now)
    rig.receive(request("INVITE", to=THEIRS))
    rig.receive(request("ACK", to=THEIRS))
    assert rig.fates.absorbed == 1


@pytest.mark.parametrize("datagram", [request("INVITE"), request("INVITE", max_forwards=["70", "70"])])
def test_the_edge_s_own_503_and_400_arm_it_too(datagram: bytes) -> None:
    rig = Rig()
    rig.receive(datagram)
    assert is_armed(rig)
    rig.receive(ack_to(rig.replies[0]))
    assert rig.fates.absorbed == 1


def test_when_the_window_has_passed_acks_are_let_through() -> None:
    rig = Rig(window=2.0)
    handlers, seen = curious()
    rig.join(handlers)
    rig.receive(request("INVITE"))
    ack = ack_to(rig.replies[0])
    rig.receive(ack)
    assert rig.shown() == {"replied": 1, "absorbed": 1}
    rig.advance(2.0)
    rig.receive(ack)
    assert rig.shown() == {"replied": 1, "absorbed": 1, "passed": 1}
    assert len(seen) == 1


# Let through ----------------------------------------------------------------------------------------------------


def test_an_ack_goes_to_a_worker_that_asked_and_is_never_answered() -> None:
    rig = Rig()
    handlers, seen = curious()
    rig.join(app)
    rig.join(handlers)
    rig.receive(*(request("ACK", call_id=f"call{number}") for number in range(20)))
    assert len(seen) == 20
    assert rig.shown() == {"passed": 20}
    assert rig.replies == []


def test_whatever_its_worker_answers() -> None:
    rig = Rig()
    rig.join(curious()[0]).respond = lambda *_: b"SIP/2.0 200 OK\r\n\r\n"
    rig.receive(request("ACK"))
    assert rig.shown() == {"passed": 1}
    assert rig.replies == []


def test_an_ack_that_nobody_takes_is_dropped_without_a_reply() -> None:
    rig = Rig(DispatchSettings(handler_timeout=5.0))
    handlers, _seen = curious()
    rig.join(handlers).frozen = True
    rig.receive(request("ACK"))
    assert rig.shown() == {"in_flight": 1}
    rig.advance(6.0)
    assert rig.shown() == {"dropped": {"ack": 1}}
    assert rig.replies == []


def test_a_cancel_goes_to_a_worker_that_asked_and_is_answered() -> None:
    handlers = Handlers()
    handlers.on("CANCEL")(lambda request: request.reply(481))
    rig = Rig()
    rig.join(app)
    rig.join(handlers)
    rig.receive(request("CANCEL"))
    assert statuses(rig) == [481]
    rig.receive(request("CANCEL", max_forwards=["70", "71"]))
    assert statuses(rig) == [481, 400]
    assert rig.shown() == {"replied": 2}
