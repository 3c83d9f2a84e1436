"""One measurement: a subject is started, warmed up, loaded by sipload for some seconds, and stopped."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.lab.bench.processes import BACK_END, READY_SECONDS, Server, SubjectError, machine_busy

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from tests.lab.bench.subjects import Subject

HERE = Path(__file__).resolve().parent

EXPECTED = {"OPTIONS": 200, "INVITE": 404}
"""The status every subject is set up to answer a method with."""

OVERTIME_SECONDS = 10.0
"""How much longer than asked for sipload may run before it is killed."""

OPEN_WINDOW = 8192
"""What may be unanswered in an open loop: as much as the generator can, so that no request waits for another."""

PORTS_TRIED = 20
"""How often another free port is looked for."""

PROBE = (
    "OPTIONS sip:probe@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {by};rport;branch=z9hG4bK-probe{number}\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:probe@{by}>;tag=probe{number}\r\nTo: <sip:probe@{to}>\r\n"
    "Call-ID: probe{number}@{by}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


class ToolError(Exception):
    """The benchmark's own programs cannot be built or run; the message is one line."""


@dataclass(frozen=True)
class Load:
    """What sipload reports. Latencies are in microseconds, `cpu_s` is the generator's own CPU in seconds.

    In an open loop latencies count from when a request was due, and 99 % of them were sent within `sent_late_p99_us` of
    that. What is lost is among the slowest.
    """

    method: str
    window: int
    rate: float
    seconds: float
    cpu_s: float
    sent: int
    ok: int
    lost: int
    in_flight: int
    behind: int
    late: int
    duplicates: int
    stray: int
    provisional: int
    acks: int
    refused: int
    rps: float
    p50_us: int
    p99_us: int
    p999_us: int
    sent_late_p99_us: int
    codes: dict[str, int]


class Case(NamedTuple):
    """What is asked of a subject: a method, so many requests in flight, or, in an open loop, so many a second.

    `forwarded` says that what is asked is passed on to a back end, and the answer passed back; `watched` that who
    serves it is watched in one of several ways.
    """

    method: str
    window: int
    rate: int = 0
    forwarded: bool = False
    watched: bool = False

    def __str__(self) -> str:
        said = f"{self.rate:,} a second" if self.rate else f"{self.window:,} in flight"
        return f"{self.method}{' forwarded' * self.forwarded}{' watched' * self.watched}, {said}"


@dataclass(frozen=True)
class Plan:
    """How a subject is loaded: seconds, requests in flight, requests/s for an open loop (0: closed), client ports.

    `settle` is for how many seconds it is loaded in a closed loop once, before its first case: who packs workers relies
    on what they have done, and what runs has done more than what has just been started.
    """

    seconds: float = 4.0
    warmup: float = 1.0
    window: int = 128
    rate: float = 0.0
    sockets: int = 1
    settle: float = 0.0


@dataclass(frozen=True)
class Sample:
    """One measurement: the generator's figures, the CPU seconds of the subject by role.

    `other` is the CPU seconds that the machine spent on anything else meanwhile.
    """

    load: Load
    cpu: dict[str, float]
    other: float = 0.0

    def cpu_us(self, role: str | None = None) -> float | None:
        """Return CPU microseconds for each answered request, of all roles or one; None without that role."""
        if role is not None and role not in self.cpu:
            return None
        seconds = sum(self.cpu.values()) if role is None else self.cpu[role]
        return seconds * 1e6 / self.load.ok


@dataclass(frozen=True)
class Tools:
    """The compiled programs of the benchmark, once `compile_tools` has made them."""

    sipload: Path
    echo: Path

    @classmethod
    def of(cls, folder: Path) -> Tools:
        """Return where they are, or will be, in `folder`."""
        return cls(sipload=folder / "sipload", echo=folder / "echo")


def compile_tools(folder: Path) -> Tools:
    """Compile sipload and the C echo into `folder`; ToolError when there is no compiler or it fails."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise ToolError("no C compiler (cc, gcc or clang) on the PATH: install one to build the load generator")
    sources = {"sipload": ("sipload.c", "siploop.c"), "echo": ("echo.c",)}
    for name, files in sources.items():
        argv = [compiler, "-O2", "-Wall", "-Wextra", "-std=gnu11", "-o", str(folder / name)]
        done = subprocess.run([*argv, *files], cwd=HERE, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise ToolError(f"{compiler} cannot build {name}: {done.stderr.strip()}")
    return Tools.of(folder)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody holds at the moment, over UDP or TCP; ToolError when none is found."""
    for _ in range(PORTS_TRIED):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            port: int = udp.getsockname()[1]
            with contextlib.suppress(OSError):  # it may be the near end of somebody's connection
                tcp.bind(("127.0.0.1", port))
                return port
    raise ToolError(f"no port of 127.0.0.1 is free over UDP and TCP; {PORTS_TRIED} were tried")


def run_load(sipload: Path, port: int, method: str, plan: Plan, *more: str) -> Load:
    """Run sipload against 127.0.0.1 for `plan.seconds`; `more`: further options. ToolError when it fails."""
    options = {
        "port": port,
        "method": method,
        "seconds": plan.seconds,
        "window": plan.window,
        "rate": plan.rate,
        "sockets": plan.sockets,
    }
    argv = [str(sipload), *[f"--{name}={value}" for name, value in options.items()], *more]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=plan.seconds + OVERTIME_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"sipload did not end after {plan.seconds + OVERTIME_SECONDS:.0f} s") from error
    if done.returncode:
        raise ToolError(done.stderr.strip() or f"sipload ended with code {done.returncode}")
    return Load(**json.loads(done.stdout))


def probe(port: int, number: int) -> bytes:
    """Send one OPTIONS to 127.0.0.1 and return the reply's status code, empty when none came in 0.1 s."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        sock.connect(("127.0.0.1", port))
        by = f"127.0.0.1:{sock.getsockname()[1]}"
        # Nobody listens yet: the refusal of an earlier datagram arrives as an error here.
        with contextlib.suppress(OSError):
            sock.send(PROBE.format(to=f"127.0.0.1:{port}", by=by, number=number).encode("ascii"))
            return sock.recv(65535)[8:11]
    return b""


def wait_answering(server: Server, port: int) -> None:
    """Return when an OPTIONS is answered 200; SubjectError when that does not come about."""
    deadline = time.monotonic() + READY_SECONDS
    number, code = 0, b""
    while code != b"200":
        server.check()
        if time.monotonic() > deadline:
            answer = code.decode("ascii", "replace") or "nothing"
            raise SubjectError(f"OPTIONS gets {answer}, not 200, after {READY_SECONDS:.0f} s")
        number += 1
        code = probe(port, number)
        if code != b"200":
            time.sleep(0.02)


@contextlib.contextmanager
def serving(subject: Subject) -> Iterator[tuple[Server, int]]:
    """Inside, `subject` answers on the UDP port that is given with it; raises SubjectError when it does not."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with Server(subject.programs(folder, port), folder) as server:
            wait_answering(server, port)
            yield server, port
            server.check()


def loaded(tools: Tools, server: Server, port: int, method: str, plan: Plan) -> Sample:
    """Load a running subject and return what came of it; SubjectError when it answers nothing."""
    before, busy = server.cpu(), machine_busy()
    load = run_load(tools.sipload, port, method, plan)
    after, busy = server.cpu(), machine_busy() - busy
    if load.ok == 0:
        raise SubjectError(f"none of {load.sent} requests was answered")
    cpu = {role: after[role] - before[role] for role in before}
    other = max(0.0, busy - sum(cpu.values()) - load.cpu_s)
    cpu.pop(BACK_END, None)
    return Sample(load, cpu, other)


def measure(tools: Tools, subject: Subject, method: str, plan: Plan) -> Sample:
    """Start `subject`, load it, and stop it.

    Raises SubjectError when the subject fails or answers nothing, ToolError when sipload fails.
    """
    (sample,) = measure_all(tools, subject, [Case(method, plan.window, round(plan.rate))], plan)
    return sample


def measure_all(tools: Tools, subject: Subject, cases: Iterable[Case], plan: Plan) -> Generator[Sample, None, None]:
    """Do the same with one start for several cases, each with a warm-up; they say the window and the rate."""
    with serving(subject) as (server, port):
        for number, case in enumerate(cases):
            if number == 0 and plan.settle > 0:
                run_load(tools.sipload, port, case.method, replace(plan, seconds=plan.settle, rate=0.0))
            its = replace(plan, window=case.window, rate=float(case.rate))
            if plan.warmup > 0:
                run_load(tools.sipload, port, case.method, replace(its, seconds=plan.warmup))
            yield loaded(tools, server, port, case.method, its)


def oddities(samples: Sequence[Sample]) -> str:
    """Return what is wrong with the answers of one subject to one method, empty when nothing is."""
    said = []
    for name in ("late", "duplicates", "stray", "refused", "behind"):
        total = sum(getattr(sample.load, name) for sample in samples)
        if total:
            said.append(f"{total} {name}")
    codes: dict[str, int] = {}
    for sample in samples:
        for code, number in sample.load.codes.items():
            if int(code) != EXPECTED[sample.load.method]:
                codes[code] = codes.get(code, 0) + number
    said += [f"{number} answered {code}" for code, number in codes.items()]
    return ", ".join(said)
