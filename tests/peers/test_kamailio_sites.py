"""compose/kamailio.cfg where edges are several, or behind a NAT such as docker-proxy."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.peers.brokers import new_keys, start_edge
from tests.peers.kamailio import start_kamailio, start_kamailio_once
from tests.peers.natted import Natted
from tests.peers.phone import Phone
from tests.support.processes import ROOT
from tests.support.timing import until, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start
    from tests.peers.brokers import Edge
    from tests.peers.conftest import Deployment
    from tests.peers.kamailio import Kamailio
    from tests.support.processes import Process

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


READY = ROOT / "compose" / "kamailio-ready"


def test_kamailio_is_healthy_when_calls_are_answered_through_it_and_not_before(
    start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    """What `docker compose up --wait` waits for."""
    ring, bus = new_keys(tmp_path), f"ipc://{tmp_path}/bus"
    edge = start_edge(start_slbroker, ring, bus)
    kamailio = start_kamailio_once(start_program, edge.port, tmp_path / "kamailio", False, ())

    def asked() -> tuple[int, str]:
        check = start_program(str(READY), "127.0.0.1", str(kamailio.port))
        return check.wait(within(10)), check.output[:11]

    until(lambda: asked() == (1, "SIP/2.0 500"), what="the edge's word that it has no handler", seconds=30)
    start_slbroker("handler", "--bus", bus, "--keys", str(ring)).wait_for("handler ready")
    edge.process.wait_for("joins pool")
    assert asked() == (0, "SIP/2.0 200")
    kamailio.process.stop()
    assert asked() == (1, "no answer w")


@dataclass(frozen=True)
class Side:
    """An edge and its handler."""

    edge: Edge
    handler: Process


def start_site(start: Start, folder: Path, *options: str) -> list[Side]:
    """Two edges, each with a handler that answers 404, or what its options say."""
    ring, sides = new_keys(folder), []
    for name in ("one", "two"):
        bus = f"ipc://{folder}/{name}"
        edge = start_edge(start, ring, bus)
        handler = start("handler", "--bus", bus, "--keys", str(ring), *options)
        handler.wait_for("handler ready")
        edge.process.wait_for("joins pool")
        sides.append(Side(edge, handler))
    return sides


def start_dispatcher(start: Start, folder: Path, sides: list[Side], *, stateless: bool = False) -> Kamailio:
    """Kamailio with both edges in its list."""
    (folder / "list").write_text("".join(f"1 sip:127.0.0.1:{side.edge.port}\n" for side in sides))
    defines = ("WITH_DISPATCHER", f'EDGES="{folder}/list"')
    return start_kamailio(start, sides[0].edge.port, folder, stateless=stateless, defines=defines)


def status(phone: Phone, seconds: float) -> int:
    """What a new request gets within so many seconds; 0 for nothing."""
    phone.send(phone.call().request("MESSAGE"))
    reply = phone.receive(seconds)
    return 0 if reply is None else reply.status


@BOTH
@pytest.mark.timeout(within(120))
def test_calls_are_spread_over_the_edges_of_a_list_and_one_that_is_killed_is_left_out(
    start_slbroker: Start, start_program: Start, tmp_path: Path, stateless: bool
) -> None:
    sides = start_site(start_slbroker, tmp_path)
    edges = [side.edge for side in sides]
    kamailio = start_dispatcher(start_program, tmp_path, sides, stateless=stateless)
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
        # 2 s to dispatcher's next ping, 3 s until nobody has answered that. Ten Call-IDs in a row may well all be
        # the other edge's by themselves.
        until(lambda: all(is_served(0.5) for _ in range(calls)), what="calls that all go to the other edge", seconds=30)
        assert all(is_served(1.0) for _ in range(calls))


@pytest.mark.timeout(within(60))
def test_a_call_whose_edge_hangs_is_answered_by_one_that_has_just_come_back(
    start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    """It was left out when the call came, so it is none of those that the call was given to begin with."""
    sides = start_site(start_slbroker, tmp_path)
    one, two = (side.edge.process for side in sides)
    kamailio = start_dispatcher(start_program, tmp_path, sides)
    with Phone(kamailio.port) as phone:
        one.send(signal.SIGSTOP)
        time.sleep(6.0)  # 2 s to the next ping, 3 s for its answer
        served = partial(status, phone, 0.5)
        until(lambda: all(served() == 404 for _ in range(30)), what="calls that all go to the other edge", seconds=30)
        two.send(signal.SIGSTOP)
        phone.send(phone.call().request("MESSAGE"))
        time.sleep(0.5)
        one.send(signal.SIGCONT)
        reply = phone.receive(12.0)
        two.send(signal.SIGCONT)
        assert reply is not None
        assert reply.status == 404, "408 would say that nobody was asked but the one that hangs"


def test_a_call_whose_edge_has_no_handler_any_more_is_answered_by_the_other_edge(
    start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    """An edge says so at once, with 503, and dispatcher asks every 2 s."""
    sides = start_site(start_slbroker, tmp_path)
    kamailio = start_dispatcher(start_program, tmp_path, sides)
    with Phone(kamailio.port) as phone:
        assert sides[0].handler.stop() == 0
        assert {status(phone, 2.0) for _ in range(30)} == {404}
    assert sides[0].edge.figures()["shed"] > 0, "some have asked it"


def test_edges_whose_handlers_answer_everything_with_404_are_not_left_out(
    start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    """Dispatcher's pings among it: by itself it takes 2xx alone for a sign of life."""
    plugin = tmp_path / "answers.py"
    plugin.write_text(
        "from slbroker import Handlers\napp = Handlers()\napp.otherwise(lambda request: request.reply(404))\n"
    )
    sides = start_site(start_slbroker, tmp_path, "--plugin", str(plugin))
    (tmp_path / "list").write_text("".join(f"1 sip:127.0.0.1:{side.edge.port}\n" for side in sides))
    defines = ("WITH_DISPATCHER", f'EDGES="{tmp_path}/list"')
    kamailio = start_kamailio_once(start_program, sides[0].edge.port, tmp_path / "kamailio", False, defines)
    until(lambda: min(side.edge.figures()["replied"] for side in sides) >= 2, what="two pings at each", seconds=15)
    with Phone(kamailio.port) as phone:
        assert {status(phone, 2.0) for _ in range(10)} == {404}, "503 would be: No Edge"


@pytest.mark.timeout(within(60))
def test_dispatcher_hears_an_edge_behind_the_port_that_docker_publishes(
    start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    """Its pings are no requests of a caller, and had no rport: their answers went where Kamailio is not."""
    sides = start_site(start_slbroker, tmp_path)
    with Natted(sides[0].edge.port) as published:
        (tmp_path / "list").write_text(f"1 sip:127.0.0.1:{published.port}\n")
        defines = ("WITH_DISPATCHER", f'EDGES="{tmp_path}/list"')
        kamailio = start_kamailio(start_program, published.port, tmp_path, stateless=False, defines=defines)
        with Phone(kamailio.port) as phone:
            time.sleep(8.0)  # a ping that nobody answers has left the edge out by then
            assert {status(phone, 2.0) for _ in range(10)} == {404}, "503 would be: No Edge"
