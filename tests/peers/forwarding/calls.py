"""The calls that have to get through whatever stands in the middle, and SIPp at both ends of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.peers.forwarding.ladder import CALLEE, CALLER, Ladder
from tests.support.peers import free_udp_port, require_peer, sipp_ports
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.processes import Process


def steps(*parts: str) -> str:
    """A ladder from parts whose steps have commas between them."""
    return "\n".join(step.strip() for part in parts for step in part.split(","))


MOST_OPEN: Final = 20_000  # calls at a time
BEGIN: Final = "INVITE +sdp ->, <- 180, <- 200 +sdp, ACK ->"
END: Final = "BYE ->, <- 200"
# By the user whom the caller calls.
LADDERS: Final = {
    "call": steps(BEGIN, END),
    "far-end": steps(BEGIN, "<- BYE, 200 ->"),
    "cancelled": steps("INVITE +sdp ->, <- 180, CANCEL ->, <- 200, <- wait 50, <- 487 INVITE, ACK ->"),
    "rejected": steps("INVITE +sdp ->, <- 486, ACK ->"),
    "redirected": steps("INVITE +sdp ->, <- 302 +contact, ACK ->"),
    "reinvite": steps(BEGIN, "INVITE +sdp ->, <- 200 +sdp, ACK ->, INVITE +sdp ->, <- 488, ACK ->", END),
    "far-reinvite": steps(BEGIN, "<- INVITE +sdp, 200 +sdp ->, <- ACK, <- INVITE +sdp, 488 ->, <- ACK, <- BYE, 200 ->"),
    "update": steps(
        "INVITE +sdp ->, <- 183 +sdp, UPDATE +sdp ->, <- 200 +sdp, <- 200 INVITE +sdp, ACK ->",
        "<- UPDATE +sdp, 200 +sdp ->", END,
    ),
    "prack": steps(
        "INVITE +sdp +supported ->, <- 183 +sdp +reliable, PRACK ->, <- 200, <- 180 INVITE, <- 200 INVITE, ACK ->", END
    ),
    "late-offer": steps("INVITE ->, <- 200 +sdp, ACK +sdp ->", END),
    "transfer": steps(BEGIN, "<- REFER +refer, 202 ->, INFO ->, <- 200", END),
    "subscribe": steps(
        "SUBSCRIBE +event ->, <- 202, <- NOTIFY +state, 200 ->",
        "SUBSCRIBE +event ->, <- 200, <- NOTIFY +state, 200 ->",
    ),
    "message": steps("MESSAGE +text ->, <- 200"),
    "options": steps("OPTIONS ->, <- 200"),
    "register": steps("REGISTER ->, <- 200"),
}  # fmt: skip


@dataclass(frozen=True)
class End:
    """Where SIPp is: its -t, such as u1 for UDP and t1 for TCP, and its host."""

    transport: str = "u1"
    host: str = "127.0.0.1"


@dataclass(frozen=True)
class Outcome:
    """How a SIPp ended, 0 where all its calls succeeded, and what it complained of."""

    status: int
    said: str


class Sides:
    """Callees that wait, one for each ladder, at ports of their own; then callers, all at once.

    Each makes so many `calls`, for `seconds` at most. `answered` is False where no callee is to hear of them; `ports`
    are the callees', where these have them already.
    """

    def __init__(
        self, start: Start, folder: Path, far: End, calls: int, ladders: Mapping[str, str] = LADDERS,
        *, seconds: float = 15, answered: bool = True, ports: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        self._start = start
        self._folder = folder
        self._calls = calls
        self._seconds = seconds
        self._files = {user: Ladder(text, user).write(folder) for user, text in ladders.items()}
        self.ports = dict(ports or {user: free_udp_port(far.host) for user in ladders})
        there = self.ports if answered else {}
        self._callees = {user: self._run(user, CALLEE, far, port) for user, port in there.items()}
        self._callers: dict[str, Process] = {}

    def begin(self, port: int, near: End, rate: int) -> None:
        """Let a caller for each ladder make so many of its calls a second, to a port of the near side."""
        for user in self.ports:
            more = (f"{bracketed(near.host)}:{port}", "-r", str(rate), "-l", str(MOST_OPEN))
            self._callers[user] = self._run(user, CALLER, near, free_udp_port(near.host), *more)

    def finish(self) -> dict[str, Outcome]:
        """Wait for all; how each ended."""
        return {
            f"{user} {name}": self._outcome(user, name, process)
            for name, running in ((CALLER, self._callers), (CALLEE, self._callees))
            for user, process in running.items()
        }

    def _run(self, user: str, name: str, end: End, port: int, *more: str) -> Process:
        limits = {"-timeout": f"{within(self._seconds + 20):.0f}s", "-recv_timeout": f"{within(20) * 1000:.0f}"}
        return self._start(
            require_peer("sipp"), *more, *("-sf", str(self._files[user][name]), "-m", str(self._calls)),
            *("-t", end.transport, "-i", end.host, "-p", str(port), "-bind_local", *sipp_ports()),
            *(word for limit in limits.items() for word in limit), "-timeout_error", "-nostdin", "-max_socket", "1000",
            *("-buff_size", "4000000"),  # it has 64 KiB otherwise, and loses what comes while it does not run for 20 ms
            *("-trace_err", "-error_file", str(self._errors(user, name))),
            cwd=self._folder,
        )  # fmt: skip

    def _errors(self, user: str, name: str) -> Path:
        return self._folder / f"{user}-{name}.errors"

    def _outcome(self, user: str, name: str, process: Process) -> Outcome:
        try:
            status = process.wait(self._seconds + 25)
        except AssertionError:
            status = process.stop()
        errors = self._errors(user, name)
        said = errors.read_text(errors="replace")[:3_000] if errors.exists() else ""
        return Outcome(status, said or (process.log[-1_000:] if status else ""))


def failures(outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    """Who failed, and what SIPp said of it: {} where all calls succeeded."""
    return {name: outcome.said or f"status {outcome.status}" for name, outcome in outcomes.items() if outcome.status}


def bracketed(host: str) -> str:
    """A host as it stands before a port."""
    return f"[{host}]" if ":" in host else host
