"""What an operator may set: where requests go, what becomes of those that no worker answers, and how an edge stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers
from slbroker.bus.routes import Route
from slbroker.settings.dispatch import DispatchSettings, Policies
from slbroker_edge.budget import Budget
from tests.support.edge import Rig
from tests.support.sip import read_reply, request

if TYPE_CHECKING:
    from slbroker.plugin.request import Request


def app(reason: str = "OK", *methods: str) -> Handlers:
    handlers = Handlers()

    def answer(request: Request) -> Any:
        return request.reply(200, reason)

    handlers.otherwise(answer)
    for method in methods:
        handlers.on(method)(answer)
    return handlers


def statuses(rig: Rig) -> list[int]:
    return [read_reply(reply).status for reply in rig.replies]


def reasons(rig: Rig) -> list[str]:
    return [read_reply(reply).reason for reply in rig.replies]


def several(count: int, method: str = "OPTIONS", uri: str = "sip:bob@example.com", body: bytes = b"") -> list[bytes]:
    """Requests of different calls: one that came twice would be a repeat of what is in flight."""
    return [request(method, uri, body=body, call_id=f"several{number}") for number in range(count)]


# Pools ----------------------------------------------------------------------------------------------------------


def routed(*routes: str) -> Rig:
    return Rig(policies=Policies(routes=tuple(map(Route.read, routes))))


def test_requests_go_to_the_pool_that_their_route_names() -> None:
    rig = routed("pool=premium user=900*", "pool=calls method=INVITE")
    for pool in ("default", "premium", "calls"):
        rig.join(app(pool), pool=pool)
    invites = [request("INVITE", uri, call_id=uri) for uri in ("sip:900@b", "sip:1@b")]
    rig.receive(*invites, request("OPTIONS", "sip:1@b"))
    assert sorted(reasons(rig)) == ["calls", "default", "premium"]


def test_a_pool_without_workers_sheds_though_another_has_some(caplog: pytest.LogCaptureFixture) -> None:
    rig = routed("pool=premium user=900*")
    rig.join(app())
    rig.receive(*[request("INVITE", uri, call_id=uri) for uri in ("sip:900@b", "sip:1@b")])
    assert sorted(statuses(rig)) == [200, 503]
    assert caplog.messages == ["no worker in pool premium: shedding; 1 workers are connected"]


def test_a_full_pool_does_not_hold_up_another() -> None:
    rig = routed("pool=premium user=900*")
    rig.join(app())
    rig.join(app(), credit=1, pool="premium").frozen = True
    rig.receive(*several(20, "INVITE", "sip:900@b"), request("INVITE", "sip:1@b"))
    assert statuses(rig) == [200]


def test_a_canarys_calls_go_elsewhere_when_it_dies() -> None:
    rig = routed("pool=default:1,canary:1")
    rig.join(app("default"))
    canary = rig.join(app("canary"), pool="canary")
    canary.frozen = True
    rig.receive(*[request("OPTIONS", call_id=f"c{number}") for number in range(40)])
    answered = len(rig.replies)
    assert 5 < answered < 35
    rig.kill(canary)
    rig.advance(0.3)
    assert reasons(rig) == ["default"] * 40


def test_acks_and_cancels_go_where_their_route_leads() -> None:
    rig = routed("pool=calls user=900*")
    rig.join(app())
    rig.join(app("calls", "CANCEL"), pool="calls")
    rig.receive(request("CANCEL", "sip:900@b"), request("CANCEL", "sip:1@b"))
    assert reasons(rig) == ["calls"]
    assert rig.shown() == {"replied": 1, "dropped": {"cancel": 1}}


# Overload and failure -------------------------------------------------------------------------------------------


def test_shedding_has_a_budget_and_beyond_it_there_is_silence() -> None:
    rig = Rig(policies=Policies(overload_budget=10))
    rig.receive(*several(30))
    assert rig.shown() == {"shed": 10, "dropped": {"overload": 20}}
    rig.advance(0.5)
    rig.receive(*several(30))
    assert rig.shown() == {"shed": 15, "dropped": {"overload": 45}}
    assert set(statuses(rig)) == {503}


def test_no_budget_is_silence() -> None:
    rig = Rig(policies=Policies(overload_budget=0))
    rig.receive(request("OPTIONS"))
    assert rig.shown() == {"dropped": {"overload": 1}}
    assert rig.replies == []


@pytest.mark.parametrize(("answers", "shown"), [(True, {"failed": 1}), (False, {"dropped": {"no-answer": 1}})])
def test_a_request_that_no_worker_answered_gets_500_or_silence(answers: bool, shown: dict[str, object]) -> None:
    rig = Rig(policies=Policies(answer_failures=answers))
    rig.join(app()).frozen = True
    rig.receive(request("OPTIONS"))
    rig.advance(6.0)
    assert rig.shown() == shown
    assert statuses(rig) == ([500] if answers else [])


def test_requests_wait_up_to_so_many_bytes() -> None:
    rig = Rig(DispatchSettings(max_waiting_bytes=100_000))
    rig.join(app(), credit=1).frozen = True
    rig.receive(*several(12, body=b"x" * 20_000))
    assert rig.edge.in_flight == 5, "one of them at the worker"
    assert rig.shown()["shed"] == 7


def test_a_budget_is_a_rate_and_saves_no_more_than_a_second() -> None:
    budget = Budget(5)
    assert [budget.spend(100.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert [budget.spend(100.5) for _ in range(4)] == [True] * 2 + [False] * 2
    assert [budget.spend(1_000.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert not budget.spend(999.0), "a clock that goes back gives nothing"
    assert not Budget(0).spend(5.0)


# Draining -------------------------------------------------------------------------------------------------------


def test_while_it_drains_options_is_refused_and_all_else_is_served() -> None:
    rig = Rig()
    rig.join(app())
    rig.edge.draining = True
    rig.receive(request("OPTIONS"), request("INVITE"))
    assert statuses(rig) == [503, 200]
    assert 5 <= int(read_reply(rig.replies[0]).one(b"Retry-After")) <= 30
    assert rig.shown() == {"replied": 1, "shed": 1}
