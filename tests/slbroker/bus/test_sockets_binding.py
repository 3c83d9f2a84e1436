"""Binding the bus: for this user alone, one edge for each path, and errors that say what to do."""

from __future__ import annotations

import os
import re
import socket
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zmq

from slbroker.bus.address import BusAddress, parse_bus_address
from slbroker.errors import BindError, ConfigError
from tests.slbroker.bus.net import Net, bound, receive
from tests.support.timing import until, within

if TYPE_CHECKING:
    from tests.conftest import Start


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
from slbroker.bus import socketfile, sockets
from slbroker.bus.address import parse_bus_address
from slbroker.errors import BindError

is_free = socketfile._is_free
def look_slowly(path):
    found = is_free(path)
    time.sleep(0.05)  # what a scheduler may do between the look and the leap
    return found
socketfile._is_free = look_slowly
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
