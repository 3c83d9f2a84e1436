"""Docker's commands shown as they run, and calls through Kamailio or an edge, each of which has to be answered."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.lab.network.caller import Caller as Asker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.peers.phone import Phone, Reply

# Requests a second; to an INVITE belongs its ACK.
RATE: Final = int(os.environ.get("SLBROKER_TEST_LOAD", "500"))


def docker(*words: str, cwd: Path, env: dict[str, str] | None = None, quiet: bool = False) -> str:
    """Run `docker WORDS`, show it, and return what it says; end with that where it fails."""
    begun = time.monotonic()
    ran = subprocess.run(["docker", *words], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if not quiet:
        say(f"$ docker {' '.join(words)}  [{time.monotonic() - begun:.1f} s]")
    if ran.returncode:
        sys.exit(f"docker {' '.join(words)}\n{ran.stdout}{ran.stderr}\nended with {ran.returncode}")
    return ran.stdout


def say(words: str) -> None:
    """Show a line at once."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


class Caller:
    """Calls, one after the other, and counts."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self.made = 0
        self.repeated = 0  # requests that were sent again because nothing had come: lost on the way
        self.slowest = 0.0

    def calls(self, count: int, patience: float = 1.0) -> None:
        """Make calls, each answered 404 within so many seconds, with its ACK; end for one that is not."""
        self.slowest = 0.0
        for _ in range(count):
            self.call(patience)
        say(f"-- {count} calls answered, the slowest in {self.slowest * 1000:.0f} ms")

    def call(self, patience: float) -> None:
        """Make one; INVITE is repeated after 0.5 s, as UDP wants it (RFC 3261 17.1.1.2)."""
        call, begun = self._phone.call(), time.monotonic()
        pause, reply = 0.5, self._ask(call.request("INVITE"), min(0.5, patience))
        while reply is None or reply.status < 200 or reply["Call-ID"] != call.call_id:
            if time.monotonic() - begun > patience:
                sys.exit(f"call {call.call_id} got nothing within {patience} s")
            if reply is None:
                self.repeated += 1
                pause = min(2 * pause, 4.0)
            reply = self._ask(call.request("INVITE") if reply is None else b"", min(pause, patience))
        if reply.status != 404:
            sys.exit(f"call {call.call_id} got {reply.status} {reply.reason}")
        self._phone.send(call.ack(reply["To"]))
        self.slowest = max(self.slowest, time.monotonic() - begun)
        self.made += 1

    def _ask(self, request: bytes, seconds: float) -> Reply | None:
        """Send what there is to send; return what comes within so many seconds, None where nobody has the port now."""
        begun = time.monotonic()
        try:
            if request:
                self._phone.send(request)
            return self._phone.receive(seconds)
        except ConnectionRefusedError:
            time.sleep(max(0.0, begun + seconds - time.monotonic()))
            return None


def lost(processes: Mapping[str, int]) -> Counter[str]:
    """Count the datagrams that the kernel has dropped, by where and why.

    Where is here, or the network namespace of one of `processes`, by its name; those that have ended are left out.
    """
    found: Counter[str] = Counter()
    for name, process in {"here": os.getpid(), **processes}.items():
        try:
            lines = Path(f"/proc/{process}/net/snmp").read_text().splitlines()
        except OSError:
            continue
        names, figures = (line.split()[1:] for line in lines if line.startswith("Udp:"))
        for cause in ("RcvbufErrors", "SndbufErrors", "NoPorts"):
            found[f"{name} {cause}"] = int(figures[names.index(cause)])
    backlogs = Path("/proc/net/softnet_stat").read_text().splitlines()
    found["backlog"] = sum(int(line.split()[1], 16) for line in backlogs)
    return found


def asked_under_load(
    port: int,
    act: Callable[[], None],
    processes: Mapping[str, int],
    *,
    host: str = "127.0.0.1",
    allowed: int = 0,
    method: str = "MESSAGE",
    refused: bool = False,
) -> int:
    """Do something while requests come, RATE a second, each sent once; end where one gets anything but its 404.

    Nothing is what those may get that the kernel has dropped, here or in the namespaces of `processes`, and `allowed`
    more. Where some are to be `refused`, 503 is an answer, and 500, which Kamailio makes of the 503 of the last edge
    (RFC 3261 16.7). To an INVITE there is the ACK, so there are half as many calls. Returns how many. (An OPTIONS would
    be taken for dispatcher's, which an edge that announces its end answers 503.)
    """
    rate = RATE // 2 if method == "INVITE" else RATE
    before = lost(processes)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with Asker(sock, (host, port), rate=rate, patience=12.0, method=method) as asker:
        time.sleep(1.0)
        begun = time.monotonic()
        act()
        took = time.monotonic() - begun
        time.sleep(1.0)
    answers = Counter(call.status for call in asker.calls if call.replies)
    slowest = max(call.took for call in asker.calls if call.replies)
    dropped = {where: count - before[where] for where, count in lost(processes).items() if count > before[where]}
    say(f"-- it took {took:.0f} s; {len(asker.calls)} {method}s, {rate} a second, each sent once: {dict(answers)}")
    say(f"   {asker.unanswered} unanswered, dropped by the kernel before anybody read them: {dropped or 0}")
    say(f"   {asker.doubles} answered twice, the slowest in {slowest * 1000:.0f} ms; {busy()}")
    if asker.unanswered:
        silent = [call.sent - begun for call in asker.calls if not call.replies]
        say(f"   those had been sent {min(silent):.2f} to {max(silent):.2f} s after it began")
    excused = sum(count for where, count in dropped.items() if not where.endswith("NoPorts"))
    refusals = set(answers) - {404}
    if asker.unanswered > excused + allowed or not refusals <= ({500, 503} if refused else set()):
        sys.exit("that is not what was promised")
    return len(asker.calls)


def busy() -> str:
    """Say how busy this machine is: who loses requests here may have had no processor."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
