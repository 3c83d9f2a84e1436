"""A request sent again while it is in flight is left to the answer that is on its way; afterwards it is a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers, Reply, Request
from slbroker.settings.dispatch import DispatchSettings, Policies
from tests.support.edge import PEER, FakeListener, Rig
from tests.support.sip import read_reply, request
from tests.support.streams import StreamRig

if TYPE_CHECKING:
    from slbroker.sip.reading import Address

VIA = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds"
OLD = "SIP/2.0/UDP 192.0.2.1:5060"  # RFC 2543: no branch
app = Handlers()


@app.otherwise
def answer(request: Request) -> Reply:
    return request.reply(486)


everything = Handlers()
everything.on("ACK", "CANCEL")(lambda request: request.reply(200))
everything.otherwise(lambda request: request.reply(486))


def hung(plugin: Handlers = app, **settings: Any) -> Rig:
    """A rig whose two workers take requests and say nothing."""
    rig = Rig(DispatchSettings(**settings))
    for _ in range(2):
        rig.join(plugin)
    rig.hang()
    return rig


def given_out(rig: Rig) -> int:
    return sum(worker["open"] for worker in rig.dispatcher.figures())


# A repeat -------------------------------------------------------------------------------------------------------


def test_a_hung_worker_is_not_doubled_by_repeats_and_one_answer_leaves() -> None:
    rig = hung()
    for _ in range(7):  # what a UDP client sends in 4 s (RFC 3261 17.1.2.1)
        rig.receive(request("INVITE"))
    assert rig.shown() == {"in_flight": 1, "repeated": 6}
    assert given_out(rig) == 1
    rig.advance(5.1)  # it goes to the other one, which hangs too
    rig.receive(request("INVITE"))
    assert rig.shown() == {"in_flight": 1, "repeated": 7}
    rig.advance(5.1)
    assert rig.shown() == {"failed": 1, "repeated": 7}
    assert [read_reply(reply).status for reply in rig.replies] == [500]


def test_repeats_in_one_batch_are_one_request() -> None:
    rig = Rig()
    rig.join(app)
    rig.receive(*[request("OPTIONS")] * 5, request("OPTIONS", call_id="other"))
    assert rig.shown() == {"replied": 2, "repeated": 4}
    assert len(rig.replies) == 2


@pytest.mark.parametrize("via", [VIA, OLD, f"{VIA};rport", f"{VIA}, SIP/2.0/UDP 192.0.2.9", "SIP/2.0/UDP a ; branch=1"])
@pytest.mark.parametrize("method", ["OPTIONS", "INVITE", "REGISTER", "FOO"])
def test_a_repeat_is_known_by_whatever_via_it_has(via: str, method: str) -> None:
    rig = hung()
    rig.receive(request(method, via=via))
    rig.receive(request(method, via=via), request(method, via=via))
    assert rig.shown() == {"in_flight": 1, "repeated": 2}
    rig.recover()
    assert rig.shown() == {"replied": 1, "repeated": 2}


def test_a_repeat_may_differ_in_what_does_not_name_the_transaction() -> None:
    rig = hung()
    rig.receive(request("OPTIONS"), request("OPTIONS", max_forwards="9"), request("OPTIONS", via=f"{VIA};x=y"))
    assert rig.shown() == {"in_flight": 1, "repeated": 2}


def test_a_repeat_of_what_waits_for_credit_is_known() -> None:
    rig = Rig()
    rig.join(app, credit=1)
    rig.hang()
    rig.receive(request("OPTIONS", call_id="first"), request("OPTIONS"))
    rig.receive(request("OPTIONS"))
    assert rig.shown() == {"in_flight": 2, "repeated": 1}
    rig.advance(0.6)
    assert rig.shown() == {"in_flight": 1, "repeated": 1, "shed": 1}
    rig.receive(request("OPTIONS"))  # it has been told 503: a new one
    assert rig.shown()["in_flight"] == 2


def test_a_repeat_after_a_worker_was_lost_is_known() -> None:
    rig = hung()
    rig.receive(request("OPTIONS"))
    rig.dispatcher.lose(next(iter(rig.dispatcher.workers)), rig.now)
    rig.turn()
    rig.receive(request("OPTIONS"))
    assert rig.shown() == {"in_flight": 1, "repeated": 1}
    rig.recover()
    assert rig.shown() == {"replied": 1, "repeated": 1}


def test_a_cancel_is_no_repeat_of_its_invite_and_is_repeated_itself() -> None:
    rig = hung(everything)
    rig.receive(request("INVITE"), request("CANCEL"), request("CANCEL"), request("INVITE"))
    assert rig.shown() == {"in_flight": 2, "repeated": 2}


def test_acks_are_all_given_out() -> None:
    rig = hung(everything)
    rig.receive(request("INVITE"), *[request("ACK", via=VIA)] * 3)
    assert rig.shown() == {"in_flight": 4}
    rig.recover()
    assert rig.shown() == {"replied": 1, "passed": 3}


# No repeat ------------------------------------------------------------------------------------------------------

DIFFERENT: dict[str, dict[str, Any]] = {
    "branch": {"via": "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhdt"},
    "sent-by": {"via": "SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK776asdhds"},
    "sent-by's port": {"via": "SIP/2.0/UDP 192.0.2.1:5061;branch=z9hG4bK776asdhds"},
    "no branch": {"via": OLD},
    "Call-ID": {"call_id": "other"},
    "CSeq": {"cseq": "2 OPTIONS"},
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_what_differs_is_another_request(what: str) -> None:
    rig = hung()
    rig.receive(request("OPTIONS"), request("OPTIONS", **DIFFERENT[what]))
    assert rig.shown() == {"in_flight": 2}
    rig.recover()
    assert rig.shown() == {"replied": 2}


@pytest.mark.parametrize(
    "other",
    [
        {"uri": "sip:carol@example.com"}, {"from_": "<sip:a@b>;tag=2"}, {"to": "<sip:bob@example.com>;tag=1"},
        {"via": f"{OLD};x=y"},
    ],
)  # fmt: skip
def test_without_a_branch_all_that_names_a_request_is_compared(other: dict[str, Any]) -> None:
    rig = hung()
    rig.receive(request("OPTIONS", via=OLD), request("OPTIONS", **{"via": OLD, **other}))
    assert rig.shown() == {"in_flight": 2}


@pytest.mark.parametrize("source", [("192.0.2.1", 5061), ("192.0.2.2", 5060), ("2001:db8::1", 5060, 0, 0)])
def test_another_source_is_another_request(source: Address) -> None:
    rig = hung()
    rig.receive(request("OPTIONS"))
    rig.receive(request("OPTIONS"), source=source)
    rig.receive(request("OPTIONS"), source=PEER, listener=FakeListener("udp:192.0.2.8:5060"))
    assert rig.shown() == {"in_flight": 3}


@pytest.mark.parametrize("outcome", [486, None])
def test_after_the_answer_or_the_silence_it_is_a_new_request(outcome: int | None) -> None:
    plugin = Handlers()
    plugin.otherwise(lambda request: request.reply(outcome) if outcome else request.drop())
    rig = Rig()
    rig.join(plugin)
    for _ in range(3):
        rig.receive(request("OPTIONS"))
    assert rig.shown() == ({"replied": 3} if outcome else {"dropped": {"handler": 3}})


def test_what_is_refused_while_draining_is_not_in_flight() -> None:
    rig = hung()
    rig.edge.draining = True
    rig.receive(request("OPTIONS"), request("OPTIONS"))  # in one batch as in two, compiled or not
    rig.receive(request("OPTIONS"))
    assert len(rig.edge._repeats) == 0
    assert rig.shown() == {"shed": 3}


def test_a_shadow_gets_a_copy_of_a_request_and_none_of_its_repeats() -> None:
    rig = Rig(policies=Policies(shadow=("next", 100.0)))
    rig.join(app)
    rig.join(app, pool="next")
    rig.hang()
    rig.receive(request("OPTIONS"))
    rig.receive(request("OPTIONS"))
    assert rig.shown() == {"in_flight": 1, "repeated": 1}
    rig.recover()
    assert rig.edge.shadow is not None
    assert (rig.edge.shadow.copied, rig.edge.shadow.same) == (1, 1)
    assert len(rig.edge._repeats) == 0


def test_on_a_connection_a_repeat_is_known_and_on_the_next_one_it_is_new() -> None:
    with StreamRig() as rig:
        rig.join(app)
        rig.hang()
        phone, again = rig.connect(), rig.connect()
        phone.say(request("OPTIONS") + request("OPTIONS"))
        again.say(request("OPTIONS"))
        assert rig.shown() == {"in_flight": 2, "repeated": 1}
        rig.recover()
        assert read_reply(phone.hear()).status == read_reply(again.hear()).status == 486
        assert rig.shown() == {"replied": 2, "repeated": 1}
