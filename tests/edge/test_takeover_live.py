"""An edge takes over the sockets of the one that runs: no request, connection or ACK is lost by a restart."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from slbroker import keys
from slbroker.bus.address import parse_bus_address
from slbroker.errors import Exit, TakeoverError
from slbroker_edge.takeover import Predecessor
from tests.lab.fire import records
from tests.support.figures import ask_figures
from tests.support.peers import free_tcp_port, free_udp_port
from tests.support.processes import Process, gone
from tests.support.sip import read_reply, request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Start

PHONES: Final = 40
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

    def workers(self, processes: int = 1) -> list[Process]:
        """Two workers, welcomed by all processes of the edge."""
        words = ("--bus", self.bus, "--keys", str(self.folder / "ring"), "--plugin", str(self.folder / "plugin.py"))
        workers = [self.start("handler", *words) for _ in range(2)]
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


@pytest.fixture
def site(start_slbroker: Start, tmp_path: Path) -> Site:
    return Site(start_slbroker, tmp_path)


@pytest.fixture
def phones(site: Site) -> Iterator[list[socket.socket]]:
    made = []
    for _ in range(PHONES):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect(("127.0.0.1", site.port))
        sock.settimeout(within(5.0))
        made.append(sock)
    yield made
    for sock in made:
        sock.close()


def message(method: str, number: int, to: str = "<sip:bob@example.com>") -> bytes:
    via = f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{number}{method}"
    return request(method, via=via, call_id=f"call{number}", to=to, cseq=f"2 {method}")


@pytest.mark.parametrize(
    ("before", "after", "host"),
    [(1, 1, "127.0.0.1"), (1, 1, "*"), (2, 2, "127.0.0.1"), (3, 1, "127.0.0.1"), (1, 2, "127.0.0.1")],
)
def test_an_edge_is_replaced_under_load_and_every_request_is_answered_once(
    site: Site, before: int, after: int, host: str
) -> None:
    listen = (f"udp:{host}:{site.port}",)
    old = site.edge("--processes", str(before), listen=listen)
    old.wait_for("edge ready", times=before)
    site.workers(before)
    source = site.load()
    time.sleep(0.5)
    new = site.edge("--processes", str(after), "--takeover", listen=listen)
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


@pytest.mark.parametrize("to", ["", "<sip:bob@example.com>;tag=theirs"], ids=["INVITE", "re-INVITE"])
@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 2), (2, 1)])
def test_acks_to_replies_of_the_edge_before_are_absorbed(
    site: Site, phones: list[socket.socket], to: str, before: int, after: int
) -> None:
    old = site.edge("--processes", str(before))
    old.wait_for("edge ready", times=before)
    site.workers(before)
    tos = []
    for number, phone in enumerate(phones):
        phone.send(message("INVITE", number, to or "<sip:bob@example.com>"))
        reply = read_reply(phone.recv(4096))
        assert reply.status == 404
        tos.append(reply.all(b"To")[0].decode())
    new = site.edge("--processes", str(after), "--takeover")
    new.wait_for("edge ready", times=after)
    assert old.wait() == Exit.OK, old
    for number, phone in enumerate(phones):
        phone.send(message("ACK", number, tos[number]))
    until(lambda: sum(each["received"] for each in site.figures()) == PHONES, what="the ACKs are there")
    assert sum(each["absorbed"] for each in site.figures()) == PHONES, site.figures()
    assert not (site.folder / "leaked").exists()


def test_what_is_in_flight_is_answered_by_the_edge_that_took_it(site: Site, phones: list[socket.socket]) -> None:
    old = site.edge("--handler-timeout", "60")
    old.wait_for("edge ready")
    site.workers()
    for number, phone in enumerate(phones):
        phone.send(message("MESSAGE", number))
    until(lambda: site.figures()[0]["in_flight"] == PHONES, what="the requests are with the workers")
    new = site.edge("--takeover")
    new.wait_for("edge ready")
    phones[0].send(message("OPTIONS", 1_000))
    assert read_reply(phones[0].recv(4096)).status == 200  # by the new one, while the old one waits
    assert old.running
    (site.folder / "go").touch()
    for phone in phones:
        assert read_reply(phone.recv(4096)).status == 202
    assert old.wait() == Exit.OK
    assert f"replied {PHONES}" in old.log


def test_a_connection_gets_its_answer_and_is_closed_and_new_ones_are_the_new_edges(site: Site) -> None:
    port = free_tcp_port()
    listen = (site.here, f"tcp:127.0.0.1:{port}")
    old = site.edge("--handler-timeout", "60", listen=listen)
    old.wait_for("edge ready")
    site.workers()
    with socket.create_connection(("127.0.0.1", port)) as busy, socket.create_connection(("127.0.0.1", port)) as idle:
        for sock in (busy, idle):
            sock.settimeout(within(5.0))
        busy.sendall(message("MESSAGE", 1).replace(b"/UDP", b"/TCP"))
        until(lambda: site.figures()[0]["in_flight"] == 1, what="it is with a worker")
        new = site.edge("--takeover", listen=listen)
        new.wait_for("edge ready")
        with socket.create_connection(("127.0.0.1", port)) as fresh:
            fresh.settimeout(within(5.0))
            fresh.sendall(message("OPTIONS", 2).replace(b"/UDP", b"/TCP"))
            assert read_reply(fresh.recv(4096)).status == 200
            (site.folder / "go").touch()
            assert read_reply(busy.recv(4096)).status == 202
            assert busy.recv(4096) == b""
            assert idle.recv(4096) == b""
            assert old.wait() == Exit.OK
            fresh.sendall(message("OPTIONS", 3).replace(b"/UDP", b"/TCP"))
            assert read_reply(fresh.recv(4096)).status == 200


def test_a_browsers_connection_is_closed_as_going_away(site: Site) -> None:
    client = pytest.importorskip("websockets.sync.client")
    exceptions = pytest.importorskip("websockets.exceptions")
    port = free_tcp_port()
    listen = (f"ws:127.0.0.1:{port}",)
    old = site.edge(listen=listen)
    old.wait_for("edge ready")
    with client.connect(f"ws://127.0.0.1:{port}/", subprotocols=["sip"]) as socket_:
        new = site.edge("--takeover", listen=listen)
        new.wait_for("edge ready")
        with pytest.raises(exceptions.ConnectionClosed) as closed:
            socket_.recv(within(5.0))
        assert closed.value.rcvd.code == 1001
    with client.connect(f"ws://127.0.0.1:{port}/", subprotocols=["sip"]):
        assert old.wait() == Exit.OK


@pytest.mark.parametrize("processes", [1, 2])
def test_sigusr2_replaces_an_edge_by_the_same_command(
    site: Site, phones: list[socket.socket], tmp_path: Path, processes: int
) -> None:
    systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    systemd.bind(str(tmp_path / "notify"))
    systemd.settimeout(within(5.0))
    with systemd:
        old = site.edge("--processes", str(processes), env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        old.wait_for("edge ready", times=processes)
        site.workers(processes)
        assert systemd.recv(100) == b"READY=1"
        old.send(signal.SIGUSR2)
        old.wait_for("edge ready", times=2 * processes)  # its successor writes there too
        until(lambda: not old.running, what="its end")  # waited for, it would take its successor along
        said = systemd.recv(100)
        while said in (b"READY=1", b"WATCHDOG=1"):
            said = systemd.recv(100)
        assert said.startswith(b"MAINPID=")
        successor = int(said.partition(b"=")[2])
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


def test_a_successor_that_cannot_start_leaves_the_edge_as_it_is(site: Site, phones: list[socket.socket]) -> None:
    config = site.folder / "slbroker.toml"
    config.write_text("[edge]\nack-window = 30\n")
    old = site.edge("--config", str(config))
    old.wait_for("edge ready")
    site.workers()
    config.write_text("[edge]\nack-windy = 30\n")
    old.send(signal.SIGUSR2)
    old.wait_for("ended with code 3; serving on")
    phones[0].send(message("OPTIONS", 1))
    assert read_reply(phones[0].recv(4096)).status == 200


def test_an_edge_serves_on_when_who_takes_over_dies(site: Site, phones: list[socket.socket]) -> None:
    old = site.edge()
    old.wait_for("edge ready")
    site.workers()
    taker = Predecessor.find(site.takeover)
    assert taker is not None
    taker.fetch(1)
    assert [sock.getsockname() for sock in taker.sockets] == [("127.0.0.1", site.port)]
    assert taker.workers(introduce=True) == 2
    for sock in taker.sockets:
        sock.close()
    taker.hang_up()
    old.wait_for("we serve on", times=2)
    until(lambda: len(site.figures()[0]["workers"]) == 2, what="the workers are its own again")
    for number, phone in enumerate(phones):
        phone.send(message("OPTIONS", number))
        assert read_reply(phone.recv(4096)).status == 200
    new = site.edge("--takeover")
    new.wait_for("edge ready")
    assert old.wait() == Exit.OK


def test_of_two_at_once_one_takes_over_and_the_other_says_so(site: Site) -> None:
    old = site.edge()
    old.wait_for("edge ready")
    first = Predecessor.find(site.takeover)
    assert first is not None
    first.fetch(1)
    second = site.edge("--takeover")
    assert second.wait() == Exit.TAKEOVER
    assert f"another edge is taking over already, process {os.getpid()}" in second.log
    first.hang_up()
    for sock in first.sockets:
        sock.close()
    assert old.running


def test_without_an_edge_to_take_over_from_one_starts_as_usual_and_says_so(site: Site) -> None:
    edge = site.edge("--takeover")
    edge.wait_for("starting as usual")
    edge.wait_for("edge ready")


def test_addresses_that_differ_are_bound_and_closed(site: Site, phones: list[socket.socket]) -> None:
    other, third = free_udp_port(), free_tcp_port()
    old = site.edge(listen=(site.here, f"udp:127.0.0.1:{other}", f"tcp:127.0.0.1:{third}"))
    old.wait_for("edge ready")
    site.workers()
    added = free_udp_port()
    new = site.edge("--takeover", listen=(site.here, f"udp:127.0.0.1:{added}"))
    new.wait_for(f"no longer listening on 127.0.0.1 port {other}")
    new.wait_for(f"no longer listening on 127.0.0.1 port {third}")
    new.wait_for("edge ready")
    assert old.wait() == Exit.OK
    for port in (site.port, added):
        phones[0].connect(("127.0.0.1", port))
        phones[0].send(message("OPTIONS", port))
        assert read_reply(phones[0].recv(4096)).status == 200
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free, socket.socket() as listener:
        free.bind(("127.0.0.1", other))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", third))


def test_an_address_that_cannot_be_had_leaves_the_edge_as_it_is(site: Site, phones: list[socket.socket]) -> None:
    old = site.edge()
    old.wait_for("edge ready")
    site.workers()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        new = site.edge("--takeover", listen=(site.here, f"udp:127.0.0.1:{taken.getsockname()[1]}"))
        assert new.wait() == Exit.BIND
    old.wait_for("we serve on", times=2)
    phones[0].send(message("OPTIONS", 1))
    assert read_reply(phones[0].recv(4096)).status == 200


def test_nobody_else_may_ask_for_the_sockets(site: Site) -> None:
    site.edge().wait_for("edge ready")
    assert stat.S_IMODE(site.takeover.stat().st_mode) == 0o600


def test_an_edge_of_another_protocol_gets_nothing(site: Site) -> None:
    site.edge().wait_for("edge ready")
    taker = Predecessor.find(site.takeover)
    assert taker is not None
    with pytest.raises(TakeoverError, match="gives its sockets otherwise"):
        taker._ask({"asks": "sockets", "protocol": 99, "processes": 1})
    with pytest.raises(TakeoverError, match="another version, or nobody"):
        taker._ask({"asks": "leave"})
    taker.hang_up()


def test_with_a_tcp_bus_the_workers_find_the_new_edge(site: Site, tmp_path: Path) -> None:
    site.bus = f"tcp://127.0.0.1:{free_tcp_port()}"
    words = ("--takeover-path", str(tmp_path / "edge.takeover"))
    old = site.edge(*words)
    old.wait_for("edge ready")
    site.workers()
    source = site.load()
    time.sleep(0.5)
    new = site.edge("--takeover", *words)
    new.wait_for("edge ready")
    assert old.wait() == Exit.OK
    time.sleep(0.5)
    source.stop(30.0)
    result = records.read(site.folder / "load")
    assert result.statuses == {200: len(result)}, (result.statuses, old, new)
    newest = site.edge("--takeover", *words)
    newest.wait_for("2 of the 2 workers of the edge before are here")
    newest.wait_for("edge ready")
    assert new.wait() == Exit.OK


def test_a_tcp_bus_needs_to_be_told_where(site: Site) -> None:
    site.bus = f"tcp://127.0.0.1:{free_tcp_port()}"
    edge = site.edge("--takeover")
    assert edge.wait() == Exit.CONFIG
    assert "--takeover-path" in edge.log
