"""A run: workers come up, requests arrive, things break, and what came of it is added up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

from slbroker.bus.envelope import Kind
from tests.lab.simulation.agenda import Agenda
from tests.lab.simulation.simedge import Call, SimEdge
from tests.lab.simulation.simworker import SimWorker
from tests.support.bus import hello

if TYPE_CHECKING:
    from slbroker.bus.dispatcher import Cause
    from tests.lab.simulation.scenario import Failure, Scenario

FIRST_ARRIVAL: Final = 1.0  # seconds: by then all workers are welcome
LONGEST_END: Final = 30.0  # seconds after the last arrival by which every request has to have ended


@dataclass(frozen=True)
class Outcome:
    """What came of a run. Times in seconds, in the order of their length."""

    seconds: float  # of arrivals
    arrived: int
    answered: int
    ended: Counter[Cause]
    waits: list[float]  # from arrival to the handler's start, of the answered
    totals: list[float]  # from arrival to the answer
    runs: int  # of handlers, for all requests
    retried: int
    late: int
    lost: int
    sent: Counter[Kind]
    heard: Counter[Kind]
    items_per_envelope: float  # requests in one envelope of REQUESTS
    shares: list[int]  # requests answered by each worker that was there at the end
    edge_busy: float  # share of the time
    in_time: float  # answers a second while requests arrived

    def slower_than(self, seconds: float) -> int:
        """Return how many were answered only after so long."""
        return sum(total > seconds for total in self.totals)


def percentile(ordered: list[float], percent: float) -> float:
    """Return the value that so many per cent do not exceed; nan for nothing."""
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class World:
    """One edge, its workers, and what arrives."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.agenda = Agenda()
        self.edge = SimEdge(self.agenda, scenario)
        self.workers: list[SimWorker] = []
        self.arrived = 0
        self._arrivals = Random(scenario.seed)
        self._services = Random(scenario.seed + 1)  # so that every policy meets the same arrivals
        self._last_arrival = FIRST_ARRIVAL + scenario.seconds
        self._lives = 0
        for number in range(scenario.workers):
            self.workers.append(self._start(number))
        self.agenda.at(FIRST_ARRIVAL, self._arrive)
        for failure in scenario.failures:
            self._plan(failure)

    def _start(self, number: int) -> SimWorker:
        """Start a worker process; a new one in an old place has a name and a connection of its own."""
        self._lives += 1
        scenario = self.scenario
        service = scenario.odd.get(number, scenario.service)
        offer = hello(f"w{number}-{self._lives}", scenario.credit)
        worker = SimWorker(
            self.agenda, self._services, offer, service, scenario.is_async, self._to_edge, self.edge.begin
        )
        self.edge.connections[worker.identity] = worker
        return worker

    def _to_edge(self, identity: bytes, frames: list[bytes]) -> None:
        self.agenda.after(self.scenario.link, lambda: self.edge.hear(identity, frames))

    def _arrive(self) -> None:
        now = self.agenda.now
        if now < self._last_arrival:
            self.arrived += 1
            self.edge.arrive(Call(now))
            self.agenda.after(self._arrivals.expovariate(self.scenario.rate), self._arrive)

    # What breaks ------------------------------------------------------------------------------------------------

    def _plan(self, failure: Failure) -> None:
        when = FIRST_ARRIVAL + failure.at
        affected = range(round(failure.share * self.scenario.workers))
        for number in affected:
            self.agenda.at(when, partial(self._fell, number, failure.kind))
            if failure.kind == "restarted":
                self.agenda.at(when + failure.down, partial(self._restart, number))

    def _fell(self, number: int, kind: str) -> None:
        worker = self.workers[number]
        worker.end()
        if kind != "stopped":
            self.edge.connections.pop(worker.identity, None)

    def _restart(self, number: int) -> None:
        self.workers[number] = self._start(number)

    # The run ----------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Let it all happen, until every request has ended."""
        agenda, edge = self.agenda, self.edge
        agenda.run(self._last_arrival)
        in_time = sum(call.cause is None for call in edge.finished) / self.scenario.seconds
        sent, heard, items = edge.sent.copy(), edge.heard.copy(), edge.items
        busy = edge.busy / agenda.now
        while len(edge.finished) < self.arrived and agenda.now < self._last_arrival + LONGEST_END:
            agenda.run(agenda.now + 0.1)
        assert len(edge.finished) == self.arrived, f"{self.arrived - len(edge.finished)} requests have not ended"
        answered = [call for call in edge.finished if call.cause is None]
        accounts = [edge.dispatcher.workers.get(worker.identity) for worker in self.workers]
        return Outcome(
            seconds=self.scenario.seconds,
            arrived=self.arrived,
            answered=len(answered),
            ended=Counter(call.cause for call in edge.finished if call.cause is not None),
            waits=sorted(call.begun - call.arrived for call in answered),
            totals=sorted((call.done or 0.0) - call.arrived for call in answered),
            runs=sum(call.runs for call in edge.finished),
            sent=sent,
            heard=heard,
            items_per_envelope=items / max(1, sent[Kind.REQUESTS]),
            shares=[account.answered for account in accounts if account is not None],
            edge_busy=busy,
            in_time=in_time,
            **edge.figures(),
        )


def simulate(scenario: Scenario) -> Outcome:
    """Run a scenario to its end."""
    return World(scenario).run()
