"""Buses by name, with real processes, in a private network with a private /etc/hosts and name server."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from typing import TYPE_CHECKING, Final

import pytest

from slbroker import keys
from tests.support.peers import require_peer
from tests.support.processes import Process
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# In a network of its own any port is free.
BUS: Final = 5590
SIP: Final = 5060

# Asks the edge, one request after the other; says how many were answered.
CALLER: Final = """
import socket, sys
from contextlib import suppress
from tests.support import sip

answered = 0
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.connect(("127.0.0.1", int(sys.argv[1])))
    sock.settimeout(2.0)
    for number in range(int(sys.argv[2])):
        sock.send(sip.request(call_id=str(number), via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK%d" % number))
        with suppress(TimeoutError):
            answered += sock.recv(4096).startswith(b"SIP/2.0 200")
print("answered", answered, file=sys.stderr)
"""

# A name server that takes questions and answers none.
MUTE: Final = """
import socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.77", 53))
print("mute", file=sys.stderr)
time.sleep(600)
"""


class Island:
    """A network, a hosts file and a resolver's configuration that only the processes started here see."""

    def __init__(self, folder: Path) -> None:
        for program in ("unshare", "nsenter", "ip"):
            require_peer(program)
        if os.geteuid():
            pytest.skip("takes root, to make a network of its own")
        self.folder = folder
        self._hosts, self._resolver = folder / "hosts", folder / "resolv.conf"
        self._hosts.write_text("127.0.0.1 localhost\n")
        self._resolver.write_text("nameserver 127.0.0.77\noptions timeout:20 attempts:2\n")
        keys.create(folder / "ring")
        self._started: list[Process] = []
        set_up = (
            f"ip link set lo up; mount --bind {self._hosts} /etc/hosts; mount --bind {self._resolver} /etc/resolv.conf"
        )
        self._keeper = Process("unshare", "--net", "--mount", "sh", "-c", f"{set_up}; echo there >&2; exec sleep 600")
        self._keeper.wait_for("there")

    def names(self, *lines: str) -> None:
        self._hosts.write_text("".join(f"{line}\n" for line in ("127.0.0.1 localhost", *lines)))

    def start(self, *command: str) -> Process:
        enter = ("nsenter", "--target", str(self._keeper.pid), "--net", "--mount", "--")
        self._started.append(Process(*enter, *command))
        return self._started[-1]

    def slbroker(self, *words: str) -> Process:
        return self.start(sys.executable, "-m", "slbroker", *words, "--keys", str(self.folder / "ring"))

    def edge(self, *words: str) -> Process:
        edge = self.slbroker("edge", "--listen", f"udp:127.0.0.1:{SIP}", "--insecure-bus", *words)
        edge.wait_for("edge ready")
        return edge

    def handler(self, *words: str) -> Process:
        return self.slbroker("handler", "--insecure-bus", *words)

    def answered(self, count: int) -> int:
        caller = self.start(sys.executable, "-c", CALLER, str(SIP), str(count))
        return int(caller.wait_for("answered", 30.0).split()[-1])

    def close(self) -> None:
        for process in (*self._started, self._keeper):
            process.stop()


@pytest.fixture
def island(tmp_path: Path) -> Iterator[Island]:
    made = Island(tmp_path)
    yield made
    made.close()


def test_a_handler_reaches_an_edge_by_a_name_whose_first_address_is_ipv6(island: Island) -> None:
    island.names("::1 edge1", "127.0.0.9 edge1", "127.0.0.1 edge1")
    island.edge("--bus", f"tcp://127.0.0.1:{BUS}")
    island.handler("--bus", f"tcp://edge1:{BUS}").wait_for("handler ready")
    assert island.answered(5) == 5


def test_an_edge_binds_to_the_name_of_its_own_host(island: Island) -> None:
    island.names("127.0.0.1 edge1", "127.0.0.2 edge1")
    island.edge("--bus", f"tcp://edge1:{BUS}")
    for host in ("127.0.0.1", "127.0.0.2"):
        island.handler("--bus", f"tcp://{host}:{BUS}").wait_for("handler ready")


def test_an_edge_that_moves_is_found_under_its_name(island: Island) -> None:
    island.names("127.0.0.1 edge1")
    edge = island.edge("--bus", f"tcp://127.0.0.1:{BUS}")
    handler = island.handler("--bus", f"tcp://edge1:{BUS}")
    handler.wait_for("handler ready")
    edge.stop()
    island.names("127.0.0.2 edge1")
    island.edge("--bus", f"tcp://127.0.0.2:{BUS}")
    until(lambda: island.answered(5) == 5, 20.0, what="answers at the edge's new address")


def test_a_name_that_never_resolves_costs_the_other_links_nothing(island: Island) -> None:
    island.start(sys.executable, "-c", MUTE).wait_for("mute")
    ipc = f"ipc://{island.folder}/bus"
    edge = island.edge("--bus", ipc, "--broker", "tcp://broker.example.com:5591")
    handler = island.handler("--bus", ipc, "--bus", f"tcp://lost.example.com:{BUS}")
    handler.wait_for("handler ready")
    assert island.answered(500) == 500
    for process in (handler, edge):
        begun = time.monotonic()
        process.send(signal.SIGTERM)
        assert process.wait(8.0) == 0
        assert time.monotonic() - begun < within(4.0)


def test_an_unknown_host_and_a_closed_port_are_said_as_such(island: Island) -> None:
    island.names("127.0.0.1 edge1")
    refused = island.handler("--bus", f"tcp://edge1:{BUS}")
    lost = island.handler("--bus", f"tcp://lost.example.com:{BUS}")  # nobody is at the name server's address
    line = lost.wait_for("no edge is reached at tcp://lost.example.com:5590: ")
    assert re.search("unknown host|no name server answers", line)
    refused.wait_for("no edge is reached at tcp://edge1:5590: connection refused", 10.0)
    stats = island.start(sys.executable, "-m", "slbroker", "stats", "--bus", f"tcp://edge1:{BUS}")
    assert stats.wait(10.0) == 6
    assert re.search(r"no edge answers at tcp://edge1:5590: connection refused", stats.log)


def test_a_handler_that_waits_never_keeps_an_edge_from_its_port(island: Island) -> None:
    """With few ports for all clients, whoever calls one of them is soon connected to itself.

    A port that has looked whether somebody is there is not given out again for a minute, so a few are left to connect.
    """
    island.start("sh", "-c", "echo 40000 40007 > /proc/sys/net/ipv4/ip_local_port_range; echo set >&2").wait_for("set")
    handler = island.handler("--bus", "tcp://127.0.0.1:40000")
    handler.wait_for("Linux gives port 40000 to clients")
    time.sleep(within(1.0))  # in which libzmq would have tried ten times
    island.edge("--bus", "tcp://127.0.0.1:40000")
    handler.wait_for("handler ready")


def test_a_socket_file_that_a_cleaner_removes_is_made_again(island: Island) -> None:
    ipc = island.folder / "bus"
    edge = island.edge("--bus", f"ipc://{ipc}")
    first = island.handler("--bus", f"ipc://{ipc}")
    first.wait_for("handler ready")
    for times in (1, 2):
        ipc.unlink()
        until(lambda times=times: edge.log.count("it is there again") == times, what="the edge's word")  # type: ignore[misc]
        assert ipc.is_socket()
        assert ipc.stat().st_mode & 0o777 == 0o600
    island.handler("--bus", f"ipc://{ipc}").wait_for("handler ready")
    assert first.log.count("handler ready") == 1
    assert island.answered(20) == 20
