"""Peers that are slow, or only many: when they are closed, how many there may be, and UDP goes on."""

from __future__ import annotations

import os
import re
import resource
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slbroker import descriptors
from slbroker.keys import create as create_keys
from slbroker.settings.connections import StreamSettings
from slbroker_edge.transports import streams
from tests.support.processes import run_slbroker
from tests.support.sip import read_reply, request
from tests.support.streams import OPTIONS, VIA, is_served, served
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Start
    from tests.support.processes import Process

# Time -----------------------------------------------------------------------------------------------------------


def test_an_idle_connection_is_closed() -> None:
    with served(StreamSettings(idle=30.0)) as rig:
        phone = rig.connect()
        rig.advance(29.0)
        assert phone.is_silent()
        rig.advance(2.0)
        assert phone.is_cut()
        assert (rig.open, rig.closed) == (0, {"idle": 1})


@pytest.mark.parametrize("data", [b"\r\n\r\n", b"\r\n", OPTIONS])
def test_a_connection_that_is_used_or_kept_alive_stays(data: bytes) -> None:
    with served(StreamSettings(idle=30.0)) as rig:
        phone = rig.connect()
        for _ in range(3):
            rig.advance(29.0)
            phone.say(data)
        assert is_served(phone)


def test_keepalives_of_rfc_5626_are_often_enough() -> None:
    """A client that follows 4.4.1 sends one every 120 s at the latest."""
    assert StreamSettings().idle >= 120 * 1.2


def test_slow_loris() -> None:
    """A message that comes byte by byte, each in good time, has to be there within the deadline all the same."""
    with served(StreamSettings(deadline=10.0)) as rig:
        phone = rig.connect()
        for byte in OPTIONS[:19]:
            phone.say(bytes((byte,)))
            rig.advance(0.5)
        assert phone.is_silent()
        phone.say(b"x")
        rig.advance(1.0)
        assert phone.is_cut()
        assert rig.closed == {"deadline": 1}
        assert rig.shown() == {}


def test_a_body_that_never_comes() -> None:
    """RFC 4475 3.1.2.2, on a stream: a Content-Length larger than the message is a message that goes on."""
    with served() as rig:
        phone = rig.connect()
        phone.say(request(via=VIA, content_length="9999"))
        rig.advance(9.0)
        assert phone.is_silent()
        rig.advance(2.0)
        assert phone.is_cut()
        assert rig.closed == {"deadline": 1}


def test_the_deadline_is_each_messages_own() -> None:
    with served(StreamSettings(deadline=10.0)) as rig:
        phone = rig.connect()
        for _ in range(4):
            phone.say(OPTIONS[:50])
            rig.advance(8.0)
            phone.say(OPTIONS[50:])
            assert read_reply(phone.hear()).status == 200


# Number ---------------------------------------------------------------------------------------------------------


def test_the_cap_on_connections(caplog: pytest.LogCaptureFixture) -> None:
    with served(StreamSettings(connections=3)) as rig:
        phones = [rig.connect() for _ in range(3)]
        refused = [rig.connect() for _ in range(5)]
        assert all(phone.is_cut() for phone in refused)
        assert all(is_served(phone) for phone in phones)
        assert rig.streams.figures() == {"open": 3, "accepted": 3, "refused": 5, "closed": {}}
        phones[0].hang_up()
        assert is_served(rig.connect())
        assert [r.getMessage() for r in caplog.records] == ["refusing connections: 3 are open (--tcp-connections)"]


def test_the_cap_per_source(caplog: pytest.LogCaptureFixture) -> None:
    with served(StreamSettings(per_source=2)) as rig:
        phones = [rig.connect() for _ in range(2)]
        assert rig.connect().is_cut()
        other = socket.socket()
        other.bind(("127.0.0.2", 0))
        assert is_served(rig.connect(other))
        phones[0].hang_up()
        assert is_served(rig.connect())
        assert rig.streams.figures()["refused"] == 1
        assert [r.getMessage() for r in caplog.records] == [
            "refusing connections from 127.0.0.1: it has 2 (--tcp-per-source; 0 is no limit)"
        ]


def test_no_cap_per_source() -> None:
    with served(StreamSettings(per_source=0, connections=50)) as rig:
        assert all(is_served(rig.connect()) for _ in range(40))


def test_an_ipv6_source_is_its_network() -> None:
    """Who has one address of a /64 has them all."""
    source_of = streams._source_of
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:1") != source_of("2001:db8:0:1::1")
    assert source_of("fe80::1%eth0") == source_of("fe80::2")
    assert source_of("192.0.2.1") != source_of("192.0.2.2")


def test_what_is_refused_is_said_now_and_then_only(caplog: pytest.LogCaptureFixture) -> None:
    with served(StreamSettings(connections=1)) as rig:
        rig.connect()
        for _ in range(3):
            assert rig.connect().is_cut()
        rig.advance(streams.SAY_AGAIN + 1)
        assert rig.connect().is_cut()
        assert len(caplog.records) == 2


# A live edge ----------------------------------------------------------------------------------------------------


class Crowd:
    """Many connections to one edge, and what they cost it."""

    def __init__(self, edge: Process) -> None:
        ready = edge.wait_for("edge ready")
        self.edge = edge
        self.udp = port_of("udp", ready)
        self.tcp = port_of("tcp", ready)
        self.socks: list[socket.socket] = []

    def grow(self, count: int) -> None:
        """Connect so many more; some hundreds at a time, as the edge accepts them."""
        self.socks += [socket.create_connection(("127.0.0.1", self.tcp), timeout=within(10)) for _ in range(count)]

    def memory(self) -> int:
        """The edge's resident memory in bytes."""
        status = Path(f"/proc/{self.edge.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def ask_udp(self) -> float:
        """Ask once over UDP; return the seconds until the answer."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(within(5))
            sock.connect(("127.0.0.1", self.udp))
            begun = time.monotonic()
            sock.send(request(via=f"SIP/2.0/UDP 127.0.0.1:{sock.getsockname()[1]};rport"))
            assert sock.recv(65_535).startswith(b"SIP/2.0 ")
            return time.monotonic() - begun

    def close(self) -> None:
        for sock in self.socks:
            sock.close()
        self.socks.clear()


def port_of(transport: str, ready: str) -> int:
    found = re.search(rf"{transport}:127\.0\.0\.1:(\d+)", ready)
    assert found, ready
    return int(found[1])


@pytest.fixture
def crowd(start_slbroker: Start, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Crowd]:
    """An edge for a crowd; its further options are the test's parameter. No handlers: it answers 503 by itself."""
    ring = tmp_path / "ring"
    create_keys(ring)
    edge = start_slbroker(
        *("edge", "--listen", "udp:127.0.0.1:0", "--listen", "tcp:127.0.0.1:0", "--keys", str(ring)),
        *("--bus", f"ipc://{tmp_path}/bus", "--tcp-per-source", "0", *getattr(request, "param", ())),
    )
    made = Crowd(edge)
    yield made
    made.close()


MANY = [
    2_000,
    pytest.param(
        10_000,
        marks=pytest.mark.skipif(
            os.environ.get("SLBROKER_TEST_CROWD") != "1", reason="10,000 connections: set SLBROKER_TEST_CROWD=1"
        ),
    ),
]


@pytest.mark.timeout(within(120))
@pytest.mark.parametrize("many", MANY)
def test_a_crowd_of_idle_connections(crowd: Crowd, many: int) -> None:
    """UDP is answered while they come, while they stay and while they go; each costs less than 1 KB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < many + 512:
        pytest.skip(f"only {hard} open files are allowed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        crowd.ask_udp()
        before, waits = crowd.memory(), []
        while len(crowd.socks) < many:
            crowd.grow(500)
            waits.append(crowd.ask_udp())
        assert any(probe(crowd.socks[at]) for at in (0, many // 2, many - 1))
        each = (crowd.memory() - before) / many
        assert each < 1_024, f"{each:.0f} bytes a connection"
        waits += [crowd.ask_udp() for _ in range(50)]
        crowd.close()
        waits += [crowd.ask_udp() for _ in range(50)]
        assert max(waits) < within(0.5), waits
        print(f"{many} idle connections: {each:.0f} bytes each, UDP answered within {max(waits) * 1000:.1f} ms")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def probe(sock: socket.socket) -> bool:
    """Ask on one of the connections."""
    sock.send(OPTIONS)
    return sock.recv(65_535).startswith(b"SIP/2.0 503")


@pytest.mark.parametrize("crowd", [("--tcp-connections", "20", "--tcp-deadline", "0.5")], indirect=True)
def test_a_live_edge_keeps_its_limits(crowd: Crowd, tmp_path: Path) -> None:
    crowd.grow(20)
    assert probe(crowd.socks[0])
    for sock in crowd.socks[1:]:
        sock.send(OPTIONS[:100])
    with socket.create_connection(("127.0.0.1", crowd.tcp), timeout=within(5)) as refused:
        with suppress(ConnectionResetError):
            assert refused.recv(1) == b""
        assert all(sock.recv(1) == b"" for sock in crowd.socks[1:])
    assert crowd.ask_udp() < within(0.5)
    shown = run_slbroker("stats", "--bus", f"ipc://{tmp_path}/bus")
    assert shown.wait() == 0
    words = [" ".join(line.split()) for line in shown.output.splitlines()]
    for line in ("connections open 1", "connections accepted 20", "connections refused 1", "closed: deadline 19"):
        assert line in words


def test_a_live_edge_with_few_descriptors(start_program: Start, tmp_path: Path) -> None:
    """It says so, keeps what it needs for itself, and refuses the rest."""
    ring = tmp_path / "ring"
    create_keys(ring)
    edge = start_program(
        *("/bin/sh", "-c", 'ulimit -n "$1"; shift; exec "$@"', "sh", str(descriptors.RESERVED + 13)),
        *(sys.executable, "-m", "slbroker", "edge", "--keys", str(ring), "--bus", f"ipc://{tmp_path}/bus"),
        *("--listen", "udp:127.0.0.1:0", "--listen", "tcp:127.0.0.1:0"),
    )
    said = edge.wait_for("open files")
    assert "269 open files are allowed, so there is room for 3 connections on the bus and for 10 of SIP, not" in said
    crowd = Crowd(edge)
    crowd.grow(12)
    assert probe(crowd.socks[9])
    for sock in crowd.socks[10:]:
        with suppress(ConnectionResetError):
            assert sock.recv(1) == b""
    assert crowd.ask_udp() < within(0.5)
    crowd.close()
    assert edge.stop() == 0
