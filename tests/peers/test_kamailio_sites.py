"""compose/kamailio.cfg where edges are several, or behind a NAT such as docker-proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers.brokers import new_keys, start_edge
from tests.peers.kamailio import start_kamailio
from tests.peers.natted import Natted
from tests.peers.phone import Phone
from tests.support.timing import until, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start
    from tests.peers.brokers import Edge
    from tests.peers.conftest import Deployment

pytestmark = pytest.mark.peer
BOTH = pytest.mark.parametrize("stateless", [True, False], ids=["forward", "t_relay"])


@BOTH
def test_replies_find_the_way_back_through_the_port_that_docker_publishes(
    deployment: Deployment, start_program: Start, tmp_path: Path, stateless: bool
) -> None:
    with Natted(deployment.edge.port) as published:
        kamailio = start_kamailio(start_program, published.port, tmp_path, stateless=stateless)
        with Phone(kamailio.port) as phone:
            call = phone.call()
            reply = phone.ask(call.request("INVITE"))
            assert reply.status == 404
            assert len(reply.all("Via")) == 1
            phone.send(call.ack(reply["To"]))
        deployment.edge.wait_for_figures(absorbed=1)
        assert kamailio.complaints() == []


def start_site(start: Start, folder: Path) -> list[Edge]:
    """Two edges, each with a handler that answers 404."""
    ring, edges = new_keys(folder), []
    for name in ("one", "two"):
        bus = f"ipc://{folder}/{name}"
        edges.append(start_edge(start, ring, bus))
        start("handler", "--bus", bus, "--keys", str(ring)).wait_for("handler ready")
        edges[-1].process.wait_for("joins pool")
    return edges


@BOTH
@pytest.mark.timeout(within(120))
def test_calls_are_spread_over_the_edges_of_a_list_and_one_that_is_killed_is_left_out(
    start_slbroker: Start, start_program: Start, tmp_path: Path, stateless: bool
) -> None:
    edges = start_site(start_slbroker, tmp_path)
    (tmp_path / "list").write_text("".join(f"1 sip:127.0.0.1:{edge.port}\n" for edge in edges))
    defines = ("WITH_DISPATCHER", f'EDGES="{tmp_path}/list"')
    kamailio = start_kamailio(start_program, edges[0].port, tmp_path, stateless=stateless, defines=defines)
    calls = 30
    with Phone(kamailio.port) as phone:

        def is_served(seconds: float = 5.0) -> bool:
            call = phone.call()
            phone.send(call.request("INVITE"))
            reply = phone.receive(within(seconds))
            while reply is not None and reply.status == 100:
                reply = phone.receive(within(seconds))
            if reply is not None:
                phone.send(call.ack(reply["To"]))
            return reply is not None and reply.status == 404

        before = [edge.figures()["replied"] for edge in edges]
        assert all(is_served() for _ in range(calls))
        served = [edge.figures()["replied"] - was for edge, was in zip(edges, before, strict=True)]
        assert min(served) >= 3, f"by Call-ID: {served}"
        until(lambda: sum(edge.figures()["absorbed"] for edge in edges) >= calls, what="every ACK at its edge")
        assert not any(edge.figures()["dropped"].get("ack") for edge in edges)
        edges[0].process.kill()
        if not stateless:
            assert all(is_served(12.0) for _ in range(6)), "by the other edge, after fr_timer for those of the dead one"
        # 2 s to dispatcher's next ping, 5 s until nobody has answered that.
        until(lambda: all(is_served(0.5) for _ in range(10)), what="calls that all go to the other edge", seconds=30)
        assert all(is_served(1.0) for _ in range(calls))
