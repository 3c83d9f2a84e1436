"""An edge, and those that take over its sockets one after the other, with a bus and workers."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from slbroker import keys
from slbroker.bus.address import parse_bus_address
from slbroker.errors import Exit
from tests.lab.fire import records
from tests.support.figures import ask_figures
from tests.support.peers import free_udp_port
from tests.support.processes import Process, gone
from tests.support.sip import read_reply, request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Start

RATE: Final = 500  # requests a second
PLUGIN: Final = """
import asyncio
from pathlib import Path
from slbroker import Handlers

app = Handlers()

@app.on("INVITE")
def refuse(request):
    return request.reply(404)

@app.on("MESSAGE")
async def slow(request):
    while not Path(__file__).with_name("go").exists():
        await asyncio.sleep(0.05)
    return request.reply(202)

@app.on("ACK")
def leaked(request):
    with Path(__file__).with_name("leaked").open("a") as file:
        print(request.call_id, file=file)

@app.otherwise
def fine(request):
    return request.reply(200)
"""


class Site:
    """A ring, a bus and a plugin; edges that have one address after the other, and two workers."""

    def __init__(self, start: Start, folder: Path) -> None:
        self.folder, self.start = folder, start
        self.port = free_udp_port()
        self.bus = f"ipc://{folder}/bus"
        keys.create(folder / "ring")
        (folder / "plugin.py").write_text(PLUGIN)

    @property
    def here(self) -> str:
        return f"udp:127.0.0.1:{self.port}"

    def edge(self, *words: str, listen: tuple[str, ...] = (), env: dict[str, str] | None = None) -> Process:
        """An edge that is being started."""
        addresses = [word for each in listen or (self.here,) for word in ("--listen", each)]
        return self.start(
            "edge", *addresses, "--bus", self.bus, "--keys", str(self.folder / "ring"), *words, env=env
        )  # fmt: skip

    def workers(self, processes: int = 1, count: int = 2) -> list[Process]:
        """Workers, welcomed by all processes of the edge."""
        words = ("--bus", self.bus, "--keys", str(self.folder / "ring"), "--plugin", str(self.folder / "plugin.py"))
        workers = [self.start("handler", *words) for _ in range(count)]
        for worker in workers:
            worker.wait_for("handler ready", times=processes)
        return workers

    def load(self) -> Process:
        """A load of OPTIONS, until it is stopped."""
        words = ("--to", f"127.0.0.1:{self.port}", "--method", "OPTIONS", "--rate", str(RATE), "--seconds", "60")
        source = Process(sys.executable, "-m", "tests.lab.fire.load", *words, "--out", str(self.folder / "load"))
        source.wait_for("load begins")
        return source

    def figures(self) -> list[dict[str, Any]]:
        return ask_figures(parse_bus_address(self.bus), within(2))

    @property
    def takeover(self) -> Path:
        return self.folder / "bus.takeover"


def message(method: str, number: int, to: str = "<sip:bob@example.com>") -> bytes:
    via = f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{number}{method}"
    return request(method, via=via, call_id=f"call{number}", to=to, cseq=f"2 {method}")


@contextmanager
def phones_of(site: Site, count: int = 40) -> Iterator[list[socket.socket]]:
    """Some phones that talk to the edge."""
    with ExitStack() as stack:
        phones = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]
        for phone in phones:
            phone.connect(("127.0.0.1", site.port))
            phone.settimeout(within(5.0))
        yield phones


def replace_under_load(site: Site, old: Process, after: int, *words: str, listen: tuple[str, ...] = ()) -> Process:
    """Replace an edge while requests come: each is answered once. Return the new one, which has so many processes."""
    source = site.load()
    time.sleep(0.5)
    new = site.edge("--processes", str(after), "--takeover", *words, listen=listen)
    new.wait_for("edge ready", times=after)
    assert old.wait() == Exit.OK, old
    time.sleep(0.5)
    source.stop(30.0)
    result = records.read(site.folder / "load")
    assert not result.unanswered, f"{len(result.unanswered)} of {len(result)}\n{old}\n{new}"
    assert not result.duplicates, result.duplicates
    assert result.statuses == {200: len(result)}, (result.statuses, old, new)
    figures = site.figures()
    assert sum(each["kernel_drops"] for each in figures) == 0
    assert 0 < sum(each["received"] for each in figures) < len(result)  # figures begin anew
    assert "starting it again" not in old.log + new.log
    return new


def replace_before_acks(site: Site, phones: list[socket.socket], before: int, after: int) -> None:
    """Refuse INVITEs and re-INVITEs, replace the edge, and see the ACKs absorbed by the new one."""
    old = site.edge("--processes", str(before))
    old.wait_for("edge ready", times=before)
    site.workers(before)
    tos = []
    for number, phone in enumerate(phones):
        phone.send(message("INVITE", number, "<sip:bob@example.com>" + ";tag=theirs" * (number % 2)))
        reply = read_reply(phone.recv(4096))
        assert reply.status == 404
        tos.append(reply.one(b"To").decode())
    new = site.edge("--processes", str(after), "--takeover")
    new.wait_for("edge ready", times=after)
    assert old.wait() == Exit.OK, old
    for number, phone in enumerate(phones):
        phone.send(message("ACK", number, tos[number]))
    until(lambda: sum(each["received"] for each in site.figures()) == len(phones), what="the ACKs are there")
    assert sum(each["absorbed"] for each in site.figures()) == len(phones), site.figures()
    assert not (site.folder / "leaked").exists()


def replace_by_signal(site: Site, phones: list[socket.socket], folder: Path, processes: int) -> None:
    """SIGUSR2: the same command takes the edge's place, and systemd hears of it."""
    systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    systemd.bind(str(folder / "notify"))
    systemd.settimeout(within(5.0))
    with systemd:
        old = site.edge("--processes", str(processes), env={"NOTIFY_SOCKET": str(folder / "notify")})
        old.wait_for("edge ready", times=processes)
        site.workers(processes, count=1)
        assert systemd.recv(100) == b"READY=1"
        old.send(signal.SIGUSR2)
        old.wait_for("edge ready", times=2 * processes)  # its successor writes there too
        until(lambda: not old.running, what="its end")  # waited for, it would take its successor along
        said = systemd.recv(200)
        while not said.startswith(b"MAINPID="):
            assert said.startswith((b"READY=1", b"WATCHDOG=1", b"STATUS=process ")), said
            said = systemd.recv(200)
        successor = int(said.splitlines()[0].partition(b"=")[2])
    assert not gone(successor)
    phones[0].send(message("OPTIONS", 1))
    assert read_reply(phones[0].recv(4096)).status == 200
    os.kill(successor, signal.SIGTERM)
    until(lambda: gone(successor) or is_zombie(successor), what="the successor's end")


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def replaced(place: Site, old: Process, *words: str, listen: tuple[str, ...] = ()) -> Process:
    """The edge that has taken the place of `old`, which has ended in order."""
    new = place.edge("--takeover", *words, listen=listen)
    new.wait_for("edge ready")
    assert old.wait() == Exit.OK, old
    return new
