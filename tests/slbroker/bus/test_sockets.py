"""The bus on real ZeroMQ sockets, over ipc and over TCP on loopback."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zmq

from slbroker.bus import sockets
from slbroker.bus.address import BusAddress, parse_bus_address
from slbroker.bus.sockets import MAX_BYTES_PER_TURN, MAX_PER_TURN, BusSocket, bind_router, connect_dealer
from slbroker.errors import BindError, ConfigError
from slbroker.query import ask_figures
from tests.support.processes import run_slbroker
from tests.support.sip import read_reply, request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from tests.conftest import Start

    Socket = zmq.Socket[bytes]

PAGE = Path(__file__).parents[3] / "docs" / "bus.md"


class Net:
    """Sockets that are closed when the test ends."""

    def __init__(self) -> None:
        self.context: zmq.Context[Socket] = zmq.Context()
        self._made: list[Socket] = []

    def bind(self, address: BusAddress) -> Socket:
        self._made.append(bind_router(self.context, address))
        return self._made[-1]

    def connect(self, address: BusAddress, credit: int = 0) -> Socket:
        self._made.append(connect_dealer(self.context, address, credit=credit))
        return self._made[-1]

    def close(self) -> None:
        for made in self._made:
            made.close(0)
        self.context.term()


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    net.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory with a short path: a socket's may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="slb-") as folder:
        yield Path(folder)


@pytest.fixture(params=["ipc", "tcp"])
def address(request: pytest.FixtureRequest, folder: Path) -> BusAddress:
    """Where to bind; the port of TCP is whichever is free."""
    return BusAddress(str(folder / "bus"), "", 0) if request.param == "ipc" else BusAddress("", "127.0.0.1", 0)


def bound(router: Socket, address: BusAddress) -> BusAddress:
    """Where a router bound to `address` really is."""
    endpoint = router.get(zmq.LAST_ENDPOINT)
    assert isinstance(endpoint, bytes)
    return address if address.path else address._replace(port=int(endpoint.rpartition(b":")[2]))


def receive(from_socket: Socket, seconds: float = 5.0) -> list[bytes]:
    assert from_socket.poll(int(within(seconds) * 1000)), "nothing came"
    return from_socket.recv_multipart()


def run(test: Coroutine[object, object, None]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test, within(20.0))

    asyncio.run(limited())


async def comes_true(condition: Callable[[], object]) -> None:
    """Let the loop run until the condition is true; `run` limits for how long."""
    while not condition():
        await asyncio.sleep(0.005)


# Both ends ------------------------------------------------------------------------------------------------------


def test_messages_cross_both_ways(net: Net, address: BusAddress) -> None:
    router = net.bind(address)
    dealer = net.connect(bound(router, address))
    dealer.send_multipart([b"head", b"body"])
    identity, *frames = receive(router)
    assert frames == [b"head", b"body"]
    router.send_multipart([identity, b"", b"x" * 1_000_000])
    assert receive(dealer) == [b"", b"x" * 1_000_000]


def test_a_worker_is_back_when_its_edge_is(net: Net, address: BusAddress) -> None:
    former = Net()
    router = former.bind(address)
    address = bound(router, address)
    dealer = net.connect(address)
    dealer.send_multipart([b"1"])
    assert receive(router)[1] == b"1"
    former.close()
    router = net.bind(address)
    for _ in range(int(within(5.0) / 0.05)):
        with suppress(zmq.Again):  # not connected yet
            dealer.send_multipart([b"2"], zmq.NOBLOCK)
        if router.poll(50):
            break
    assert receive(router)[1] == b"2"


def test_what_is_too_large_costs_the_sender_its_connection(
    net: Net, address: BusAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "MAX_ENVELOPE", 1_000)
    router = net.bind(address)
    good, bad = (net.connect(bound(router, address)) for _ in range(2))
    bad.send_multipart([b"x" * 1_001])
    good.send_multipart([b"x" * 1_000])
    assert receive(router)[1] == b"x" * 1_000
    assert not router.poll(200)


def test_limits_are_set(net: Net, address: BusAddress) -> None:
    router = net.bind(address)
    dealer = net.connect(bound(router, address))
    for made in (router, dealer):
        assert made.get(zmq.MAXMSGSIZE) == 4 * 1024 * 1024
        assert made.get(zmq.RCVHWM) == (16 if made is router else 1_024)
        assert made.get(zmq.SNDHWM) == 1_024
        assert made.get(zmq.HANDSHAKE_IVL) == 5_000
        assert made.get(zmq.TCP_MAXRT) == 5_000
        assert made.get(zmq.LINGER) == 1_000


def test_a_libzmq_with_known_holes_is_refused(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zmq, "zmq_version_info", lambda: (4, 3, 3))
    with pytest.raises(ConfigError, match=r"wants 4\.3\.4"):
        net.bind(BusAddress("", "127.0.0.1", 0))


def test_a_flood_waits_at_the_sender(net: Net, address: BusAddress) -> None:
    """The memory that it can take of an edge is bounded, whatever the sender's limits."""
    router = net.bind(address)
    flooder = net.connect(bound(router, address))
    flooder.set(zmq.SNDTIMEO, int(within(0.3) * 1000))
    sent = 0
    with suppress(zmq.Again):
        while sent < 20_000:
            flooder.send(b"x" * 10_000)
            sent += 1
    in_the_kernel = 16_000_000 // 10_000
    assert sockets.SEND_HWM <= sent < sockets.SEND_HWM + sockets.RECEIVE_HWM + in_the_kernel
    heard = sum(len(receive(router)) == 2 for _ in range(sent))
    assert heard == sent, "what waited is lost"


def test_what_a_stopped_worker_does_not_read_is_bounded_and_then_refused(net: Net, address: BusAddress) -> None:
    router = net.bind(address)
    dealer = net.connect(bound(router, address))
    dealer.send(b"hello")
    identity, _ = receive(router)
    sent = 0
    with suppress(zmq.Again):
        while sent < 20_000:
            router.send_multipart([identity, b"x" * 10_000], zmq.NOBLOCK)
            sent += 1
    assert sockets.SEND_HWM <= sent < 20_000


def test_a_busy_worker_has_room_for_all_its_credit(net: Net, address: BusAddress) -> None:
    """Each request may be in an envelope of its own."""
    credit = 20_000
    router = net.bind(address)
    dealer = net.connect(bound(router, address), credit=credit)
    dealer.send(b"hello")
    identity, _ = receive(router)
    router.set(zmq.SNDTIMEO, int(within(5.0) * 1000))  # the worker's I/O thread takes them, the worker none
    for number in range(credit):
        router.send_multipart([identity, b"%d" % number])
    assert [receive(dealer) for _ in range(credit)] == [[b"%d" % number] for number in range(credit)]


# Binding --------------------------------------------------------------------------------------------------------


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_socket_and_directory_are_for_this_user_alone(net: Net, folder: Path) -> None:
    os.umask(before := os.umask(0))
    net.bind(BusAddress(str(folder / "new" / "bus"), "", 0))
    assert mode(folder / "new") == 0o700
    assert mode(folder / "new" / "bus") == 0o600
    os.umask(after := os.umask(0))
    assert after == before


def test_a_directory_that_is_there_stays_as_it_is(net: Net, folder: Path) -> None:
    folder.chmod(0o755)
    net.bind(BusAddress(str(folder / "bus"), "", 0))
    assert mode(folder) == 0o755
    assert mode(folder / "bus") == 0o600


def test_a_second_edge_is_refused_and_the_first_goes_on(net: Net, address: BusAddress) -> None:
    router = net.bind(address)
    address = bound(router, address)
    for _ in range(3):
        with pytest.raises(BindError, match=re.escape(str(address))):
            net.bind(address)
    dealer = net.connect(address)
    dealer.send_multipart([b"still there"])
    assert receive(router)[1] == b"still there"


def test_an_edge_takes_the_place_of_one_that_has_ended(net: Net, folder: Path) -> None:
    address = BusAddress(str(folder / "bus"), "", 0)
    former = Net()
    former.bind(address)
    former.close()
    assert (folder / "bus").is_socket()
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(folder / "other"))
    for path in (address, BusAddress(str(folder / "other"), "", 0)):
        net.bind(path)
        assert mode(Path(path.path)) == 0o600


def test_an_edge_that_is_stopped_is_there_all_the_same(net: Net, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stopped, socket.socket(socket.AF_UNIX) as waiting:
        stopped.bind(str(folder / "bus"))
        stopped.listen(0)
        waiting.connect(str(folder / "bus"))  # its backlog is full: a further one would wait for ever
        with pytest.raises(BindError, match="another edge is listening there"):
            net.bind(BusAddress(str(folder / "bus"), "", 0))
        assert (folder / "bus").is_socket()


# Waits at the door with others, then binds; says how that went and stays.
RACER = """
import os, sys, time, zmq
from slbroker.bus import sockets
from slbroker.bus.address import parse_bus_address
from slbroker.errors import BindError

is_free = sockets._is_free
def look_slowly(path):
    found = is_free(path)
    time.sleep(0.05)  # what a scheduler may do between the look and the leap
    return found
sockets._is_free = look_slowly
print("here", file=sys.stderr)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.001)
try:
    router = sockets.bind_router(zmq.Context(), parse_bus_address(sys.argv[1]))
except BindError as error:
    print("refused:", error, file=sys.stderr)
else:
    print("bound", file=sys.stderr)
    router.send_multipart([router.recv_multipart()[0], b"%d" % os.getpid()])
"""


def test_of_edges_that_start_at_once_one_gets_the_path(net: Net, folder: Path, start_program: Start) -> None:
    address = BusAddress(str(folder / "bus"), "", 0)
    racers = [start_program(sys.executable, "-c", RACER, str(address), str(folder / "go")) for _ in range(3)]
    for racer in racers:
        racer.wait_for("here")
    (folder / "go").touch()
    until(lambda: all("bound" in racer.log or "refused" in racer.log for racer in racers), what="the end of the race")
    (winner,) = [racer for racer in racers if "bound" in racer.log]
    for racer in racers:
        if racer is not winner:
            line = racer.wait_for("refused")
            assert re.search(rf"bus {address}: another edge is (starting|listening) there; .* with --bus", line)
    dealer = net.connect(address)
    dealer.set(zmq.SNDTIMEO, int(within(5.0) * 1000))
    dealer.send(b"who?")
    assert receive(dealer) == [b"%d" % winner.pid]


def test_the_lock_of_an_edge_that_died_is_gone(net: Net, folder: Path, start_program: Start) -> None:
    address = BusAddress(str(folder / "bus"), "", 0)
    hold = """if True:
        import fcntl, sys, time
        file = open(sys.argv[1], "w")
        fcntl.flock(file, fcntl.LOCK_EX)
        print("mine", file=sys.stderr)
        time.sleep(60)
    """
    holder = start_program(sys.executable, "-c", hold, f"{folder}/bus.lock")
    holder.wait_for("mine")
    with pytest.raises(BindError, match="another edge is starting there; choose another path with --bus"):
        net.bind(address)
    holder.kill()
    net.bind(address)


@pytest.mark.parametrize("kind", ["file", "directory", "pipe", "datagram socket"])
def test_a_file_of_another_kind_is_left_alone(net: Net, folder: Path, kind: str) -> None:
    path = folder / "bus"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        match kind:
            case "file":
                path.write_text("precious")
            case "directory":
                path.mkdir()
            case "pipe":
                os.mkfifo(path)
            case _:
                other.bind(str(path))
        before = path.stat()
        with pytest.raises(BindError, match=f"bus ipc://{path}: .* choose another path with --bus"):
            net.bind(BusAddress(str(path), "", 0))
        assert (path.stat().st_ino, path.stat().st_mode) == (before.st_ino, before.st_mode)


def test_a_directory_that_others_can_write_to_is_refused(net: Net, folder: Path) -> None:
    address = BusAddress(str(folder / "bus"), "", 0)
    folder.chmod(0o777)
    with pytest.raises(BindError, match=f"{folder} is in the hands of others"):
        net.bind(address)
    folder.chmod(0o1777)
    net.bind(address)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused(net: Net, folder: Path) -> None:
    (folder / "theirs").mkdir(mode=0o700)
    os.chown(folder / "theirs", 12_345, 12_345)
    with pytest.raises(BindError, match="in the hands of others"):
        net.bind(BusAddress(str(folder / "theirs" / "bus"), "", 0))


def test_a_directory_that_cannot_be_made_is_one_line(net: Net, folder: Path) -> None:
    (folder / "file").write_text("")
    for path in (folder / "file" / "bus", folder / "file" / "deeper" / "bus", Path("/proc/none/bus")):
        with pytest.raises(BindError, match=f"bus ipc://{path}: ") as refused:
            net.bind(BusAddress(str(path), "", 0))
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-interface", "[2001:db8::1]"])
def test_an_address_that_is_not_ours_cannot_be_bound(net: Net, host: str) -> None:
    with pytest.raises(BindError, match="choose another address with --bus"):
        net.bind(BusAddress("", host, 0))


def test_an_address_that_no_worker_can_reach_is_said_at_once(net: Net) -> None:
    with pytest.raises(ConfigError, match=r"bus tcp://\*:5590: "):
        net.connect(parse_bus_address("tcp://*:5590"))


# On the loop ----------------------------------------------------------------------------------------------------


class Listener:
    """A BusSocket and what it has told."""

    def __init__(self, zsocket: Socket, fail_on: bytes = b"") -> None:
        self.heard: list[list[bytes]] = []
        self.turns: list[int] = []
        self._fail_on = fail_on
        self.bus = BusSocket(asyncio.get_running_loop(), zsocket, self._hear, self._turn)

    def _hear(self, frames: list[bytes]) -> None:
        self.heard.append(frames)
        if frames[-1] == self._fail_on:
            raise ZeroDivisionError("a bug")

    def _turn(self) -> None:
        self.turns.append(len(self.heard))


def test_all_that_arrives_is_told_turn_by_turn(net: Net, address: BusAddress) -> None:
    async def test() -> None:
        router = net.bind(address)
        edge = Listener(router)
        worker = Listener(net.connect(bound(router, address)))
        await comes_true(lambda: not worker.bus.send([[b"hello"]]))
        await comes_true(lambda: edge.heard)
        (identity, _), *_ = edge.heard
        assert edge.bus.send([[identity, b"%d" % number] for number in range(500)]) == []
        await comes_true(lambda: len(worker.heard) == 500)
        assert worker.heard == [[b"%d" % number] for number in range(500)]
        shares = [after - before for before, after in zip([0, *worker.turns], worker.turns, strict=False)]
        assert sum(shares) == 500
        assert all(0 < share <= MAX_PER_TURN for share in shares)
        for number in range(500):  # a send takes ZeroMQ's signal that something has come
            assert worker.bus.send([[b"%d" % number]]) == []
            if number % 50 == 0:
                await asyncio.sleep(0)
        await comes_true(lambda: len(edge.heard) >= 501)
        assert [frames[1] for frames in edge.heard[-500:]] == [b"%d" % number for number in range(500)]
        edge.bus.close()
        worker.bus.close()

    run(test())


def test_large_messages_make_a_turn_short(net: Net, address: BusAddress) -> None:
    """While they come in, the loop sees to its other sockets."""

    async def test() -> None:
        router = net.bind(address)
        dealer = net.connect(bound(router, address))
        half = MAX_BYTES_PER_TURN // 2
        for _ in range(8):
            dealer.send(b"x" * half)
        assert router.poll(int(within(5.0) * 1000))
        edge = Listener(router)
        await comes_true(lambda: len(edge.heard) == 8)
        shares = [after - before for before, after in zip([0, *edge.turns], edge.turns, strict=False)]
        assert max(shares) <= 2
        edge.bus.close()

    run(test())


def test_a_worker_that_has_gone_is_refused_and_what_was_for_it_comes_back(net: Net, address: BusAddress) -> None:
    async def test() -> None:
        router = net.bind(address)
        edge = Listener(router)
        workers = [net.connect(bound(router, address)) for _ in range(2)]
        for worker, name in zip(workers, (b"goes", b"stays"), strict=True):
            worker.send(name)
        await comes_true(lambda: len(edge.heard) == 2)
        names = {name: identity for identity, name in edge.heard}
        assert edge.bus.send([[identity, b"x"] for identity in names.values()]) == []
        workers[0].close(0)
        to_gone, to_stays = ([names[name], b"1", b"2"] for name in (b"goes", b"stays"))
        await comes_true(lambda: edge.bus.send([to_gone]))
        assert edge.bus.send([to_gone, to_stays, [b"nobody", b"3"], to_gone]) == [to_gone, [b"nobody", b"3"], to_gone]
        assert [receive(workers[1]) for _ in range(2)] == [[b"x"], [b"1", b"2"]]
        edge.bus.close()

    run(test())


def test_without_an_edge_nothing_piles_up_at_a_worker(net: Net, folder: Path) -> None:
    async def test() -> None:
        worker = Listener(net.connect(BusAddress(str(folder / "bus"), "", 0)))
        assert worker.bus.send([[b"hello"], [b"again"]]) == [[b"hello"], [b"again"]]
        worker.bus.close()

    run(test())


def test_a_bug_in_one_message_does_not_keep_the_next_from_being_read(net: Net, address: BusAddress) -> None:
    async def test() -> None:
        bugs: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, happened: bugs.append(happened["exception"]))
        router = net.bind(address)
        dealer = net.connect(bound(router, address))
        edge = Listener(router, fail_on=b"bad")
        for word in (b"good", b"bad", b"better", b"best"):
            dealer.send(word)
        await comes_true(lambda: len(edge.heard) == 4)
        assert [type(bug) for bug in bugs] == [ZeroDivisionError]
        edge.bus.close()

    run(test())


def test_a_closed_socket_takes_nothing(net: Net, address: BusAddress) -> None:
    async def test() -> None:
        edge = Listener(net.bind(address))
        edge.bus.close()
        assert edge.bus.send([[b"x", b"y"]]) == [[b"x", b"y"]]
        await asyncio.sleep(0)  # the first reading was due
        assert edge.heard == []

    run(test())


# The page -------------------------------------------------------------------------------------------------------


def test_the_pages_worker_works(folder: Path, start_slbroker: Start, start_program: Start) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code is not None
    assert code[1].count("\n") <= 40
    program = folder / "worker.py"
    program.write_text(code[1])
    bus = parse_bus_address(f"ipc://{folder}/run/bus")
    keys = str(folder / "keys")
    assert run_slbroker("keys", "new", keys).wait() == 0
    worker = start_program(sys.executable, str(program), str(bus))  # it may be there first
    edge = start_slbroker("edge", "--listen", "udp:127.0.0.1:0", "--bus", str(bus), "--keys", keys)
    (port,) = re.findall(r"udp:127\.0\.0\.1:(\d+)", edge.wait_for("edge ready"))
    until(lambda: ask_figures(bus, within(5.0))[0]["workers"], what="the worker's HELLO")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.settimeout(within(5.0))
        phone.connect(("127.0.0.1", int(port)))
        for number in range(5):
            phone.send(request("MESSAGE", call_id=f"call-{number}", via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK1"))
            reply = read_reply(phone.recv(65_535))
            assert (reply.status, reply.reason, reply.one(b"Call-ID")) == (404, "Not Found", b"call-%d" % number)
            assert b";tag=" in reply.one(b"To")
    (figures,) = ask_figures(bus, within(5.0))
    assert (figures["received"], figures["replied"], figures["garbage"]) == (5, 5, 0)
    assert [(account["answered"], account["open"]) for account in figures["workers"]] == [(5, 0)]
    assert edge.stop() == 0
    assert worker.running
