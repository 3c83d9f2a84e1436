"""A shadow pool: its workers see what the others see, and nobody sees what they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers
from slbroker.settings.dispatch import Policies
from slbroker_edge.shadow import Shadow
from tests.support.edge import Rig
from tests.support.sip import read_reply, request

if TYPE_CHECKING:
    from slbroker.plugin.request import Request


def app(status: int = 200, reason: str = "OK", **headers: str) -> Handlers:
    handlers = Handlers()

    @handlers.otherwise
    def answer(request: Request) -> Any:
        return request.reply(status, reason, headers=headers) if status else request.drop()

    return handlers


def rig(percent: float = 100.0, **policies: float) -> Rig:
    return Rig(policies=Policies(shadow=("next", percent), **policies))  # type: ignore[arg-type]


def compared(rig: Rig) -> dict[str, int | str]:
    """What the shadow has counted, but for zeros."""
    assert rig.edge.shadow is not None
    figures = rig.edge.shadow.figures()
    assert figures.pop("pool") == "next"
    return {name: value for name, value in figures.items() if value}


def test_a_copy_goes_there_and_only_the_workers_answer_is_sent() -> None:
    site = rig()
    site.join(app())
    site.join(app(), pool="next")
    site.receive(request("OPTIONS"))
    assert [read_reply(reply).status for reply in site.replies] == [200]
    assert compared(site) == {"copied": 1, "same": 1}
    assert site.shown() == {"replied": 1}


@pytest.mark.parametrize(
    ("theirs", "counter"),
    [
        (app(404, "Not Found"), "status"),
        (app(200, "Fine"), "status"),
        (app(200, "OK", Server="next"), "content"),
        (app(0), "status"),
    ],
)
def test_differences_are_counted_and_told(theirs: Handlers, counter: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "slbroker_edge")
    site = rig()
    site.join(app())
    site.join(theirs, pool="next")
    site.receive(request("OPTIONS"))
    assert compared(site) == {"copied": 1, counter: 1}
    (line,) = caplog.messages
    assert "shadow next answers otherwise" in line
    site.receive(request("OPTIONS", call_id="other"))
    assert len(caplog.messages) == 1, "one line a second"


def forwarding(to: str) -> Handlers:
    handlers = Handlers()
    handlers.otherwise(lambda request: request.forward(to))
    return handlers


@pytest.mark.parametrize(
    ("ours", "theirs", "counter", "said"),
    [
        (app(), forwarding("sip:10.0.0.5"), "status", "goes on, not 200 OK"),
        (forwarding("sip:10.0.0.5"), app(), "status", "200 OK, not goes on"),
        (forwarding("sip:10.0.0.5"), app(0), "status", "nothing, not goes on"),
        (forwarding("sip:10.0.0.5"), forwarding("sip:10.0.0.6"), "content", "goes on, not goes on"),
        (forwarding("sip:10.0.0.5"), forwarding("sip:10.0.0.5"), "same", ""),
    ],
)
def test_what_goes_on_is_compared_too(
    ours: Handlers, theirs: Handlers, counter: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "slbroker_edge.shadow")
    site = rig()
    site.join(ours)
    site.join(theirs, pool="next")
    site.receive(request("OPTIONS"))
    assert compared(site) == {"copied": 1, counter: 1}
    told = [line for line in caplog.messages if "answers otherwise" in line]
    assert [said in line for line in told] == ([True] if said else [])


def test_several_replies_are_compared_one_by_one() -> None:
    def several(last: int) -> Handlers:
        handlers = Handlers()

        @handlers.otherwise
        def answer(request: Request) -> Any:
            return [request.reply(180, "Ringing"), request.reply(last, "Busy")]

        return handlers

    site = rig()
    site.join(several(486))
    site.join(several(600), pool="next")
    site.receive(request("INVITE"))
    assert compared(site) == {"copied": 1, "status": 1}
    assert [read_reply(reply).status for reply in site.replies] == [180, 486]


def test_without_shadow_workers_nothing_is_copied() -> None:
    site = rig()
    site.join(app())
    site.receive(request())
    assert compared(site) == {}
    assert site.shown() == {"replied": 1}


def test_workers_that_are_not_there_leave_nothing_to_compare() -> None:
    site = rig()
    site.join(app(), pool="next")
    site.receive(request())
    assert compared(site) == {"copied": 1, "unanswered": 1}
    assert site.shown() == {"shed": 1}


def test_a_shadow_that_hangs_costs_nobody_an_answer_and_is_given_up() -> None:
    site = rig()
    site.join(app())
    site.join(app(), pool="next", credit=3).frozen = True
    for number in range(20):
        site.receive(request("OPTIONS", call_id=f"c{number}"))
    assert len(site.replies) == 20
    assert compared(site) == {"copied": 20, "in_flight": 20}
    site.advance(25.0)
    assert compared(site) == {"copied": 20, "unanswered": 20}
    assert site.shown() == {"replied": 20}
    assert len(site.replies) == 20


def test_a_part_of_the_calls_is_copied_whole() -> None:
    site = rig(percent=25.0)
    site.join(app())
    site.join(app(), pool="next")
    for number in range(400):
        site.receive(request("INVITE", call_id=f"c{number}"), request("BYE", call_id=f"c{number}"))
    copied = compared(site)["copied"]
    assert isinstance(copied, int)
    assert copied % 2 == 0
    assert 150 < copied < 250


def test_acks_and_cancels_are_not_copied() -> None:
    both = Handlers()

    @both.on("ACK", "CANCEL")
    def take(request: Request) -> Any:
        return request.drop()

    site = rig()
    site.join(both)
    site.join(both, pool="next")
    site.receive(request("ACK"), request("CANCEL"))
    assert compared(site) == {}


@pytest.mark.parametrize("percent", [0.001, 100.0])
def test_all_of_a_hundred_percent_is_all(percent: float) -> None:
    shadow = Shadow("next", percent)
    assert (shadow._threshold >= 0xFFFF_FFFF) is (percent == 100.0)


def test_copies_that_are_recorded_are_not_counted_as_different(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "slbroker_edge")
    site = Rig(policies=Policies(shadow=("record", 100.0)))
    site.join(app())
    site.join(app(0), pool="record")
    site.receive(request("OPTIONS"))
    assert site.edge.shadow is not None
    figures = site.edge.shadow.figures()
    assert {name: value for name, value in figures.items() if value} == {"pool": "record", "copied": 1, "recorded": 1}
    assert caplog.messages == []
