"""A SIP client on one of the hosts: it asks at an even rate, or keeps requests open, and notes what becomes of each."""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass
from threading import Thread
from typing import Final, Self

from tests.lab.network.plugin import BLOCK, WORKER
from tests.support.timing import within

_NAP: Final = 0.002  # seconds between two looks at whether a request is due
_GRACE: Final = 0.2  # seconds in which a second reply would come
_BURST: Final = 64  # most requests sent in one go
_SO_RCVBUFFORCE: Final = 33  # asm-generic/socket.h; beyond net.core.rmem_max, which root may
_BUFFER: Final = 4_194_304  # bytes


@dataclass(slots=True)
class Call:
    """One request and its fate; moments are of the monotonic clock."""

    sent: float
    answered: float = 0.0
    status: int = 0
    worker: str = ""
    replies: int = 0

    @property
    def took(self) -> float:
        """Seconds until the first reply; endless if there was none."""
        return self.answered - self.sent if self.replies else float("inf")


def request(number: int, host: str, port: int, block: float = 0.0, method: str = "OPTIONS") -> bytes:
    """A request, or a REGISTER that blocks its worker for so many seconds."""
    method = "REGISTER" if block else method
    return written(number, host, port, block, method, "<sip:bob@example.com>")


def written(number: int, host: str, port: int, block: float, method: str, to: str) -> bytes:
    """A request, or the ACK to a refusal of it: all but the method and To are the same (RFC 3261 17.1.1.3)."""
    lines = (
        f"{method} sip:bob@example.com SIP/2.0",
        f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK-{number}-;rport",
        "Max-Forwards: 70",
        f"From: <sip:alice@example.com>;tag=from-{number}",
        f"To: {to}",
        f"Call-ID: call-{number}@{host}:{port}",
        f"CSeq: 7 {method}",
        f"{BLOCK}: {block}",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()


class Caller:
    """Sends each request once, and to an INVITE its ACK.

    As a context manager it calls until the block ends, then waits for what is open.
    """

    def __init__(
        self,
        sock: socket.socket,
        server: tuple[str, int],
        *,
        rate: float = 0.0,
        window: int = 0,
        patience: float = 12.0,
        method: str = "OPTIONS",
    ) -> None:
        """`rate` is in requests a second; else `window` are kept open. After the block, replies have `patience` s."""
        sock.connect(server)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)  # so that it is not here that replies get lost
        self.calls: list[Call] = []
        self._socket = sock
        self._host, self._port = sock.getsockname()
        self._rate = rate
        self._window = window
        self._patience = within(patience)
        self._method = method
        self._open = 0
        self._began = time.monotonic()
        self._calling = True
        self._failed: list[BaseException] = []
        self._thread = Thread(target=self._run, daemon=True)

    # What a test asks -------------------------------------------------------------------------------------------

    @property
    def unanswered(self) -> int:
        """How many requests have had no reply."""
        return sum(not call.replies for call in list(self.calls))

    @property
    def statuses(self) -> set[int]:
        """The status codes of all first replies."""
        return {call.status for call in list(self.calls) if call.replies}

    @property
    def doubles(self) -> int:
        """How many replies came beyond the first one."""
        return sum(max(0, call.replies - 1) for call in list(self.calls))

    def slowest(self, since: float = 0.0) -> float:
        """The longest that a request sent after `since` took, in seconds."""
        return max((call.took for call in list(self.calls) if call.sent >= since), default=0.0)

    def quantile(self, share: float, since: float = 0.0) -> float:
        """The seconds in which that share of the requests sent after `since` were answered."""
        times = sorted(call.took for call in list(self.calls) if call.sent >= since)
        return times[min(int(len(times) * share), len(times) - 1)]

    def answers_of(self, worker: str, since: float) -> list[Call]:
        """The requests sent after `since` that this host's worker has answered, the first answer first."""
        found = [call for call in list(self.calls) if call.worker == worker and call.sent >= since]
        return sorted(found, key=lambda call: call.answered)

    # Calling ----------------------------------------------------------------------------------------------------

    def send(self, block: float = 0.0) -> Call:
        """Send one request more; only before the block begins, or on the thread."""
        self.calls.append(Call(time.monotonic()))
        self._open += 1
        datagram = request(len(self.calls) - 1, self._host, self._port, block, self._method)
        try:
            self._socket.send(datagram)
        except ConnectionRefusedError:  # an earlier one was: nobody had that port; this one has not left
            self._socket.send(datagram)
        return self.calls[-1]

    def _run(self) -> None:
        try:
            while self._calling:
                self._receive(_NAP)
                for _ in range(min(self._due(time.monotonic()), _BURST)):
                    self.send()
            deadline = time.monotonic() + self._patience
            while self._open and time.monotonic() < deadline:
                self._receive(_NAP)
            self._receive(_GRACE)
        except BaseException as error:  # it is raised where the block ends
            self._failed.append(error)

    def _due(self, now: float) -> int:
        if self._window:
            return self._window - self._open
        return int((now - self._began) * self._rate) - len(self.calls)

    def _receive(self, seconds: float) -> None:
        if not select.select([self._socket], [], [], seconds)[0]:
            return
        try:
            while True:
                self._note(self._socket.recv(65_535), time.monotonic())
        except BlockingIOError:
            return
        except ConnectionRefusedError:  # the edge is not there now
            return

    def _note(self, datagram: bytes, now: float) -> None:
        head, *lines = datagram.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        number = int(headers["Via"].partition("branch=z9hG4bK-")[2].partition("-")[0])
        call, status = self.calls[number], int(head.split(" ")[1])
        if status < 200:
            return
        if self._method == "INVITE":
            self._socket.send(written(number, self._host, self._port, 0.0, "ACK", headers["To"]))
        call.replies += 1
        if call.replies == 1:
            self._open -= 1
            call.answered, call.status, call.worker = now, status, headers.get(WORKER, "")

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._calling = False
        self._thread.join()
        self._socket.close()
        if self._failed:
            raise self._failed[0]
