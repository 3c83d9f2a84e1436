"""Which destinations Kamailio's dispatcher pings, and what it makes of the answers: ours is the same in every mode."""

from __future__ import annotations

import re
import select
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from slbroker.proxy.health import Event, Health, ProbingMode, Rules
from tests.support.peers import free_udp_port, require_peer
from tests.support.processes import ROOT
from tests.support.proofs import of_which
from tests.support.timing import TIME, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start

CONFIG = ROOT / "tests" / "peers" / "dispatcher_states.cfg"
FLAGS = (0, 1, 2, 4, 8, 9, 10, 12)
ECHOED = (b"via", b"from", b"to", b"call-id", b"cseq")
ROUNDS = 4  # pings of one who is pinged each time, in the time that a phase takes

pytestmark = pytest.mark.peer


class Servers:
    """UDP servers that answer pings, or are silent; one for each destination."""

    def __init__(self, stack: ExitStack, answering: list[bool]) -> None:
        self.sockets = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in answering]
        for one in self.sockets:
            one.bind(("127.0.0.1", 0))
        self.answering = dict(zip(self.sockets, answering, strict=True))
        self.pings = dict.fromkeys(self.sockets, 0)
        self._stop = threading.Event()
        thread = threading.Thread(target=self._serve)
        thread.start()
        stack.callback(thread.join)
        stack.callback(self._stop.set)

    def _serve(self) -> None:
        while not self._stop.is_set():
            for one in select.select(self.sockets, [], [], 0.1)[0]:
                data, peer = one.recvfrom(65_535)
                self.pings[one] += 1
                if self.answering[one]:
                    lines = [line for line in data.split(b"\r\n") if line.split(b":")[0].lower() in ECHOED]
                    one.sendto(b"\r\n".join([b"SIP/2.0 200 OK", *lines, b"Content-Length: 0", b"", b""]), peer)

    def turn(self) -> None:
        """Have all be silent that were answering, and answer that were silent; count pings anew."""
        for one in self.sockets:
            self.answering[one] = not self.answering[one]
            self.pings[one] = 0


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as things:
        yield things


def letters(control: Path) -> list[str]:
    """What kamcmd says of the destinations, each of which is a group of its own, in the order of their numbers."""
    words = (require_peer("kamcmd"), "-s", f"unix:{control}", "dispatcher.list")
    told = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    numbers, states = re.findall(r"\bID: (\d+)", told), re.findall(r"FLAGS: (\w+)", told)
    return [state for _, state in sorted(zip(map(int, numbers), states, strict=True))]


def phase(health: Health, rules: Rules, *, answers: bool) -> tuple[Health, int]:
    """What becomes of one of ours, and how often it was pinged."""
    pings = 0
    for _ in range(ROUNDS):
        if health.is_pinged(rules.mode):
            pings += 1
            health = health.after(Event.ANSWERED if answers else Event.MISSED, rules)
    return health, pings


@pytest.mark.parametrize("mode", of_which(ProbingMode, {ProbingMode.ALL}), ids=lambda mode: mode.name.lower())
def test_our_states_are_those_of_kamailios_dispatcher(
    mode: ProbingMode, start_program: Start, tmp_path: Path, stack: ExitStack
) -> None:
    flags = [*FLAGS, *FLAGS]
    servers = Servers(stack, [True] * len(FLAGS) + [False] * len(FLAGS))
    wanted = tmp_path / "dispatcher.list"
    lines = [f"{at} sip:127.0.0.1:{one.getsockname()[1]} {flags[at]}\n" for at, one in enumerate(servers.sockets)]
    wanted.write_text("".join(lines))
    control = tmp_path / "ctl"
    start_program(
        require_peer("kamailio"), "-f", str(CONFIG), "-DD", "-E", "-m", "16", "-M", "4", "-Y", str(tmp_path),
        "-A", f"LISTEN=udp:127.0.0.1:{free_udp_port()}", "-A", f'LIST="{wanted}"', "-A", f"MODE={mode.value}",
        "-A", f'CTL="unix:{control}"', "-w", str(tmp_path),
    )  # fmt: skip
    rules = Rules(2, 2, mode)
    ours = [Health.of_flags(each) for each in flags]
    for _ in range(3):
        expected = [
            phase(health, rules, answers=servers.answering[one])
            for health, one in zip(ours, servers.sockets, strict=True)
        ]
        ours = [health for health, _ in expected]
        until(lambda: letters(control) == [health.letters for health in ours], 20, what="our states in Kamailio")  # noqa: B023
        time.sleep(2.6 * TIME)  # and they stay
        assert letters(control) == [health.letters for health in ours]
        pinged = [min(count, 3) for count in servers.pings.values()]
        assert pinged == [min(count, 3) for _, count in expected]
        servers.turn()
