"""Signs of life of real processes: to a socket as systemd's, to a file as a container's probe looks at, to a parent."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from slbroker import keys
from slbroker.errors import Exit
from slbroker.herald import Outside
from tests.support.processes import run_slbroker
from tests.support.sip import request
from tests.support.timing import TIME, until, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.processes import Process

HANGING = """
import time
from slbroker import Handlers
app = Handlers()
@app.on("MESSAGE")
def hang(request):
    while True:
        time.sleep(0.1)
"""
MENDED = HANGING.partition("@app.on")[0]
WATCHDOG = 2.0 * TIME  # seconds


class Systemd:
    """What systemd is to a service: NOTIFY_SOCKET, and what was said there."""

    def __init__(self, address: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(address.replace("@", "\0", 1))
        self.environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(int(WATCHDOG * 1e6))}
        self.said: list[str] = []

    def wait_for(self, words: str, times: int = 1) -> None:
        self.sock.settimeout(within(15.0))
        while self.said.count(words) < times:
            self.said.append(self.sock.recv(4096).decode())

    def silence(self, seconds: float) -> bool:
        """Whether nobody has said anything for so long, after what was already said."""
        self.sock.settimeout(0.0)
        try:
            while True:
                self.said.append(self.sock.recv(4096).decode())
        except BlockingIOError:
            pass
        self.sock.settimeout(seconds)
        try:
            self.said.append(self.sock.recv(4096).decode())
        except TimeoutError:
            return True
        return False


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    address = f"{tmp_path}/notify" if request.param == "path" else f"@slbroker-test-{os.getpid()}-{time.monotonic_ns()}"
    systemd = Systemd(address)
    yield systemd
    systemd.sock.close()


@pytest.fixture
def common(tmp_path: Path) -> dict[str, str]:
    keys.create(tmp_path / "ring")
    return {"SLBROKER_KEYS": str(tmp_path / "ring"), "SLBROKER_BUS": f"ipc://{tmp_path}/bus"}


def start_edge(start: Start, common: dict[str, str], env: dict[str, str], *words: str) -> tuple[Process, int]:
    edge = start("edge", "--listen", "udp:127.0.0.1:0", *words, env=common | env)
    return edge, int(edge.wait_for("edge ready").rpartition("udp:127.0.0.1:")[2].partition(",")[0])


def hang(port: int) -> None:
    """Have a worker take what it never ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.connect(("127.0.0.1", port))
        phone.send(request("MESSAGE", call_id=f"{time.monotonic_ns()}"))


def test_systemd_hears_that_an_edge_serves_lives_and_stops(
    start_slbroker: Start, systemd: Systemd, common: dict[str, str]
) -> None:
    edge, _port = start_edge(start_slbroker, common, systemd.environment)
    systemd.wait_for("WATCHDOG=1", times=3)
    assert systemd.said[0] == "READY=1"
    assert "STOPPING=1" not in systemd.said
    edge.send(signal.SIGTERM)
    systemd.wait_for("STOPPING=1")
    assert edge.wait() == Exit.OK
    assert systemd.said.count("READY=1") == 1


def test_systemd_hears_nothing_of_a_handler_that_hangs(
    start_slbroker: Start, systemd: Systemd, common: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "hanging.py").write_text(HANGING)
    _edge, port = start_edge(start_slbroker, common, {})
    words = ("handler", "--plugin", str(tmp_path / "hanging.py"))
    handler = start_slbroker(*words, env=common | systemd.environment)
    handler.wait_for("handler ready")
    systemd.wait_for("WATCHDOG=1", times=2)
    hang(port)
    until(lambda: systemd.silence(WATCHDOG), what="a watchdog that would bite", seconds=20)
    assert handler.running


def test_of_several_handlers_the_one_that_hangs_is_replaced_and_the_parent_lives(
    start_slbroker: Start, systemd: Systemd, common: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "hanging.py").write_text(HANGING)
    _edge, port = start_edge(start_slbroker, common, {})
    words = ("handler", "--plugin", str(tmp_path / "hanging.py"), "--workers", "2")
    parent = start_slbroker(*words, env=common | systemd.environment)
    systemd.wait_for("READY=1")
    parent.wait_for("handler ready", times=2)
    hang(port)
    line = parent.wait_for("has hung for", 30.0)
    assert "is killed" in line
    assert parent.wait_for("starting it again").count("by signal 9") == 1
    parent.wait_for("handler ready", times=3)
    assert not systemd.silence(WATCHDOG)
    assert systemd.said.count("READY=1") == 1
    parent.send(signal.SIGTERM)
    systemd.wait_for("STOPPING=1")


def test_without_systemd_and_file_nobody_is_told_and_a_handler_that_hangs_stays(
    start_slbroker: Start, common: dict[str, str], tmp_path: Path
) -> None:
    """As ever: who wants hung ones replaced says so."""
    (tmp_path / "hanging.py").write_text(HANGING)
    _edge, port = start_edge(start_slbroker, common, {"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "100000"})
    words = ("handler", "--plugin", str(tmp_path / "hanging.py"), "--workers", "2")
    parent = start_slbroker(*words, env=common | {"WATCHDOG_USEC": "100000"})
    parent.wait_for("handler ready", times=2)
    hang(port)
    time.sleep(1.0)
    assert "hung" not in parent.log


def test_a_probe_is_told_whether_a_handler_works_on(
    start_slbroker: Start, common: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "hanging.py").write_text(HANGING)
    file = tmp_path / "alive"
    _edge, port = start_edge(start_slbroker, common, {})
    env = common | {"SLBROKER_ALIVE_FILE": str(file), "SLBROKER_PLUGIN": str(tmp_path / "hanging.py")}
    before = run_slbroker("alive", env=env)
    assert (before.wait(), before.log) == (
        Exit.NO_ANSWER,
        f"slbroker: nobody touches {file}: not started yet, or ended\n",
    )
    handler = start_slbroker("handler", env=env)
    handler.wait_for("handler ready")
    until(file.exists, what="the file")
    assert file.stat().st_mode & 0o777 == 0o600
    assert run_slbroker("alive", env=env).wait() == Exit.OK
    first = file.stat().st_mtime_ns
    until(lambda: file.stat().st_mtime_ns > first, what="another sign of life", seconds=15)
    hang(port)
    time.sleep(1.0)
    os.utime(file, (time.time() - 31.0,) * 2)  # what half a minute does, when nobody touches it
    hung = run_slbroker("alive", env=env)
    assert hung.wait() == Exit.NO_ANSWER
    assert "slbroker: silent for 3" in hung.log
    handler.kill()
    (tmp_path / "hanging.py").write_text(MENDED)  # or it hangs in the same request, which now comes to it
    handler = start_slbroker("handler", env=env)
    handler.wait_for("handler ready")
    until(lambda: run_slbroker("alive", env=env).wait() == Exit.OK, what="a life after")
    assert handler.stop() == Exit.OK
    assert not file.exists(), "who has ended in order is not missed"


def test_alive_without_a_file_says_which_option_names_it() -> None:
    asked = run_slbroker("alive")
    assert asked.wait() == Exit.USAGE
    assert asked.log.startswith("slbroker: which file? name the one that")


def test_a_run_touches_its_file_too(start_slbroker: Start, tmp_path: Path) -> None:
    """Or the image's health check would find it dead."""
    file = tmp_path / "alive"
    run = start_slbroker("run", "--listen", "udp:127.0.0.1:0", "--workers", "1", "--alive-file", str(file))
    until(file.exists, what="the file, when edge and worker have begun", seconds=20)
    run.wait_for("handler ready")
    assert run.stop() == Exit.OK
    assert not file.exists()


def test_a_broker_touches_its_file_too(start_slbroker: Start, tmp_path: Path) -> None:
    file = tmp_path / "alive"
    words = ("--edges", f"ipc://{tmp_path}/edges", "--handlers", f"ipc://{tmp_path}/handlers")
    broker = start_slbroker("broker", *words, "--alive-file", str(file))
    broker.wait_for("broker ready")
    until(file.exists, what="the file")
    assert broker.stop() == Exit.OK


def test_a_file_that_cannot_be_touched_is_told_of_once_each_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Else a container is ended again and again, and nothing says why."""
    file = tmp_path / "run" / "alive"
    outside = Outside({}, file)
    for at in range(6):
        outside.beat()
        if at == 2:
            file.parent.mkdir()
        if at == 3:
            file.unlink()
            file.parent.rmdir()
    assert (
        caplog.messages
        == [f"--alive-file {file}: No such file or directory; whoever looks at it takes us for dead"] * 2
    )
