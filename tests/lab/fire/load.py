"""A load source for tests that ask what became of every single request: `python -m tests.lab.fire.load --help`.

Open loop: requests leave by the clock, whatever happens to those before them; with --window a closed one. Each request
is unique. What came back for it is noted (`tests.lab.fire.records`) and written to --out at the end, which is when
--seconds are over or SIGTERM comes, and then all is answered or --linger seconds have gone by.

A latency counts from the moment of sending to the kernel's stamp on the answer, so that a source that is itself held up
does not blame the server. It costs 20 to 40 us of CPU a request.
"""

from __future__ import annotations

import heapq
import re
import secrets
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Final

import click

from tests.lab.fire.records import Notebook

TURN: Final = 0.001  # seconds between two looks at the clock: at 5,000 a second, five leave together
BURST: Final = 64  # requests that leave together at most, when the source has been held up
T1: Final = 0.5  # RFC 3261 17.1.1.1, seconds: the first retransmission; each further one takes twice as long, ...
T2: Final = 4.0  # ... this long at most
PROBE_EVERY: Final = 0.1  # seconds between two OPTIONS to each address
PROBE_VALID: Final = 0.5  # seconds after which an answered probe says nothing any more
BUFFER: Final = 8 << 20  # bytes: what waits for a source that is held up must not get lost
SO_RCVBUFFORCE: Final = 33  # Linux has them, Python's socket module does not name them
SO_TIMESTAMPNS: Final = 35  # its control message is two 8-byte integers
CONTROL: Final = socket.CMSG_SPACE(16)

_worker = re.compile(rb"\r\nX-Worker: (\d+)\r\nX-Held: (\d+)\r\n").search


def text(method: str, user: str, host: str, port: int, local: str) -> bytes:
    """A request with two places for its id."""
    return (
        f"{method} sip:{user}@{host}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK-%b\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:fire@{local}>;tag=1\r\nTo: <sip:{user}@{host}>\r\n"
        f"Call-ID: %b@fire\r\nCSeq: 1 {method}\r\nContact: <sip:fire@{local}>\r\nContent-Length: 0\r\n\r\n"
    ).encode()


class Target:
    """One address that requests go to, by a connected socket of its own."""

    def __init__(self, address: str, method: str, user: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        except PermissionError:  # then as much as an ordinary user may have
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setblocking(False)
        self.socket.connect((host, int(port)))
        local = "{}:{}".format(*self.socket.getsockname())
        self.request = text(method, user, host, int(port), local)
        self.ping = text("OPTIONS", "ping", host, int(port), local)
        self.refused = 0
        self.well_until = 0.0  # the last good probe says so

    def send(self, data: bytes) -> None:
        """Send; the news that an earlier datagram met nobody stops nothing."""
        for _ in range(2):
            try:
                self.socket.send(data)
            except ConnectionRefusedError:
                self.refused += 1
            else:
                return

    def receive(self) -> list[tuple[bytes, float]]:
        """What has come, with the moment at which the kernel got it."""
        got: list[tuple[bytes, float]] = []
        ahead = time.time() - time.monotonic()
        while True:
            try:
                data, control, _flags, _address = self.socket.recvmsg(4_096, CONTROL)
            except BlockingIOError:
                return got
            except ConnectionRefusedError:
                self.refused += 1
                continue
            stamp = control[0][2]
            at = int.from_bytes(stamp[:8], sys.byteorder) + int.from_bytes(stamp[8:16], sys.byteorder) * 1e-9
            got.append((data, at - ahead))


class Source:
    """The requests on their way."""

    def __init__(self, targets: list[Target], rate: float, window: int, *, retransmit: bool, probe: bool) -> None:
        self.notebook = Notebook()
        self.stray = 0
        self.lag = 0.0
        self.open = 0
        self.probes: list[tuple[float, int, int]] = []
        self._targets = targets
        self._rate = rate
        self._window = window
        self._retransmit = retransmit
        self._probe = probe
        self.name = secrets.token_hex(4).encode()  # in all its Call-IDs
        self._find_id = re.compile(rb";branch=z9hG4bK-%b-([0-9a-f]+)[;\r]" % self.name).search
        self._timers: list[tuple[float, int, float]] = []  # when, which request, after how long
        self._next_probe = 0.0
        self._began = time.monotonic()

    def run(self, seconds: float) -> None:
        """Send for so long, or until SIGTERM."""
        stopped: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
        sys.stderr.write("load begins\n")
        sys.stderr.flush()
        while (now := time.monotonic()) < self._began + seconds and not stopped:
            self._send_due(now)
            self._look_after(now)

    def finish(self, seconds: float) -> None:
        """Wait so long for the answers that are missing, and a moment for any that should not come."""
        end = time.monotonic() + seconds
        while self.open and (now := time.monotonic()) < end:
            self._look_after(now)
        end = time.monotonic() + min(seconds, 0.2)
        while (now := time.monotonic()) < end:
            self._look_after(now)

    # A turn ------------------------------------------------------------------------------------------------------

    def _look_after(self, now: float) -> None:
        if self._retransmit:
            self._send_again(now)
        if self._probe and now >= self._next_probe:
            self._next_probe = now + PROBE_EVERY
            for target in self._targets:
                target.send(target.ping % (b"probe", secrets.token_hex(4).encode()))
        if select.select([target.socket for target in self._targets], [], [], TURN)[0]:
            for number, target in enumerate(self._targets):
                for data, at in target.receive():
                    self._take(number, data, at)

    def _send_due(self, now: float) -> None:
        sent = len(self.notebook)
        due = int((now - self._began) * self._rate) - sent if self._rate else BURST
        if self._rate:
            self.lag = max(self.lag, due / self._rate)
        for _ in range(min(due, BURST, self._window - self.open)):
            self._send_first()

    def _send_first(self) -> None:
        now = time.monotonic()
        choice = [number for number, target in enumerate(self._targets) if not self._probe or now < target.well_until]
        choice = choice or list(range(len(self._targets)))
        at = choice[len(self.notebook) % len(choice)]
        number = self.notebook.add(now, at)
        self.open += 1
        self._send(at, number)
        if self._retransmit:
            heapq.heappush(self._timers, (now + T1, number, T1))

    def _send(self, target: int, number: int) -> None:
        name = b"%b-%x" % (self.name, number)
        self._targets[target].send(self._targets[target].request % (name, name))

    def _send_again(self, now: float) -> None:
        columns = self.notebook.columns
        while self._timers and self._timers[0][0] <= now:
            due, number, interval = heapq.heappop(self._timers)
            if not columns["answers"][number]:
                columns["sends"][number] += 1
                self._send(int(columns["target"][number]), number)
                longer = min(interval * 2, T2)
                heapq.heappush(self._timers, (due + longer, number, longer))

    def _take(self, target: int, data: bytes, at: float) -> None:
        status = int(data[8:11]) if data.startswith(b"SIP/2.0 ") else 0
        found = self._find_id(data)
        if found is None and b";branch=z9hG4bK-probe" in data:
            self.probes.append((at, target, status))
            self._targets[target].well_until = at + PROBE_VALID if status == 200 else 0.0
        elif found is None or not status or (number := int(found[1], 16)) >= len(self.notebook):
            self.stray += 1
        elif status >= 200:
            worker = _worker(data)
            pid, held = (int(worker[1]), int(worker[2])) if worker else (0, 0)
            self.open -= self.notebook.answer(number, at, status, pid, held)


@click.command(help=__doc__)
@click.option("--to", multiple=True, required=True, help="host:port; several are used in turn.")
@click.option("--rate", type=click.FloatRange(0), default=0.0, help="Requests a second; 0: as the window allows.")
@click.option("--window", type=click.IntRange(1), default=1_000_000, help="Requests without an answer at most.")
@click.option("--seconds", type=click.FloatRange(0), default=600.0, help="How long.")
@click.option("--linger", type=click.FloatRange(0), default=5.0, help="Seconds to wait for the last answers.")
@click.option("--method", default="MESSAGE")
@click.option("--user", default="fire")
@click.option("--retransmit", is_flag=True, help="Repeat a request that is not answered, as RFC 3261 17.1.2 says.")
@click.option("--probe", is_flag=True, help="Send OPTIONS to each address too, and requests only where they get 200.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(
    to: tuple[str, ...], rate: float, window: int, seconds: float, linger: float, method: str, user: str,
    retransmit: bool, probe: bool, out: Path,
) -> None:  # fmt: skip
    targets = [Target(address, method, user) for address in to]
    source = Source(targets, rate, window, retransmit=retransmit, probe=probe)
    begun, cpu = time.monotonic(), time.process_time()
    source.run(seconds)
    ran, used = time.monotonic() - begun, time.process_time() - cpu
    source.finish(linger)
    refused = sum(target.refused for target in targets)
    source.notebook.write(
        out, stray=source.stray, refused=refused, lag=source.lag, cpu=used, seconds=ran, probes=source.probes,
        name=source.name.decode(),
    )  # fmt: skip


if __name__ == "__main__":
    main()
