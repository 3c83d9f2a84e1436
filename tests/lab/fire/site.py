"""What a scenario is made of: an edge, workers and a load source, each a process; and the report of what came out."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker import keys
from tests.lab.fire import records
from tests.lab.fire.checks import assert_the_log_tells_each
from tests.peers.brokers import Edge
from tests.support.peers import free_udp_port
from tests.support.processes import Process, slbroker

if TYPE_CHECKING:
    from tests.lab.fire.records import Result

# 1 is what the issue asks for (make fire); CI has less time, and a machine that others use too.
SCALE: Final = float(os.environ.get("SLBROKER_TEST_FIRE", "0.2"))
PLUGIN: Final = Path(__file__).with_name("plugin.py")
RATE: Final = 5_000 * SCALE  # requests a second


def seconds(full: float, least: float) -> float:
    """How long something goes on: `full` seconds in a run of full size, never under `least`."""
    return max(full * SCALE, least)


class Broker(NamedTuple):
    """The two addresses of a broker."""

    edges: str  # an edge's --broker
    handlers: str  # a handler's --bus

    @property
    def option(self) -> tuple[str, str]:
        """How an edge is told of it."""
        return "--broker", self.edges


class Site:
    """Edges and workers with one key ring and one bus. At the end they are killed: how they end is no scenario's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = folder / "keys.ring"
        self.bus = f"ipc://{folder}/bus"
        self._running: list[Process] = []
        self._told: list[Process] = []  # edges that log calls
        self._loads = 0
        keys.create(self.keys)

    def edge(self, *options: str, port: int = 0, bus: str = "", calls: bool = True) -> Edge:
        """Start an edge, on a port of its own unless one is given, and wait until it serves.

        It logs `calls`: what becomes of each request is to be read there.
        """
        port, bus = port or free_udp_port(), bus or self.bus
        more = ("--log-calls",) if calls else ()
        process = self._start("edge", "--listen", f"udp:127.0.0.1:{port}", "--bus", bus, *more, *options)
        process.wait_for("edge ready")
        if calls:
            self._told.append(process)
        return Edge(process, port, bus)

    def worker(self, *options: str, buses: tuple[str, ...] = ()) -> Process:
        """Start a worker with these tests' plugin and wait until its edges have welcomed it."""
        (process,) = self.workers(1, *options, buses=buses)
        return process

    def workers(self, count: int, *options: str, buses: tuple[str, ...] = ()) -> list[Process]:
        """Start several at once."""
        processes = self.begin_workers(count, *options, buses=buses)
        for process in processes:
            process.wait_for("handler ready", times=len(buses) or 1)
        return processes

    def begin_workers(self, count: int, *options: str, buses: tuple[str, ...] = ()) -> list[Process]:
        """Start workers and wait for nothing."""
        words = [word for bus in buses or (self.bus,) for word in ("--bus", bus)]
        return [self._start("handler", *words, "--plugin", str(PLUGIN), *options) for _ in range(count)]

    def broker(self, addresses: Broker) -> Process:
        """Start a broker there and wait until it serves."""
        process = self._run("broker", "--edges", addresses.edges, "--handlers", addresses.handlers)
        process.wait_for("broker ready")
        return process

    def addresses(self, number: int) -> Broker:
        """Where broker `number` of this site is."""
        return Broker(f"{self.bus}-edges-{number}", f"{self.bus}-handlers-{number}")

    def _start(self, command: str, *words: str) -> Process:
        return self._run(command, *words, "--keys", str(self.keys))

    def _run(self, *words: str) -> Process:
        process = slbroker(*words)
        self._running.append(process)
        return process

    def load(self, *edges: Edge, **options: object) -> Load:
        """Begin to send; `rate=1000, retransmit=True` are the words --rate 1000 --retransmit."""
        self._loads += 1
        out = self.folder / f"load-{self._loads}.json"
        words = ["--out", str(out)]
        for edge in edges:
            words += ["--to", f"127.0.0.1:{edge.port}"]
        for name, value in options.items():
            words += [f"--{name}"] * value if isinstance(value, bool) else [f"--{name}", str(value)]
        process = Process(sys.executable, "-m", "tests.lab.fire.load", *words)
        self._running.append(process)
        process.wait_for("load begins")
        return Load(process, out, self._told)

    def end(self) -> None:
        """Kill what still runs."""
        for process in self._running:
            process.send(signal.SIGKILL)
        for process in self._running:
            process.wait()


@dataclass(frozen=True)
class Load:
    """A load source at work."""

    process: Process
    out: Path
    edges: list[Process]  # whose logs tell of each request
    began: float = field(default_factory=time.monotonic)

    def result(self, patience: float = 60.0) -> Result:
        """Wait for its end; what it saw. Of what was lost the logs alone tell by whom, and why."""
        assert self.process.wait(patience) == 0, self.process
        result = records.read(self.out)
        if self.edges:
            assert_the_log_tells_each(result, self.edges)
        return result

    def stop(self, patience: float = 60.0) -> Result:
        """End it now, and wait for the answers that are missing."""
        self.process.stop(patience)
        return self.result()


def at(moment: float) -> float:
    """Sleep until that moment of the monotonic clock; return it."""
    time.sleep(max(moment - time.monotonic(), 0.0))
    return moment


def after(pause: float) -> float:
    """Let the load go on for so long, which is what passes here and not the time of what is tested."""
    return at(time.monotonic() + pause)
