"""Everything dies and comes back, each part alone and all together in every order: who does what is left to them."""

from __future__ import annotations

import re
import time
from itertools import permutations
from typing import TYPE_CHECKING, Final

import pytest

from tests.lab.fire.lines import calls
from tests.lab.fire.prober import wait_until_back
from tests.support.peers import free_udp_port
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.fire.conftest import Report
    from tests.lab.fire.site import Site
    from tests.peers.brokers import Edge
    from tests.support.processes import Process

BACK_WITHIN: Final = 1.0  # seconds from the end of a process's own start-up to the first request that is answered


class Landscape:
    """The parts by name; each can be killed and started again at its old address."""

    def __init__(self, site: Site, *, brokered: bool) -> None:
        self.port = free_udp_port()
        self.edge: Edge | None = None
        self._site = site
        broker = site.addresses(1)
        option, bus = (broker.option, broker.handlers) if brokered else ((), site.bus)
        self._starts: dict[str, Callable[[], list[Process]]] = {
            "edge": lambda: [self._start_edge(*option)],
            "workers": lambda: started(site.begin_workers(2, buses=(bus,))),
        }
        if brokered:
            self._starts["broker"] = lambda: [site.broker(broker)]
        self._running: dict[str, list[Process]] = {}
        self._all: dict[str, list[Process]] = {}
        self.killed: dict[str, list[int]] = {}
        self.names = list(self._starts)

    def _start_edge(self, *options: str) -> Process:
        self.edge = self._site.edge(*options, port=self.port)
        return self.edge.process

    def start(self, name: str) -> float:
        """Start a part; return when its own start-up had ended."""
        self._running[name] = self._starts[name]()
        self._all.setdefault(name, []).extend(self._running[name])
        return time.monotonic()

    def kill(self, *names: str) -> None:
        """SIGKILL: nothing is said to anybody."""
        for name in names:
            for process in self._running.pop(name):
                process.kill()
                self.killed.setdefault(name, []).append(process.pid)

    def lines(self, name: str) -> list[str]:
        """What the processes of a part have logged, those that were killed too."""
        return [line for process in self._all[name] for line in process.log.splitlines()]


def started(workers: list[Process]) -> list[Process]:
    """Wait until they are up, whether there is an edge or not."""
    for worker in workers:
        worker.wait_for("handler started")
    return workers


@pytest.fixture(params=[False, True], ids=["edge and workers", "with a broker"])
def landscape(site: Site, request: pytest.FixtureRequest) -> Landscape:
    return Landscape(site, brokered=request.param)


def test_each_part_comes_back_alone(landscape: Landscape, report: Report) -> None:
    for name in landscape.names:
        landscape.start(name)
    wait_until_back(landscape.port)
    took = {}
    for name in landscape.names:
        landscape.kill(name)
        ready = landscape.start(name)
        took[name] = wait_until_back(landscape.port) - ready
        report(f"{name} killed and started: back after", f"{took[name] * 1e3:.0f} ms", "1 s")
    assert max(took.values()) < within(BACK_WITHIN), took
    assert_the_logs_tell_who_was_lost(landscape)


def assert_the_logs_tell_who_was_lost(landscape: Landscape) -> None:
    """Each part was killed once: the ones at the other end of its connections say so, with its name."""
    ends = {"edge": "workers", "workers": "edge"}
    if "broker" in landscape.names:
        ends = {"edge": "broker", "workers": "broker", "broker": "edge"}
        who = landscape.killed["broker"][0]
        assert any(
            f":{who}:" in line and "requests of its are open here" in line for line in landscape.lines("workers")
        )
    for name, witness in ends.items():
        for pid in landscape.killed[name]:
            told = [line for line in landscape.lines(witness) if re.search(rf"\b\S+:{pid}\b", line) and is_told(line)]
            assert told, (name, pid, landscape.lines(witness))


def is_told(line: str) -> bool:
    """Whether a line says that somebody has gone without a word, and what is left of that."""
    return bool(re.search(r" (is lost: .*|has gone: .*|is silent for .*|was started again.*); .*\d+ requests", line))


def assert_the_edge_tells_of_each_request(edge: Edge | None) -> None:
    """What came before all were back, too, and why that was not served. With all killed nobody is left to tell more."""
    assert edge is not None
    received = edge.wait_for_figures(in_flight=0)["received"]
    until(lambda: len(calls(edge.process.log)) >= received, 5.0)
    told = calls(edge.process.log)
    assert len(told) == received
    assert [call for call in told if call.fate != "replied" and not call.why] == []
    assert all(call.worker and call.handler for call in told if call.fate == "replied")


def test_all_parts_come_back_in_every_order(landscape: Landscape, report: Report) -> None:
    took = {}
    for order in permutations(landscape.names):
        for name in order:
            ready = landscape.start(name)
        took[order] = wait_until_back(landscape.port) - ready
        assert_the_edge_tells_of_each_request(landscape.edge)
        landscape.kill(*order)
        report(f"{', '.join(order)}: back after", f"{took[order] * 1e3:.0f} ms", "1 s")
    assert max(took.values()) < within(BACK_WITHIN), took
