"""The edge in the simulation: the real Dispatcher, around it a model of the loop that drives it."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from slbroker.bus import envelope
from slbroker.bus.choice import ANY, DEFAULT_POOL
from slbroker.bus.dispatcher import Dispatcher
from slbroker.bus.jobs import Job
from slbroker.bus.sockets import MAX_PER_TURN
from slbroker_edge.service import TICK
from tests.support.bus import READING

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.dispatcher import Cause
    from slbroker.bus.envelope import Kind
    from tests.lab.simulation.agenda import Agenda
    from tests.lab.simulation.scenario import Scenario
    from tests.lab.simulation.simworker import SimWorker


class Call(Job):
    """A request, and when what happened to it; in seconds."""

    __slots__ = ("arrived", "begun", "cause", "done", "runs")

    def __init__(self, arrived: float) -> None:
        super().__init__(READING, b"", ANY, 0)
        self.arrived = arrived
        self.begun = arrived  # when its handler was started for the last time
        self.done: float | None = None  # when it was answered, or given up
        self.cause: Cause | None = None  # why it was given up
        self.runs = 0  # how often a handler was started for it


class SimEdge:
    """An edge process: one loop, which is busy for a while with everything it does."""

    def __init__(self, agenda: Agenda, scenario: Scenario) -> None:
        self.agenda = agenda
        self.dispatcher: Dispatcher[Call] = Dispatcher("edge", 1, scenario.settings)
        self.dispatcher.pools[DEFAULT_POOL] = scenario.pool()
        self.connections: dict[bytes, SimWorker] = {}
        self.calls: dict[int, Call] = {}  # by the dispatcher's number
        self.finished: list[Call] = []
        self.sent: Counter[Kind] = Counter()  # envelopes
        self.heard: Counter[Kind] = Counter()
        self.items = 0  # requests sent to workers, those given again each time
        self.busy = 0.0  # seconds
        self._scenario = scenario
        self._datagrams: list[Call] = []
        self._inbox: deque[tuple[bytes, list[bytes]]] = deque()
        self._awake = False
        self._tick()

    # What arrives -----------------------------------------------------------------------------------------------

    def arrive(self, call: Call) -> None:
        """Take a request from the network."""
        self._datagrams.append(call)
        self._wake()

    def hear(self, identity: bytes, frames: list[bytes]) -> None:
        """Take an envelope from a worker."""
        self._inbox.append((identity, frames))
        self._wake()

    def _wake(self) -> None:
        if not self._awake:
            self._awake = True
            self._turn()

    # What the loop does -----------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.agenda.after(TICK, self._tick)
        self.dispatcher.expire(self.agenda.now)
        self.audit()
        self._wake()

    def _turn(self) -> None:
        """Take what waits, put out what is due, and be busy with it for a while."""
        now, cost = self.agenda.now, self._scenario.edge
        datagrams, self._datagrams = self._datagrams, []
        for call in datagrams:
            self.dispatcher.submit(call, now)
            self.calls[call.number] = call
        heard = min(MAX_PER_TURN, len(self._inbox))
        answered = [call for _ in range(heard) for call in self._take_envelope()]
        outgoing = self.dispatcher.send(now)
        seconds = cost.turn + cost.request * len(datagrams) + cost.envelope * (heard + len(outgoing))
        self.busy += seconds
        self._put_out(outgoing, now + seconds)
        self._finish(answered, now + seconds)
        if self._scenario.audit:
            self.audit()
        self.agenda.after(seconds, self._rest)

    def _rest(self) -> None:
        if self._datagrams or self._inbox:
            self._turn()
        else:
            self._awake = False

    def _take_envelope(self) -> list[Call]:
        identity, frames = self._inbox.popleft()
        self.heard[envelope.decode_head(frames).kind] += 1
        return [call for call, _answer in self.dispatcher.receive(identity, frames, self.agenda.now)]

    def _put_out(self, outgoing: list[tuple[bytes, list[bytes]]], when: float) -> None:
        for identity, frames in outgoing:
            worker = self.connections.get(identity)
            if worker is None:
                self.dispatcher.refuse(identity, self.agenda.now)  # as the edge does when ZeroMQ refuses the message
            else:
                head = envelope.decode_head(frames)
                self.sent[head.kind] += 1
                self.items += head.size
                self.agenda.at(when + self._scenario.link, _delivery(worker, frames))

    def _finish(self, answered: list[Call], when: float) -> None:
        ended, self.dispatcher.ended = self.dispatcher.ended, []
        for call, cause in ended:
            call.cause = cause
        for call in [*answered, *(call for call, _cause in ended)]:
            assert call.done is None, f"request {call.number} has ended twice"
            call.done = when
            del self.calls[call.number]
            self.finished.append(call)

    # What must hold ---------------------------------------------------------------------------------------------

    def audit(self) -> None:
        """Check that no request is lost or counted twice: what was taken on is at the dispatcher or has ended."""
        dispatcher = self.dispatcher
        counted = dispatcher.in_flight + len(dispatcher.ended)
        assert len(self.calls) == counted, f"{len(self.calls)} have not ended, {counted} are at the dispatcher"

    def begin(self, number: int) -> None:
        """Note that a handler has been started for a request."""
        call = self.calls.get(number)
        if call is not None:
            call.begun = self.agenda.now
            call.runs += 1

    def figures(self) -> dict[str, Any]:
        """Return what the dispatcher counts."""
        dispatcher = self.dispatcher
        return {"retried": dispatcher.retried, "late": dispatcher.late, "lost": dispatcher.lost}


def _delivery(worker: SimWorker, frames: list[bytes]) -> Callable[[], None]:
    return lambda: worker.deliver(frames)
