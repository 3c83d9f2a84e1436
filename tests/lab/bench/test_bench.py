"""Does the benchmark count right? Short runs against the Python echo and against a peer that misbehaves."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.lab.bench import bench
from tests.lab.bench.measure import Load, Plan, ToolError, Tools, compile_tools, free_port, run_load, wait_answering
from tests.lab.bench.processes import Program, Server
from tests.lab.bench.rounds import Row
from tests.lab.bench.rows import Lineup
from tests.lab.bench.subjects import Subject, python_echo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHORT = Plan(seconds=0.5, warmup=0, window=16)


@pytest.fixture
def echo_port(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    with Server(python_echo().programs(tmp_path, port), tmp_path) as server:
        wait_answering(server, port)
        yield port


def adds_up(load: Load) -> bool:
    return load.sent == load.ok + load.lost + load.in_flight and sum(load.codes.values()) == load.ok


# ---- sipload ----


@pytest.mark.parametrize(("method", "code"), [("OPTIONS", "200"), ("INVITE", "404")])
def test_closed_loop_against_the_python_echo(tools: Tools, echo_port: int, method: str, code: str) -> None:
    load = run_load(tools.sipload, echo_port, method, SHORT)
    assert adds_up(load)
    assert list(load.codes) == [code]
    assert load.acks == (load.ok if method == "INVITE" else 0)
    assert 0 < load.p50_us <= load.p99_us <= load.p999_us
    assert 0 < load.cpu_s <= load.seconds
    assert load.in_flight == SHORT.window
    assert (load.stray, load.duplicates, load.late, load.provisional, load.refused) == (0, 0, 0, 0, 0)


def test_open_loop_keeps_its_pace(tools: Tools, echo_port: int) -> None:
    load = run_load(tools.sipload, echo_port, "OPTIONS", Plan(seconds=0.5, window=64, rate=400))
    assert adds_up(load)
    # The clock decides how many are due; whatever kept the generator from running, they are sent, and waited for.
    assert (load.sent, load.ok, load.in_flight) == (200, 200, 0)
    assert load.p999_us < 1_000_000


class Sleeper(threading.Thread):
    """A peer that answers at once, but before the 50th request sleeps for `pause` seconds; 0: it drops one in ten."""

    def __init__(self, pause: float) -> None:
        super().__init__()
        self.pause = pause
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]

    def run(self) -> None:
        number = 0
        while (data := self.socket.recv(65535)) != b"end":
            number += 1
            if number == 50:
                time.sleep(self.pause)
            if self.pause or number % 10:
                rest = data[data.index(b"\r\n") :]
                port = int(data.partition(b"SIP/2.0/UDP 127.0.0.1:")[2].partition(b";")[0])
                self.socket.sendto(b"SIP/2.0 200 OK" + rest, ("127.0.0.1", port))

    def loaded(self, tools: Tools, plan: Plan) -> Load:
        self.start()
        try:
            return run_load(tools.sipload, self.port, "OPTIONS", plan)
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.sendto(b"end", ("127.0.0.1", self.port))
            self.join(10)
            self.socket.close()


@pytest.mark.parametrize("window", [4, 1024])
def test_a_pause_of_the_server_is_charged_for_all_that_come_meanwhile(tools: Tools, window: int) -> None:
    """Coordinated omission: a generator that waits with the server finds one slow request in 200, not 80."""
    load = Sleeper(0.4).loaded(tools, Plan(seconds=1, window=window, rate=200))
    assert load.sent + load.behind == pytest.approx(200, abs=2)
    assert load.lost == 0
    assert load.p50_us < load.p99_us
    # Those that came in the first half of the pause are a fifth of all: all of these waited for 0.2 s or more.
    assert load.p99_us > 350_000
    assert (load.sent_late_p99_us > 300_000) == (window == 4)


def test_what_is_lost_is_among_the_slowest(tools: Tools) -> None:
    load = Sleeper(0).loaded(tools, Plan(seconds=0.5, window=64, rate=200))
    assert adds_up(load)
    assert (load.sent, load.lost, load.in_flight) == (100, 10, 0)
    assert load.p50_us < 1_000_000 <= load.p99_us


def test_several_sockets_share_the_window(tools: Tools, echo_port: int) -> None:
    load = run_load(tools.sipload, echo_port, "INVITE", SHORT, "--sockets", "3")
    assert adds_up(load)
    assert load.acks == load.ok > 0


def test_nobody_listens(tools: Tools) -> None:
    load = run_load(tools.sipload, free_port(), "OPTIONS", SHORT)
    assert adds_up(load)
    assert (load.ok, load.p50_us, load.in_flight) == (0, 0, SHORT.window)
    assert load.refused > 0


class Nuisance(threading.Thread):
    """A peer that holds one request until its slot has given it up, answers one twice, and talks nonsense."""

    def __init__(self) -> None:
        super().__init__()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.acks: list[bytes] = []
        self.tags: set[bytes] = set()

    def run(self) -> None:
        held, number = b"", -1
        while True:
            data, source = self.socket.recvfrom(65535)
            if data == b"end":
                break
            if data.startswith(b"ACK "):
                self.acks.append(data)
                continue
            number += 1
            replies = [self.reply(data, b"404 Not Found", number)]
            if number == 0:
                held, replies = data, []
            elif held and self.slot(data) == self.slot(held):
                replies += [self.reply(held, b"404 Not Found", number)]
                held = b""
            elif number == 20:
                replies += [replies[0], b"nonsense", self.reply(data, b"999 No", 0)]
            elif number == 21:
                replies.insert(0, self.reply(data, b"180 Ringing", number))
            for reply in replies:
                self.socket.sendto(reply, source)

    def reply(self, request: bytes, status: bytes, number: int) -> bytes:
        to = request.partition(b"\r\nTo:")[2].partition(b"\r\n")[0]
        tag = b";tag=%d" % number
        self.tags.add(tag)
        rest = request[request.index(b"\r\n") :]
        return b"SIP/2.0 " + status + rest.replace(b"\r\nTo:" + to, b"\r\nTo:" + to + tag)

    @staticmethod
    def slot(request: bytes) -> bytes:
        return request.partition(b"branch=z9hG4bK-")[2][:14]


def test_lost_late_duplicate_and_stray_are_told_apart(tools: Tools) -> None:
    peer = Nuisance()
    peer.start()
    try:
        load = run_load(tools.sipload, peer.port, "INVITE", Plan(seconds=1.6, window=4))
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"end", ("127.0.0.1", peer.port))
        peer.join(10)
        peer.socket.close()
    assert adds_up(load)
    assert (load.lost, load.late, load.duplicates, load.stray, load.provisional) == (1, 1, 1, 2, 1)
    check_acks(peer, load)


def check_acks(peer: Nuisance, load: Load) -> None:
    assert len(peer.acks) == load.acks == load.ok
    branches = Counter(ack.partition(b"branch=")[2].partition(b"\r\n")[0] for ack in peer.acks)
    assert max(branches.values()) == 1
    for ack in peer.acks[:50]:
        to = ack.partition(b"\r\nTo:")[2].partition(b"\r\n")[0]
        assert to[to.index(b";tag=") :] in peer.tags
        assert ack.endswith(b"\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("wrong", [["--window=0"], ["--method=BYE"], ["--host=localhost"], ["--nonsense"]])
def test_wrong_options_are_refused(tools: Tools, wrong: list[str]) -> None:
    with pytest.raises(ToolError, match=r"usage|numeric"):
        run_load(tools.sipload, 9, "OPTIONS", SHORT, *wrong)


def test_no_compiler_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="no C compiler"):
        compile_tools(tmp_path)


# ---- the whole ----


def test_the_command_prints_and_writes_a_table(tools: Tools, tmp_path: Path) -> None:
    file = tmp_path / "figures.md"
    options = "--rounds 2 --seconds 0.2 --warmup 0 --window 8 --method OPTIONS --subject echo --markdown"
    result = CliRunner().invoke(bench.main, [*options.split(), str(file)])
    assert result.exit_code == 0
    assert "0 s left] round 2, OPTIONS, 8 in flight, Python echo" in result.stderr
    assert "2 rounds of 0.2 s" in result.stdout
    written = file.read_text(encoding="utf-8")
    assert "| C echo |" in written
    assert "CPU / C echo" in written


def test_a_subject_that_fails_is_in_the_report_and_in_the_exit_code(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Subject("broken", lambda _folder, _port: [Program("edge", [sys.executable, "-c", "1/0"])])
    monkeypatch.setattr(bench, "look_round", lambda *_: Lineup(tools.echo, notes=["a note"]))
    monkeypatch.setattr(bench, "short_rows", lambda _, cases, __: [Row(broken, cases)])
    result = CliRunner().invoke(bench.main, ["--rounds", "1", "--method", "OPTIONS"])
    assert result.exit_code == 1
    assert "- a note" in result.stdout
    assert "measured again, round 1, OPTIONS, 128 in flight, broken: edge ended with code 1" in result.stdout
    assert "FAILED in round 1, OPTIONS, 128 in flight, broken: edge ended with code 1: ZeroDivis" in result.stdout
