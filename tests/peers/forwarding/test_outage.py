"""Edge, workers and broker are killed and started again in the middle of 200 open calls, which end as they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.fire.site import Site
from tests.peers.forwarding.calls import BEGIN, END, End, Sides, failures, steps
from tests.peers.forwarding.plugin import write_plugin
from tests.support.peers import free_udp_port
from tests.support.proofs import of_which
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]

CALLS = 100  # of each kind
TALK = round(within(12.0) * 1_000)  # milliseconds, in which everybody dies and comes back
LADDERS = {
    "call": steps(BEGIN, f"wait {TALK} ->", "INVITE +sdp ->, <- 200 +sdp, ACK ->", END),
    "far-end": steps(BEGIN, f"<- wait {TALK}", "<- BYE, 200 ->"),
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.end()


@pytest.mark.parametrize("brokered", of_which([False, True], [True]), ids=["edge and workers", "with a broker"])
def test_open_calls_end_as_they_should_whoever_dies(
    site: Site, start_program: Start, tmp_path: Path, brokered: bool
) -> None:
    sides = Sides(start_program, tmp_path, End(), CALLS, LADDERS, seconds=TALK / 1_000 + 5)
    hops = {user: f"sip:127.0.0.1:{port}" for user, port in sides.ports.items()}
    plugin = write_plugin(tmp_path, hops)
    address, port = site.addresses(1), free_udp_port()
    buses = (address.handlers,) if brokered else (site.bus,)
    options = ["--pass", hops["call"], "--record-route", *(address.option if brokered else ())]
    for user, hop in hops.items():
        options += ["--route", f"pass={hop} method=ACK user={user}"]

    parts = [site.broker(address)] if brokered else []
    edge = site.edge(*options, port=port)
    parts += [edge.process, *site.workers(2, "--plugin", str(plugin), buses=buses)]
    sides.begin(port, End(), 2 * CALLS)
    edge.wait_for_figures(forwarded=2 * len(LADDERS) * CALLS, in_flight=0)  # INVITEs and ACKs: all talk

    for part in parts:
        part.kill()
    workers = site.begin_workers(2, "--plugin", str(plugin), buses=buses)
    if brokered:
        site.broker(address)
    edge = site.edge(*options, port=port)
    for worker in workers:
        worker.wait_for("handler ready", 30)
    until(lambda: len(edge.figures()["workers"]) == (1 if brokered else 2), what="workers at the edge")
    assert edge.figures()["received"] == 0, "the calls went on before all was back: what has this shown?"
    assert failures(sides.finish()) == {}, str(edge.process)
    figures = edge.wait_for_figures(in_flight=0)
    assert figures["forwarded"] == figures["received"] >= CALLS * 4, figures
