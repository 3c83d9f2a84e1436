"""SIPp over TCP, over TLS and over IPv6: no call fails, and no ACK gets past the edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.brokers import free_bus_address, new_keys, start_edge, start_handler
from tests.peers.conftest import Deployment
from tests.peers.sipp import run_sipp, sipp_knows_tls
from tests.peers.tunnel import Tunnel
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.certificates import Authority

RATE = 1_000  # calls a second
CALLS = 1_000
SCENARIOS = ["options", "register", "invite_404_ack", "reinvite_488_ack"]
LISTEN = ("udp:127.0.0.1", "tcp:127.0.0.1", "tls:127.0.0.1", "udp:[::1]", "tcp:[::1]")

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]


@pytest.fixture
def everywhere(start_slbroker: Start, tmp_path: Path, authority: Authority) -> Deployment:
    """An edge on every transport, with two handlers."""
    keys, bus = new_keys(tmp_path), free_bus_address("ipc", tmp_path)
    pair = authority.issue("edge")
    files = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))
    edge = start_edge(start_slbroker, keys, bus, LISTEN, files)
    ack_log = tmp_path / "acks"
    for handler in [start_handler(start_slbroker, keys, bus, ack_log) for _ in range(2)]:
        handler.wait_for("handler ready")
    return Deployment(edge, ack_log)


@pytest.fixture
def tunnel(everywhere: Deployment, authority: Authority) -> Iterator[Tunnel]:
    """Debian builds SIPp without OpenSSL, on purpose: what that SIPp says over TCP goes on over TLS here."""
    with Tunnel(everywhere.edge.ports["tls:127.0.0.1"], authority.client()) as made:
        yield made


def check(everywhere: Deployment, start: Start, folder: Path, scenario: str, **how: object) -> None:
    """Run the scenario, and let no call fail."""
    options = {"calls": CALLS, "rate": RATE} | how
    run = run_sipp(start, scenario, folder=folder, **options)  # type: ignore[arg-type]
    assert (run.failed, run.successful) == (0, options["calls"]), run.errors
    figures = everywhere.edge.wait_for_figures(in_flight=0, absorbed=run.sent.get("ACK", 0))
    assert figures["received"] == figures["replied"] + figures["absorbed"]
    assert figures["passed"] == figures["send_failures"] == everywhere.acks_seen() == 0
    assert figures["dropped"] == {}


def all_closed(accepted: int) -> dict[str, Any]:
    """What an edge that listens on TCP and TLS tells of connections that their peers have closed."""
    open_ones = {"open": 0, "transports": {"tcp": 0, "tls": 0}}
    return {**open_ones, "accepted": accepted, "refused": 0, "closed": {"peer": accepted}}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_one_tcp_connection(scenario: str, everywhere: Deployment, start_program: Start, tmp_path: Path) -> None:
    port = everywhere.edge.ports["tcp:127.0.0.1"]
    check(everywhere, start_program, tmp_path, scenario, port=port, transport="t1")
    assert everywhere.edge.figures()["connections"] == all_closed(1)


@pytest.mark.parametrize("scenario", ["options", "invite_404_ack"])
def test_a_tcp_connection_for_each_call(
    scenario: str, everywhere: Deployment, start_program: Start, tmp_path: Path
) -> None:
    """SIPp stumbles over itself when it opens more connections a second; the edge takes thousands."""
    port = everywhere.edge.ports["tcp:127.0.0.1"]
    check(everywhere, start_program, tmp_path, scenario, port=port, transport="tn", calls=200, rate=100)
    assert everywhere.edge.figures()["connections"] == all_closed(200)


@pytest.mark.parametrize("scenario", ["options", "invite_404_ack"])
def test_tls_of_its_own(
    scenario: str, everywhere: Deployment, authority: Authority, start_program: Start, tmp_path: Path
) -> None:
    if not sipp_knows_tls():
        # Where peers are required, too: Debian 12 packages none that has it, and test_tls makes these calls over TLS.
        pytest.skip("this SIPp was built without TLS (Debian's is); one that was is used when it comes first in PATH")
    port, pair = everywhere.edge.ports["tls:127.0.0.1"], authority.issue("sipp")
    files = ["-tls_cert", str(pair.certificate), "-tls_key", str(pair.key)]
    check(everywhere, start_program, tmp_path, scenario, port=port, transport="l1", options=files)


@pytest.mark.parametrize("scenario", ["options", "invite_404_ack"])
def test_tls(scenario: str, everywhere: Deployment, tunnel: Tunnel, start_program: Start, tmp_path: Path) -> None:
    check(everywhere, start_program, tmp_path, scenario, port=tunnel.port, transport="t1")
    assert tunnel.connections == 1


@pytest.mark.parametrize("scenario", ["options", "invite_404_ack"])
@pytest.mark.parametrize(("transport", "listen"), [("u1", "udp:[::1]"), ("t1", "tcp:[::1]")])
def test_ipv6(
    transport: str, listen: str, scenario: str, everywhere: Deployment, start_program: Start, tmp_path: Path
) -> None:
    port = everywhere.edge.ports[listen]
    check(everywhere, start_program, tmp_path, scenario, port=port, transport=transport, host="::1")
