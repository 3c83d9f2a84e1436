"""A real edge and very many real connections from workers that have nothing to do: what each costs it."""

from __future__ import annotations

import os
import resource
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import zmq

from slbroker.bus.address import parse_bus_address
from slbroker.bus.membership import Membership, Standing
from slbroker.bus.sockets import connect_dealer
from tests.lab.bench.processes import TICKS_PER_SECOND
from tests.support.bus import hello
from tests.support.processes import Process, run_slbroker, slbroker
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator

STEP: Final = 0.05  # seconds between two looks at all sockets
SPARE: Final = 200  # descriptors and sockets for all else


def edge_on(bus: str, folder: Path) -> Process:
    """Start an edge with a bus at `bus` and no SIP traffic."""
    ring = folder / "keys.ring"
    if not ring.exists():
        made = run_slbroker("keys", "new", str(ring))
        assert made.wait() == 0, made
    edge = slbroker("edge", "--listen", "udp:127.0.0.1:0", "--keys", str(ring), "--bus", bus)
    edge.wait_for("edge ready")
    return edge


class Crowd:
    """Worker ends on real sockets, all in this process. A context manager: at its end they are closed."""

    def __init__(self, bus: str, count: int) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, count + SPARE)  # of which libzmq allows 1,023 unless told otherwise
        address = parse_bus_address(bus)
        self._ends = [
            (connect_dealer(self._context, address), Membership(hello(f"worker {number}", 128)))
            for number in range(count)
        ]

    @property
    def welcome(self) -> int:
        """How many have an account at the edge."""
        return sum(membership.standing is Standing.MEMBER for _dealer, membership in self._ends)

    def live(self, seconds: float) -> None:
        """Read what comes and say what is due, for so long."""
        end = time.monotonic() + seconds
        while (begun := time.monotonic()) < end:
            for dealer, membership in self._ends:
                with suppress(zmq.Again):
                    while True:
                        membership.receive(dealer.recv_multipart(zmq.NOBLOCK), begun)
                for frames in membership.send(begun):
                    with suppress(zmq.Again):
                        dealer.send_multipart(frames, zmq.NOBLOCK)
            time.sleep(max(0.0, begun + STEP - time.monotonic()))

    def live_until_welcome(self, seconds: float) -> float:
        """Live until all have an account; return how long that took. Fails when it takes longer than `seconds`."""
        begun = time.monotonic()
        while self.welcome < len(self._ends):
            assert time.monotonic() < begun + within(seconds), f"{self.welcome} of {len(self._ends)} are welcome"
            self.live(STEP)
        return time.monotonic() - begun

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for dealer, _membership in self._ends:
            dealer.close(0)
        self._context.term()


@dataclass(frozen=True)
class Weight:
    """What a process takes of the system now."""

    rss: int  # bytes
    descriptors: int
    cpu: dict[int, float]  # seconds, by thread; the process's first thread runs the loop

    @classmethod
    def of(cls, pid: int) -> Weight:
        process = Path(f"/proc/{pid}")
        pages = int((process / "statm").read_text().split()[1])
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), len(list((process / "fd").iterdir())), dict(_threads(process)))


def _threads(process: Path) -> Iterator[tuple[int, float]]:
    for task in (process / "task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        yield int(task.name), (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


@dataclass(frozen=True)
class Burden:
    """What a crowd costs an edge."""

    connections: int
    joined: float  # seconds until the last of them was welcome, who all came at once
    bytes_each: float
    descriptors_each: float
    loop_percent: float  # of one processor: the edge's own thread
    io_percent: float  # libzmq's I/O thread


def burden(bus: str, count: int, folder: Path, seconds: float = 10.0) -> Burden:
    """Measure an edge that has `count` workers and nothing to do, for `seconds`."""
    with edge_on(bus, folder) as edge:
        alone = Weight.of(edge.pid)
        with Crowd(bus, count) as crowd:
            joined = crowd.live_until_welcome(60.0)
            crowd.live(1.0)
            before = Weight.of(edge.pid)
            begun = time.monotonic()
            crowd.live(seconds)
            after, took = Weight.of(edge.pid), time.monotonic() - begun
            assert crowd.welcome == count
    spent = {thread: after.cpu[thread] - before.cpu.get(thread, 0.0) for thread in after.cpu}
    loop = spent.pop(edge.pid)
    return Burden(
        connections=count,
        joined=joined,
        bytes_each=(after.rss - alone.rss) / count,
        descriptors_each=(after.descriptors - alone.descriptors) / count,
        loop_percent=100 * loop / took,
        io_percent=100 * sum(spent.values()) / took,
    )
