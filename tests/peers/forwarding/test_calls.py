"""Whole calls of every kind between two SIPps: those that get through Kamailio get through an edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers.forwarding.calls import LADDERS, Sides, failures
from tests.peers.forwarding.middle import TCP, UDP, UDP6, WAYS, Way, start_forwarding, start_kamailio
from tests.peers.tunnel import Tunnel
from tests.support.proofs import of_which
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start
    from tests.peers.brokers import Edge
    from tests.support.certificates import Authority

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]
CALLS = 5  # of each kind
RATE = 10  # of each kind, a second


EDGE_WAYS = WAYS | {
    "tcp": Way(TCP, "tcp:127.0.0.1", TCP, "tcp:127.0.0.1"),
    "ipv6-ipv4": Way(UDP6, "udp:[::1]", UDP, "udp:127.0.0.1"),
}


@pytest.mark.parametrize("way", of_which(EDGE_WAYS, {"udp", "tcp-udp"}))
def test_every_kind_of_call_gets_through_an_edge(
    way: str, start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    of = EDGE_WAYS[way]
    sides = Sides(start_program, tmp_path, of.far, CALLS)
    edge = start_forwarding(start_slbroker, tmp_path, {u: of.hop(p) for u, p in sides.ports.items()}, of)
    sides.begin(edge.ports[of.near_listen], of.near, RATE)
    assert failures(sides.finish()) == {}, str(edge.process)
    check_figures(edge)


def check_figures(edge: Edge) -> None:
    """All that came went on: nothing was answered, refused or lost at the edge."""
    figures = edge.wait_for_figures(in_flight=0)
    assert figures["forwarded"] == figures["received"], figures
    replies = figures["replies"]
    assert replies["received"] == replies["forwarded"] > len(LADDERS) * CALLS, replies


@pytest.mark.proof
def test_every_kind_of_call_gets_through_an_edge_from_tls(
    start_slbroker: Start, start_program: Start, tmp_path: Path, authority: Authority
) -> None:
    of = Way(TCP, "tls:127.0.0.1", UDP, "udp:127.0.0.1")
    pair = authority.issue("edge")
    files = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))
    sides = Sides(start_program, tmp_path, of.far, CALLS)
    hops = {user: of.hop(port) for user, port in sides.ports.items()}
    edge = start_forwarding(start_slbroker, tmp_path, hops, of, files)
    with Tunnel(edge.ports[of.near_listen], authority.client()) as tunnel:
        sides.begin(tunnel.port, of.near, RATE)
        assert failures(sides.finish()) == {}, str(edge.process)
    check_figures(edge)


@pytest.mark.parametrize("way", of_which(["udp", "tcp-udp", "ipv6-ipv4"], {"udp"}))
def test_every_kind_of_call_gets_through_an_edge_in_front_of_kamailio(
    way: str, start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    """Kamailio keeps transactions, and writes itself into Record-Route behind the edge."""
    of = EDGE_WAYS[way]
    sides = Sides(start_program, tmp_path, of.far, CALLS)
    hops = {user: of.hop(port) for user, port in sides.ports.items()}
    kamailio = start_kamailio(start_program, tmp_path, hops, stateful=True)
    front = dict.fromkeys(hops, f"sip:127.0.0.1:{kamailio.port}")
    edge = start_forwarding(start_slbroker, tmp_path, front, of)
    sides.begin(edge.ports[of.near_listen], of.near, RATE)
    assert failures(sides.finish()) == {}, str(edge.process)


@pytest.mark.proof
def test_every_kind_of_call_gets_through_an_edge_behind_kamailio(
    start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    of = WAYS["udp"]
    sides = Sides(start_program, tmp_path, of.far, CALLS)
    hops = {user: of.hop(port) for user, port in sides.ports.items()}
    edge = start_forwarding(start_slbroker, tmp_path, hops, of)
    behind = dict.fromkeys(hops, f"sip:127.0.0.1:{edge.port}")
    kamailio = start_kamailio(start_program, tmp_path, behind, stateful=True)
    sides.begin(kamailio.port, of.near, RATE)
    assert failures(sides.finish()) == {}, str(edge.process)
