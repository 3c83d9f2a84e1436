"""The torture messages through a forwarding edge: the same bytes but for what a proxy must change, or refused."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.peers.forwarding.sockets import Between, hear, hear_all
from tests.support.forwarding import reply_to, unwrap, vias
from tests.support.processes import Process, slbroker
from tests.support.sip import request
from tests.torture.corpus import CASES
from tests.torture.forwarded import REFUSED, passed_on
from tests.torture.live import with_rport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.torture.case import Case

pytestmark = pytest.mark.peer

PROBE = b"probe@torture.example"


@pytest.fixture(scope="module")
def between(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Between]:
    with ExitStack() as stack:

        def start(*words: str, **how: object) -> Process:
            return stack.enter_context(slbroker(*words))

        yield stack.enter_context(Between(start, tmp_path_factory.mktemp("torture")))


def exchange(between: Between, data: bytes) -> tuple[list[bytes], list[bytes]]:
    """What comes out behind the edge, and what comes back, for one message; a good one and its answer come after it."""
    probe = request(via=f"SIP/2.0/UDP 127.0.0.1:{between.port};branch=z9hG4bKprobe", call_id=PROBE)
    between.send(data)
    between.send(probe)
    out: list[bytes] = []
    while PROBE not in (came := hear(between.server)):
        out.append(came)
        between.answer(reply_to(came, tag=b"far"))
    between.answer(reply_to(came))
    return out, hear_all(between.client, PROBE)


@pytest.mark.parametrize("name", CASES)
def test_a_torture_message_goes_through_as_it_is_or_is_refused_as_its_rfc_says(between: Between, name: str) -> None:
    case = replace(CASES[name], data=with_rport(CASES[name].data))
    out, back = exchange(between, case.data)
    if out:
        (sent,) = out
        assert unwrap(sent, case.data) == passed_on(case)
        assert back == [without_first_via(reply_to(sent, tag=b"far"))]
    else:
        check_refused(case, [int(reply[8:11]) for reply in back])


def without_first_via(data: bytes) -> bytes:
    ours = vias(data)[0]
    assert ours.startswith(b"Via: SIP/2.0/UDP 127.0.0.1:")
    return data.replace(ours + b"\r\n", b"", 1)


def check_refused(case: Case, statuses: list[int]) -> None:
    if case.name in REFUSED:
        assert statuses == [REFUSED[case.name]]
    elif case.allows and case.kind == "request":
        assert len(statuses) == 1
        assert statuses[0] in case.allows, case.why
    else:
        assert statuses == []


def test_a_reply_that_nothing_was_asked_for_goes_nowhere(between: Between) -> None:
    out, back = exchange(between, reply_to(request(via=["SIP/2.0/UDP 192.0.2.7", "SIP/2.0/UDP 127.0.0.1:9"])))
    assert (out, back) == ([], [])
