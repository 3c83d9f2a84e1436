"""Edge, brokers and workers as processes, with SIP in front: what becomes of requests when they come, go and die."""

from __future__ import annotations

import signal
import time
from itertools import permutations
from typing import TYPE_CHECKING, Any, Final

import pytest

from slbroker.bus import curve
from slbroker.bus.address import parse_bus_address
from slbroker.errors import NoAnswerError
from tests.lab.fire.checks import assert_all_answered_once
from tests.lab.fire.prober import wait_until_back
from tests.lab.fire.site import Site, after
from tests.support.figures import ask_figures
from tests.support.peers import free_udp_port
from tests.support.processes import run_slbroker
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.peers.brokers import Edge
    from tests.support.processes import Process

RATE: Final = 500  # requests a second


class Landscape:
    """A site with brokers, of which its edge and its workers know."""

    def __init__(self, site: Site, brokers: int) -> None:
        self.site = site
        self.brokers = [site.addresses(number) for number in range(brokers)]
        self.buses = tuple(broker.handlers for broker in self.brokers)

    def edge(self, port: int = 0) -> Edge:
        return self.site.edge(*(word for broker in self.brokers for word in broker.option), port=port)

    def start(self, workers: int = 2) -> tuple[Edge, list[Process], list[Process]]:
        """Start everything; return the edge, the brokers and the workers when all know each other."""
        brokers = [self.site.broker(broker) for broker in self.brokers]
        processes = self.site.workers(workers, buses=self.buses)
        edge = self.edge()
        until(lambda: self._are_known(edge, workers), what="an account for each broker with all its workers")
        return edge, brokers, processes

    def _are_known(self, edge: Edge, workers: int) -> bool:
        known = [account.get("workers", 1) for account in edge.figures()["workers"]]
        return known == [workers] * len(self.brokers)

    def figures(self, number: int) -> dict[str, Any]:
        """What a broker says of itself, nothing when it is not there."""
        try:
            (figures,) = ask_figures(parse_bus_address(self.brokers[number].handlers), within(0.3))
        except NoAnswerError:
            return {}
        assert figures["unaccounted"] == 0
        return figures


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.end()


@pytest.fixture
def two(site: Site) -> Landscape:
    return Landscape(site, brokers=2)


@pytest.fixture
def one(site: Site) -> Landscape:
    return Landscape(site, brokers=1)


def test_a_broker_killed_under_load_loses_nothing_and_is_used_again_when_it_is_back(two: Landscape) -> None:
    edge, brokers, _workers = two.start()
    load = two.site.load(edge, rate=RATE)
    after(1.0)
    brokers[0].kill()
    after(1.0)
    two.site.broker(two.brokers[0])
    ready = time.monotonic()
    until(lambda: two.figures(0).get("answered"), what="an answer by the broker that is back")
    assert time.monotonic() - ready < within(1.0)
    after(0.5)
    result = load.stop()
    assert len(result) > RATE
    assert_all_answered_once(result, edge)
    assert two.figures(1)["answered"] > RATE, "both had their share"


def test_a_broker_that_is_told_to_stop_loses_nothing(two: Landscape) -> None:
    edge, brokers, _workers = two.start()
    load = two.site.load(edge, rate=RATE, user="wait")
    after(0.7)
    assert brokers[0].stop() == 0
    after(0.5)
    figures = assert_all_answered_once(load.stop(), edge)
    assert figures["retried"] == 0, "it finished what it had"
    assert "broker stopped: taken" in brokers[0].log
    assert not any(fate in brokers[0].log for fate in ("lost", "returned", "orphaned")), brokers[0].log


def test_a_worker_killed_behind_the_only_broker_loses_nothing(one: Landscape) -> None:
    edge, _brokers, workers = one.start(workers=3)
    load = one.site.load(edge, rate=RATE, user="wait")
    after(0.7)
    workers[0].kill()
    after(0.7)
    assert_all_answered_once(load.stop(), edge)
    figures = one.figures(0)
    assert figures["lost"] + figures["answered"] == figures["taken"]
    assert len(figures["workers"]) == 2


def test_a_worker_stopped_behind_the_only_broker_loses_nothing(one: Landscape) -> None:
    edge, _brokers, workers = one.start(workers=3)
    load = one.site.load(edge, rate=RATE, user="wait")
    after(0.5)
    assert workers[0].stop() == 0
    after(0.5)
    figures = assert_all_answered_once(load.stop(), edge)
    assert figures["retried"] == 0


def test_an_edge_that_is_told_to_stop_gets_its_answers_first(one: Landscape) -> None:
    edge, _brokers, _workers = one.start()
    load = one.site.load(edge, rate=RATE, user="wait", seconds=0.5)
    after(0.6)
    edge.process.send(signal.SIGTERM)
    result = load.result()
    assert not result.unanswered
    assert edge.process.wait() == 0
    until(lambda: not one.figures(0)["edges"], 2.0, what="the broker has forgotten the edge")
    assert one.figures(0)["orphaned"] == 0


@pytest.mark.parametrize("order", list(permutations(["edge", "broker", "worker"])), ids="-".join)
def test_the_parts_are_started_in_any_order(one: Landscape, order: tuple[str, ...]) -> None:
    port = free_udp_port()
    starts: dict[str, Callable[[], object]] = {
        "edge": lambda: one.edge(port),
        "broker": lambda: one.site.broker(one.brokers[0]),
        "worker": lambda: one.site.begin_workers(1, buses=one.buses)[0].wait_for("handler started"),
    }
    for name in order:
        starts[name]()
    begun = time.monotonic()
    assert wait_until_back(port) - begun < within(1.0)


def test_stats_show_a_broker(one: Landscape) -> None:
    one.start(workers=1)
    asked = run_slbroker("stats", "--bus", one.brokers[0].edges)
    assert asked.wait() == 0, asked
    assert asked.output.startswith("broker "), asked.output
    assert "worker " in asked.output
    assert "edge " in asked.output


def test_a_broker_with_keys_serves_those_whose_keys_it_knows(site: Site, one: Landscape) -> None:
    (site.folder / "known").mkdir()
    for name in ("edge", "broker", "known/handler", "stranger"):
        curve.create(site.folder / name)
    (site.folder / "edge.key").rename(site.folder / "known" / "edge.key")

    def secret(name: str) -> tuple[str, str]:
        return "--bus-key", f"{site.folder}/{name}.key_secret"

    known, broker_key = ("--bus-clients", f"{site.folder}/known"), f"{site.folder}/broker.key"
    addresses = one.brokers[0]
    site._run("broker", "--edges", addresses.edges, "--handlers", addresses.handlers, *secret("broker"), *known)
    edge = site.edge(*addresses.option, *secret("edge"), *known, "--broker-key", broker_key)
    stranger, worker = (
        site.begin_workers(1, *secret(name), "--bus-server-key", broker_key, buses=one.buses)[0]
        for name in ("stranger", "known/handler")
    )
    worker.wait_for("handler ready")
    begun = time.monotonic()
    assert wait_until_back(edge.port) - begun < within(2.0)
    assert "handler ready" not in stranger.log


def test_what_cannot_be_is_said_in_a_line(tmp_path: Path) -> None:
    for words, line in (
        (("--edges", f"ipc://{tmp_path}/a"), "such as --edges tcp://127.0.0.1:5591 --handlers"),
        (("--edges", f"ipc://{tmp_path}/a", "--handlers", f"ipc://{tmp_path}/a"), "are two addresses"),
        (("--edges", "tcp://0.0.0.0:1", "--handlers", f"ipc://{tmp_path}/a"), "open to other machines"),
    ):
        refused = run_slbroker("broker", *words)
        assert refused.wait() in (2, 3), refused
        assert line in refused.log
        assert len(refused.log.splitlines()) == 1
