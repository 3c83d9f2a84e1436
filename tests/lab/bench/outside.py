"""Costs measured from outside: whole processes under load, their CPU time from /proc, sockets and ZeroMQ included."""

from __future__ import annotations

import resource
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tests.lab.bench.curves import Curve
from tests.lab.bench.measure import Plan, measure, oddities, serving
from tests.lab.bench.processes import SubjectError
from tests.lab.bench.subjects import slbroker
from tests.lab.bench.tcpload import TcpLoad, TcpLoadError

if TYPE_CHECKING:
    from tests.lab.bench.measure import Tools
    from tests.lab.bench.subjects import Subject

WHOLE: Final = "whole processes"
WORKERS: Final = 2  # where their number does not vary
CLIENT_PORTS: Final = 64  # so that the kernel has something to share out among edge processes
SPARE_DESCRIPTORS: Final = 512  # of a process, beside its connections


class Outside:
    """What is measured with processes: how they are loaded, and with what."""

    def __init__(self, tools: Tools, kind: str, plan: Plan) -> None:
        """`kind` is that of slbroker's twins, "compiled" or "pure"."""
        self._tools = tools
        self._kind = kind
        self._plan = plan

    def curves(self) -> list[Curve]:
        """Return the curves that are measured from outside."""
        return [
            Curve("workers", WHOLE, (1, 2, 4, 8, 16, 32, 64), self.by_workers,
                  "smaller batches, and each worker wakes up and says heartbeat"),
            Curve("processes of the edge", WHOLE, (1, 2, 4, 8), self.by_edges,
                  "each has a bus of its own to every worker, so batches are smaller"),
            Curve("TCP connections", WHOLE, reachable((1, 10, 100, 1_000, 10_000)), self.by_connections,
                  "what arrives together comes from more connections: a system call each"),
        ]  # fmt: skip

    def by_workers(self, number: int) -> float:
        """Return the cost of a request with so many workers."""
        return self._over_udp(slbroker(self._kind, number), self._plan)

    def by_edges(self, number: int) -> float:
        """Return the cost of a request with so many processes of the edge."""
        subject = slbroker(self._kind, WORKERS, "--processes", str(number))
        return self._over_udp(subject, replace(self._plan, sockets=CLIENT_PORTS))

    def _over_udp(self, subject: Subject, plan: Plan) -> float:
        sample = measure(self._tools, subject, "OPTIONS", plan)
        if wrong := oddities([sample]):
            raise SubjectError(wrong)
        return sample.cpu_us() or 0.0

    def by_connections(self, number: int) -> float:
        """Return the cost of a request over so many TCP connections, all of them in use."""
        tcp = ("--listen", "tcp:127.0.0.1:{port}", "--tcp-per-source", "0", "--tcp-connections", str(number + 1))
        plan = self._plan
        with serving(slbroker(self._kind, WORKERS, *tcp)) as (server, port):
            try:
                with TcpLoad(port, number) as load:
                    load.run(plan.warmup, plan.window)
                    before = sum(server.cpu().values())
                    answered = load.run(plan.seconds, plan.window)
                    return 1e6 * (sum(server.cpu().values()) - before) / answered
            except TcpLoadError as error:
                raise SubjectError(str(error)) from error


def reachable(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the numbers of connections for which there may be open files enough; allows as many as it can."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    unlimited = hard == resource.RLIM_INFINITY
    return tuple(size for size in sizes if unlimited or size + SPARE_DESCRIPTORS <= hard)
