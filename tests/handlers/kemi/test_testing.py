"""KSR in tests of a script's functions."""

from __future__ import annotations

import pytest

from slbroker.errors import ConfigError
from slbroker.testing import SOURCE
from slbroker_handlers.kemi.testing import ksr_request, new_state


def test_functions_see_the_request_and_their_replies_are_kept() -> None:
    import KSR

    def route() -> None:
        if "sipcli" in KSR.kx.gete_ua():
            KSR.sl.sl_send_reply(403, f"Not from {KSR.pv.get('$si')}")

    with ksr_request("OPTIONS", headers={"User-Agent": "sipcli"}, source=SOURCE._replace(host="10.0.0.1")) as call:
        route()
    assert [(reply.status, reply.reason) for reply in call.replies] == [(403, "Not from 10.0.0.1")]
    with ksr_request("OPTIONS") as call:
        route()
    assert call.replies == []


@pytest.mark.parametrize("method", ["ACK", "CANCEL", "INVITE", "FROBNICATE"])
def test_any_method_will_do(method: str) -> None:
    import KSR

    with ksr_request(method):
        assert KSR.kx.get_method() == method


def test_requests_share_a_state_that_is_given_to_them() -> None:
    import KSR

    state = new_state("htable.htable=seen=>size=8;initval=0")
    counts = []
    for _ in range(2):
        with ksr_request(state=state):
            counts.append(KSR.htable.sht_inc("seen", "x"))
    assert counts == [1, 2]
    with pytest.raises(ConfigError):
        new_state("no.such=1")


def test_there_is_a_key_ring() -> None:
    import KSR

    with ksr_request("REGISTER") as call:
        KSR.auth.auth_challenge("example.com", 1)
        assert str(KSR.pv.get("$ltt(s)")).startswith("s1")
    assert [reply.status for reply in call.replies] == [401]


@pytest.mark.parametrize(
    ("headers", "said"),
    [({"CSeq": "1 BYE"}, "an edge answers this itself: 400 CSeq"), ({"Via": None}, "an edge drops this")],
)
def test_what_no_worker_would_get_is_refused(headers: dict[str, str | None], said: str) -> None:
    with pytest.raises(ValueError, match=said), ksr_request(headers=headers):
        raise AssertionError("unreachable")
