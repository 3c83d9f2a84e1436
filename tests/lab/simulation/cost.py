"""What the dispatcher's code really costs: CPU time and memory of the calls themselves, with no sockets around them."""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from slbroker.bus import envelope
from slbroker.bus.dispatcher import Dispatcher
from slbroker.bus.envelope import Kind
from slbroker.settings.dispatch import DispatchSettings
from slbroker_edge.service import TICK
from tests.support.bus import ANSWER, hello, ids_of, job, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.jobs import Job

HEARTBEAT: Final = envelope.encode(Kind.HEARTBEAT)
ROUNDS: Final = 5  # the quickest counts: what others do on the machine makes a round slower, never quicker


def staffed(workers: int, credit: int = 128, settings: DispatchSettings | None = None) -> Dispatcher[Job]:
    """Return a dispatcher with so many workers, and nothing left to say."""
    dispatcher: Dispatcher[Job] = Dispatcher("edge", 1, settings or DispatchSettings())
    herd(dispatcher, workers, credit)
    dispatcher.expire(0.0)
    dispatcher.send(0.0)
    return dispatcher


def herd(dispatcher: Dispatcher[Job], workers: int, credit: int = 128) -> None:
    """Let so many workers say HELLO at once."""
    for number in range(workers):
        name = f"host-{number % 100}.example.com:{number}:0a1b2c"
        dispatcher.receive(name.encode(), envelope.encode(Kind.HELLO, hello(name, credit)), 0.0)


class Traffic:
    """Requests in steady state: `turn` of them arrive in each turn of the loop, answered `depth` turns later."""

    def __init__(self, workers: int, turn: int, depth: int = 4) -> None:
        self.dispatcher = staffed(workers)
        self.turn = turn
        self.answered = 0
        self.envelopes = 0
        self._open: deque[list[tuple[bytes, list[bytes]]]] = deque([[] for _ in range(depth)])

    def pass_by(self, turns: int) -> float:
        """Let so many turns go by; return the seconds of CPU spent in the dispatcher, codec included."""
        spent = 0.0
        for _ in range(turns):
            jobs = [job() for _ in range(self.turn)]
            answers = self._open.popleft()
            begun = time.process_time()
            for each in jobs:
                self.dispatcher.submit(each, 0.0)
            for identity, frames in answers:
                self.answered += len(self.dispatcher.receive(identity, frames, 0.0))
            outgoing = self.dispatcher.send(0.0)
            spent += time.process_time() - begun
            self.envelopes += len(outgoing)
            self._open.append([(identity, _answers_to(frames)) for identity, frames in outgoing])
        return spent


def _answers_to(frames: list[bytes]) -> list[bytes]:
    return envelope.encode_replies([(number, ANSWER) for number in ids_of(frames)])


def request_us(workers: int, turn: int, requests: int = 2_048) -> float:
    """Microseconds a request costs the dispatcher when `turn` of them arrive in a turn of the loop."""
    traffic = Traffic(workers, turn)
    turns = max(1, requests // turn)
    traffic.pass_by(turns)
    return min(traffic.pass_by(turns) for _ in range(ROUNDS)) / (turns * turn) * 1e6


@dataclass
class Idle:
    """What workers cost that do nothing: CPU microseconds for each worker and second."""

    looks: float  # `expire` between two heartbeats: is anybody silent, is anything overdue?
    beats: float  # making the edge's heartbeats
    heard: float  # reading the workers'

    @property
    def total(self) -> float:
        return self.looks + self.beats + self.heard


def idle_us(workers: int, seconds: float = 3.0) -> Idle:
    """Measure `seconds` of an edge with nothing to do but to keep in touch."""
    return min((_idle(workers, seconds) for _ in range(ROUNDS)), key=lambda idle: idle.total)


def _idle(workers: int, seconds: float) -> Idle:
    dispatcher = staffed(workers)
    now, end = 0.0, seconds
    spent = dict.fromkeys(("looks", "beats", "heard"), 0.0)
    while now < end:
        now += TICK
        begun = time.process_time()
        dispatcher.expire(now)
        outgoing = dispatcher.send(now)
        said = time.process_time()
        spent["beats" if outgoing else "looks"] += said - begun
        for identity, _frames in outgoing:  # each worker says it as often as the edge
            dispatcher.receive(identity, HEARTBEAT, now)
        spent["heard"] += time.process_time() - said
    return Idle(**{part: value / (workers * seconds) * 1e6 for part, value in spent.items()})


def herd_ms(workers: int) -> float:
    """Milliseconds that the HELLOs of so many workers take when they all come at once."""

    def greet() -> float:
        dispatcher: Dispatcher[Job] = Dispatcher("edge", 1, DispatchSettings())
        begun = time.process_time()
        herd(dispatcher, workers)
        return time.process_time() - begun

    return min(greet() for _ in range(ROUNDS)) * 1e3


def picky_ms(workers: int, jobs: int, free: int = 0) -> float:
    """Milliseconds of one `send` while `jobs` wait that some workers may not have.

    They had been at a worker that hangs, so that one is out; `free` of the others have credit for one request each.
    """
    dispatcher = stuck(workers, jobs, free)
    begun = time.process_time()
    dispatcher.send(6.0)
    return (time.process_time() - begun) * 1e3


def stuck(workers: int, jobs: int, free: int = 0) -> Dispatcher[Job]:
    """Return a dispatcher whose first worker hangs with `jobs`, now overdue; `free` of the others are not full."""
    dispatcher: Dispatcher[Job] = Dispatcher("edge", 1, DispatchSettings(max_wait=60.0))
    dispatcher.receive(b"hung", envelope.encode(Kind.HELLO, hello("hung", jobs)), 0.0)
    for _ in range(jobs):
        dispatcher.submit(job(), 0.0)
    dispatcher.send(0.0)
    herd(dispatcher, workers - 1, credit=1)
    for _ in range(workers - 1 - free):
        dispatcher.submit(job(), 3.0)
    for identity, frames in dispatcher.send(3.0):
        assert kind_of(frames) in (Kind.WELCOME, Kind.REQUESTS), identity
    dispatcher.expire(5.5)
    dispatcher.outgoing.clear()
    return dispatcher


def account_bytes(workers: int, open_each: int = 0) -> float:
    """Bytes of memory that each worker's account takes, with so many requests open at each."""
    gc.collect()
    tracemalloc.start()
    try:
        dispatcher = staffed(workers)
        for _ in range(workers * open_each):
            dispatcher.submit(job(), 0.0)
            if len(dispatcher.pools["default"]) == 1_024:
                dispatcher.send(0.0)
        dispatcher.send(0.0)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / workers
    finally:
        tracemalloc.stop()


@dataclass
class Calls:
    """Counts function calls, Python's and C's: a measure of work that does not depend on the machine."""

    count: int = 0
    _before: Any = field(default=None, repr=False)

    def _see(self, _frame: object, event: str, _argument: object) -> None:
        self.count += event in ("call", "c_call")

    def of(self, do: Callable[[], object]) -> int:
        """Return how many calls `do` makes."""
        self.count = 0
        self._before = sys.getprofile()
        sys.setprofile(self._see)
        try:
            do()
        finally:
            sys.setprofile(self._before)
        return self.count
