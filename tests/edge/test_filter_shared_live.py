"""The processes of one edge: an ACK is absorbed by whichever of them the kernel sends it to, restarts included."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from slbroker import keys
from slbroker.bus.address import parse_bus_address
from slbroker.sip.validate import Checks
from slbroker.totag import Signer
from slbroker_edge.ackfilter import AckFilter
from slbroker_edge.filterfile import FilterFile
from slbroker_edge.reader import read_turn
from tests.support.edge import FakeListener
from tests.support.peers import free_udp_port
from tests.support.processes import Process
from tests.support.sip import read_reply, request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Start

PHONES: Final = 200
PROCESSES: Final = 4
PLUGIN: Final = """
from pathlib import Path
from slbroker import Handlers

app = Handlers()

@app.on("INVITE")
def refuse(request):
    return request.reply(488)

@app.on("ACK")
def leaked(request):
    with Path(__file__).with_name("leaked").open("a") as file:
        print(request.call_id, file=file)
"""


class Site:
    """An edge of four processes, a handler that refuses INVITEs and notes ACKs, and 200 phones."""

    def __init__(self, start: Start, folder: Path, stack: ExitStack) -> None:
        self.folder, self._start, self._stack = folder, start, stack
        self.port = free_udp_port()
        keys.create(folder / "ring")
        (folder / "plugin.py").write_text(PLUGIN)
        self.edge = self.start_edge()
        handler = start("handler", "--bus", self.bus, "--keys", self.ring, "--plugin", str(folder / "plugin.py"))
        handler.wait_for("handler ready", times=PROCESSES)
        self.phones = [self._phone() for _ in range(PHONES)]

    bus = property(lambda self: f"ipc://{self.folder}/bus")
    ring = property(lambda self: str(self.folder / "ring"))

    def start_edge(self) -> Process:
        edge = self._start(
            "edge", "--listen", f"udp:127.0.0.1:{self.port}", "--bus", self.bus, "--keys", self.ring,
            "--processes", str(PROCESSES),
        )  # fmt: skip
        edge.wait_for("edge ready", times=PROCESSES)
        return edge

    def _phone(self) -> socket.socket:
        sock = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.connect(("127.0.0.1", self.port))
        sock.settimeout(within(5.0))
        return sock

    def re_invites(self) -> None:
        """Every phone asks for a change of its call, and is refused."""
        for number, phone in enumerate(self.phones):
            phone.send(self._message("INVITE", number))
        for phone in self.phones:
            assert read_reply(phone.recv(4096)).status == 488

    def acks(self) -> None:
        for number, phone in enumerate(self.phones):
            phone.send(self._message("ACK", number))

    def _message(self, method: str, number: int) -> bytes:
        via = f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{number}"
        return request(
            method, via=via, call_id=f"call{number}", to="<sip:bob@example.com>;tag=theirs", cseq=f"2 {method}"
        )

    def children(self) -> list[int]:
        text = Path(f"/proc/{self.edge.pid}/task/{self.edge.pid}/children").read_text()
        return [int(pid) for pid in text.split()]

    def nothing_leaked(self) -> None:
        """All that the edge had taken has come to an end when it is asked for something else, by every process."""
        for phone in self.phones:
            phone.send(request("INVITE", via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKlast", call_id="last"))
        for phone in self.phones:
            phone.recv(4096)
        leaked = self.folder / "leaked"
        assert not leaked.exists(), f"{len(leaked.read_text().split())} of {PHONES} ACKs leaked"


@pytest.fixture
def site(start_slbroker: Start, tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(start_slbroker, tmp_path, stack)


def test_when_a_process_is_killed_no_ack_leaks(site: Site) -> None:
    """The kernel deals the flows of the others anew, too."""
    site.re_invites()
    os.kill(victim := site.children()[1], signal.SIGKILL)
    until(lambda: f"edge 1: process {victim} ended by signal 9" in site.edge.log, what="the end of the process")
    site.acks()
    site.nothing_leaked()


@pytest.mark.parametrize("pure", ["1", ""])
@pytest.mark.parametrize("to", ["<sip:bob@example.com>", "<sip:bob@example.com>;tag=theirs"])
def test_when_a_process_is_killed_as_its_reply_leaves_no_ack_leaks(tmp_path: Path, to: str, pure: str) -> None:
    """What is noted behind the system call, one that is killed in between has not noted."""
    keys.create(tmp_path / "ring")
    ring = keys.load(tmp_path / "ring")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(within(5.0))
        words = ("-m", "tests.support.killededge", str(tmp_path), str(phone.getsockname()[1]), to)
        with Process(sys.executable, *words, env={"SLBROKER_PURE": pure}) as edge:
            reply = read_reply(phone.recv(4096))
            assert edge.wait() == -signal.SIGKILL
    ack = request("ACK", to=reply.one(b"To").decode())
    _jobs, acks, _alone = read_turn([(ack, ("127.0.0.1", 5060))], FakeListener(), Checks())
    assert len(acks) == 1
    bus = parse_bus_address(f"ipc://{tmp_path}/bus")
    its_place = AckFilter(Signer(ring.current, ring.accepted(time.time())), 32.0, FilterFile(bus, 1).of_process(0))
    assert its_place.absorb(acks, time.monotonic()) == []


def test_when_it_is_there_again_no_ack_leaks(site: Site) -> None:
    site.re_invites()
    os.kill(site.children()[1], signal.SIGKILL)
    site.edge.wait_for("edge ready", times=PROCESSES + 1)
    site.acks()
    site.nothing_leaked()


def test_when_the_whole_edge_was_restarted_no_ack_leaks(site: Site) -> None:
    site.re_invites()
    site.edge.kill()
    site.edge = site.start_edge()
    site.acks()
    until(lambda: _is_served(site), what="the handler at the new edge")
    site.nothing_leaked()


def _is_served(site: Site) -> bool:
    phone = site.phones[0]
    phone.send(request("INVITE", via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKfirst", call_id="first"))
    return read_reply(phone.recv(4096)).status == 488
