"""Kamailio in front, with the configuration that we give to users, once with forward() and once with t_relay()."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers.kamailio import Kamailio, start_kamailio
from tests.peers.phone import Call, Phone
from tests.peers.plugin import HERE, NO_CHANGE, NOBODY, WORKER
from tests.peers.sipp import run_sipp
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start
    from tests.peers.conftest import Deployment

RATE = 250  # calls a second; what is tested is the way through, not its width
CALLS = 500

pytestmark = pytest.mark.peer


@pytest.fixture(params=[pytest.param(True, id="forward"), pytest.param(False, id="t_relay")])
def kamailio(
    request: pytest.FixtureRequest, deployment: Deployment, start_program: Start, tmp_path: Path
) -> Iterator[Kamailio]:
    """Whatever a test did, Kamailio must have nothing to complain of."""
    stateless: bool = request.param
    running = start_kamailio(start_program, deployment.edge.port, tmp_path, stateless=stateless)
    yield running
    assert running.process.running, running.process
    running.process.stop()
    assert running.complaints() == []


@pytest.fixture
def phone(kamailio: Kamailio) -> Iterator[Phone]:
    """A caller of that Kamailio."""
    with Phone(kamailio.port) as caller:
        yield caller


def refused_call(phone: Phone, call: Call, deployment: Deployment, status: int, reason: str) -> str:
    """INVITE and ACK; the reply is the plugin's, the ACK stays at the edge. Returns the To-tag."""
    before = deployment.edge.figures()
    reply = phone.ask(call.request("INVITE"))
    assert (reply.status, reply.reason) == (status, reason)
    assert reply[WORKER].isdecimal()
    assert len(reply.all("Via")) == 1
    assert reply.rport == phone.port
    phone.send(call.ack(reply["To"]))
    after = deployment.edge.wait_for_figures(absorbed=before["absorbed"] + 1, in_flight=0)
    assert after["passed"] == after["forwarded"] == deployment.acks_seen() == 0
    return reply.to_tag


def test_reply_of_the_plugin_comes_back(phone: Phone, deployment: Deployment) -> None:
    """Status, reason and header of its own, our signed tag; the ACK is absorbed."""
    assert refused_call(phone, phone.call(), deployment, 404, NOBODY).startswith("s1")


def test_reinvite_keeps_the_peers_tag(phone: Phone, deployment: Deployment) -> None:
    """The ACK is absorbed all the same."""
    call = phone.call().inside_a_dialog()
    assert refused_call(phone, call, deployment, 488, NO_CHANGE) == f"theirs-{call.number}"


def test_replies_of_strangers_go_nowhere(phone: Phone, kamailio: Kamailio) -> None:
    """A reply that anyone sends with Kamailio's Via on top must not be forwarded along the next Via."""
    call = phone.call()
    kamailio_via = f"Via: SIP/2.0/UDP 127.0.0.1:{kamailio.port};branch=z9hG4bK-forged\r\n"
    forged = call.request("INVITE").replace(
        b"INVITE sip:bob@example.com SIP/2.0\r\n", b"SIP/2.0 200 Forged\r\n" + kamailio_via.encode(), 1
    )
    with Phone(kamailio.port) as stranger:
        for _ in range(10):
            stranger.send(forged)
    for _ in range(10):
        assert phone.ask(phone.call().request("OPTIONS")).reason == HERE


@pytest.mark.timeout(within(120))
@pytest.mark.parametrize("scenario", ["invite_404_ack", "reinvite_488_ack"])
def test_calls_through_kamailio(
    scenario: str, kamailio: Kamailio, deployment: Deployment, start_program: Start, tmp_path: Path
) -> None:
    """Many calls, none fails; one ACK each reaches the edge and is absorbed, whoever made it."""
    run = run_sipp(start_program, scenario, kamailio.port, tmp_path, calls=CALLS, rate=RATE)
    assert (run.failed, run.successful) == (0, CALLS), run.errors
    figures = deployment.edge.wait_for_figures(in_flight=0)
    assert figures["absorbed"] >= CALLS
    assert figures["passed"] == figures["forwarded"] == deployment.acks_seen() == 0
    assert figures["dropped"] == {}
