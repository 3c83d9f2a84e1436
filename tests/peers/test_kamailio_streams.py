"""Kamailio in front, with the hop to the edge over TCP, and over TLS with a certificate on either side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers.brokers import free_bus_address, new_keys, start_edge, start_handler
from tests.peers.conftest import Deployment
from tests.peers.kamailio import Kamailio, start_kamailio
from tests.peers.phone import Phone
from tests.peers.plugin import NO_CHANGE, NOBODY
from tests.peers.sipp import run_sipp
from tests.peers.test_kamailio import refused_call
from tests.support.peers import free_tcp_port
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.certificates import Authority

RATE = 250  # calls a second
CALLS = 500
# What the module says of itself at every start.
OPENSSL_NOTE = "openssl bug #1491"

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]


@pytest.fixture(params=["tcp", "tls"])
def transport(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def connected(transport: str, start_slbroker: Start, tmp_path: Path, authority: Authority) -> Deployment:
    """An edge that has no UDP, and over TLS serves only clients with a certificate; two handlers."""
    keys, bus = new_keys(tmp_path), free_bus_address("ipc", tmp_path)
    pair = authority.issue("edge")
    files = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))
    clients = ("--tls-verify-client", "--tls-ca", str(authority.certificate))
    edge = start_edge(start_slbroker, keys, bus, [f"{transport}:127.0.0.1"], files + clients)
    ack_log = tmp_path / "acks"
    for handler in [start_handler(start_slbroker, keys, bus, ack_log) for _ in range(2)]:
        handler.wait_for("handler ready")
    return Deployment(edge, ack_log)


@pytest.fixture(params=[pytest.param(True, id="forward"), pytest.param(False, id="t_relay")])
def kamailio(
    request: pytest.FixtureRequest,
    transport: str,
    connected: Deployment,
    authority: Authority,
    start_program: Start,
    tmp_path: Path,
) -> Iterator[Kamailio]:
    """Whatever a test did, Kamailio must have nothing to complain of."""
    stateless: bool = request.param
    pair = authority.issue("kamailio")
    port = free_tcp_port()
    defines = [
        f"WITH_{transport.upper()}",
        f"LISTEN_STREAM={transport}:127.0.0.1:{port}",
        *(f'EDGE_CA="{authority.certificate}"', f'OWN_CERT="{pair.certificate}"', f'OWN_KEY="{pair.key}"'),
    ]
    running = start_kamailio(start_program, connected.edge.port, tmp_path, stateless=stateless, defines=defines)
    yield running
    assert running.process.running, running.process
    complaints = running.complaints()  # before it is stopped: its TCP processes then complain of one another
    assert [line for line in complaints if OPENSSL_NOTE not in line] == []


@pytest.fixture
def phone(kamailio: Kamailio) -> Iterator[Phone]:
    """A caller of that Kamailio, over UDP."""
    with Phone(kamailio.port) as caller:
        yield caller


def test_a_refused_call(phone: Phone, connected: Deployment) -> None:
    """The reply comes back by the connection, the ACK goes the same way and is absorbed."""
    assert refused_call(phone, phone.call(), connected, 404, NOBODY).startswith("s1")
    call = phone.call().inside_a_dialog()
    assert refused_call(phone, call, connected, 488, NO_CHANGE) == f"theirs-{call.number}"
    connections = connected.edge.figures()["connections"]
    assert connections["open"] == connections["accepted"] >= 1


def test_calls_through_kamailio(
    kamailio: Kamailio, connected: Deployment, start_program: Start, tmp_path: Path
) -> None:
    """Many calls, none fails; one ACK each reaches the edge and is absorbed."""
    run = run_sipp(start_program, "invite_404_ack", kamailio.port, tmp_path, calls=CALLS, rate=RATE)
    assert (run.failed, run.successful) == (0, CALLS), run.errors
    figures = connected.edge.wait_for_figures(in_flight=0)
    assert figures["absorbed"] >= CALLS
    assert figures["passed"] == figures["send_failures"] == connected.acks_seen() == 0
    assert figures["dropped"] == {}
