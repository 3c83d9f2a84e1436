"""Room among the open files: how the limit is raised, what is said when that is not enough, and real processes."""

from __future__ import annotations

import resource
import socket
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
import zmq

from slbroker.bus import envelope
from slbroker.bus.address import BusAddress
from slbroker.bus.envelope import Kind
from slbroker.bus.sockets import connect_dealer
from slbroker.descriptors import RESERVED, Room, make_room
from slbroker.keys import create as create_keys
from tests.support.bus import hello, kind_of
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.processes import Process

UNLIMITED = resource.RLIM_INFINITY
CROWD = 300  # workers
LIMITS = 'ulimit -Sn "$2" && ulimit -Hn "$1" && shift 2 && exec "$@"'


@pytest.mark.parametrize(
    ("limits", "wanted", "becomes", "room"),
    [
        ((1_024, 100_000), Room(4_096, 16_384), 4_096 + 16_384 + RESERVED, Room(4_096, 16_384)),
        ((1_024, UNLIMITED), Room(4_096, 0), 4_096 + RESERVED, Room(4_096, 0)),
        ((UNLIMITED, UNLIMITED), Room(4_096, 5_000), None, Room(4_096, 5_000)),
        ((50_000, 50_000), Room(4_096, 5_000), None, Room(4_096, 5_000)),
        ((1_024, 20_000), Room(4_096, 16_384), 20_000, Room(20_000 - RESERVED - 16_384, 16_384)),
    ],
)
def test_what_is_needed_is_had_and_nothing_said(
    limits: tuple[int, int], wanted: Room, becomes: int | None, room: Room,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    assert tried(limits, wanted, monkeypatch) == (room, [becomes] if becomes else [])
    assert not caplog.records


@pytest.mark.parametrize(
    ("hard", "wanted", "room", "said"),
    [
        (4_096, Room(4_096, 16_384), Room(960, 2_880), "room for 960 connections on the bus and for 2880 of SIP, not"),
        (4_096, Room(4_096, 100), Room(3_740, 100), ""),
        (1_024, Room(4_096, 100), Room(668, 100), "room for 668 connections on the bus; libzmq may end the process"),
        (1_024, Room(4_096, 0), Room(768, 0), "1024 open files are allowed, so there is room for 768 connections on"),
        (64, Room(4_096, 100), Room(1, 1), "raise the limit (ulimit -Hn, LimitNOFILE=)"),
    ],
)
def test_what_is_there_is_shared_and_one_line_says_it(
    hard: int, wanted: Room, room: Room, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert tried((64, hard), wanted, monkeypatch) == (room, [hard] if hard > 64 else [])
    assert len(caplog.records) == (said != "")
    assert said in caplog.text


def tried(limits: tuple[int, int], wanted: Room, monkeypatch: pytest.MonkeyPatch) -> tuple[Room, list[int]]:
    """What there is room for, and what the limit was set to."""
    raised: list[int] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _which, pair: raised.append(pair[0]))
    return make_room(*wanted), raised


# Processes ------------------------------------------------------------------------------------------------------


def limited(start: Start, hard: int, soft: int, *words: str) -> Process:
    """Start slbroker under these limits of open files."""
    return start("/bin/sh", "-c", LIMITS, "sh", str(hard), str(soft), sys.executable, "-m", "slbroker", *words)


@contextmanager
def crowd(path: Path) -> Iterator[None]:
    """Connect so many workers, none of which has said a word yet."""
    with ExitStack() as stack:
        for _ in range(CROWD):
            stack.enter_context(sock := socket.socket(socket.AF_UNIX))
            sock.connect(str(path))  # waits while the backlog is full
        yield


def assert_one_more_is_welcome(path: Path) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    worker = connect_dealer(context, BusAddress(str(path), "", 0))
    worker.set(zmq.SNDTIMEO, int(within(10.0) * 1000))
    worker.send_multipart(envelope.encode(Kind.HELLO, hello("w1")))
    assert worker.poll(int(within(10.0) * 1000))
    assert kind_of(worker.recv_multipart()) is Kind.WELCOME
    worker.close(0)
    context.term()


@pytest.fixture
def edge_words(tmp_path: Path) -> list[str]:
    """The command of an edge whose bus is the file `bus`."""
    create_keys(tmp_path / "ring")
    words = ["--keys", str(tmp_path / "ring"), "--bus", f"ipc://{tmp_path}/bus"]
    return ["edge", *words, "--listen", "udp:127.0.0.1:0"]


def test_an_edge_makes_room_for_its_workers(start_program: Start, tmp_path: Path, edge_words: list[str]) -> None:
    """With 128 libzmq would end it."""
    edge = limited(start_program, 4_096, 128, *edge_words)
    edge.wait_for("edge ready")
    with crowd(tmp_path / "bus"):
        assert_one_more_is_welcome(tmp_path / "bus")
        assert edge.running
    assert edge.stop() == 0
    assert "open files" not in edge.log


def test_a_broker_makes_room_for_its_workers_and_edges(start_program: Start, tmp_path: Path) -> None:
    addresses = ("--edges", f"ipc://{tmp_path}/edges", "--handlers", f"ipc://{tmp_path}/handlers")
    broker = limited(start_program, 4_096, 128, "broker", *addresses)
    broker.wait_for("broker ready")
    with crowd(tmp_path / "handlers"), crowd(tmp_path / "edges"):
        assert_one_more_is_welcome(tmp_path / "handlers")
        assert broker.running
    assert broker.stop() == 0
    assert "open files" not in broker.log


def test_an_edge_that_has_few_says_so(start_program: Start, edge_words: list[str]) -> None:
    edge = limited(start_program, 640, 64, *edge_words)
    line = edge.wait_for("640 open files are allowed")
    assert "room for 96 connections on the bus and for 288 of SIP, not for 1024; libzmq may end" in line
    edge.wait_for("edge ready")
    assert edge.stop() == 0
