"""The rig itself: its cables do what they are told, and nothing of it outlives a test run."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.network import namespaces
from tests.lab.network.wire import Way
from tests.support.processes import Process
from tests.support.timing import until, within

if TYPE_CHECKING:
    import socket

    from tests.lab.network.hosts import Host, Network

PORT = 9

# What a test run does that is killed then: it has a host and a program on it.
DOOMED = """
import sys, time
from tests.lab.network.hosts import Network
program = Network().host("doomed").program("sleep", "600")
print(program.pid, flush=True)
time.sleep(600)
"""


def listener(host: Host) -> socket.socket:
    sock = host.udp_socket()
    sock.bind((host.address, PORT))
    sock.settimeout(within(1.0))
    return sock


def test_a_frame_takes_the_delay_of_both_cables(network: Network) -> None:
    one, other = network.host("one"), network.host("other")
    one.cable.worsen(delay=0.05)
    other.cable.worsen(delay=0.1)
    with one.udp_socket() as sender, listener(other) as receiver:
        sent = time.monotonic()
        sender.sendto(b"x", (other.address, PORT))
        assert receiver.recv(10) == b"x"
        assert 0.15 <= time.monotonic() - sent < 0.15 + within(0.1)


def test_a_slow_cable_does_not_delay_others(network: Network) -> None:
    """What one host's frames wait for is not waited for by frames to the same host from elsewhere."""
    slow, fast, other = network.host("slow"), network.host("fast"), network.host("other")
    slow.cable.worsen(delay=0.5)
    with slow.udp_socket() as late, fast.udp_socket() as soon, listener(other) as receiver:
        late.sendto(b"late", (other.address, PORT))
        soon.sendto(b"soon", (other.address, PORT))
        assert [receiver.recv(10), receiver.recv(10)] == [b"soon", b"late"]


def test_nothing_passes_a_cut_cable(network: Network) -> None:
    one, other = network.host("one"), network.host("other")
    with one.udp_socket() as sender, listener(other) as receiver:
        other.cable.cut()
        sender.sendto(b"lost", (other.address, PORT))
        until(lambda: other.cable.down.lost == 1, what="a lost frame")
        other.cable.mend()
        sender.sendto(b"kept", (other.address, PORT))
        assert receiver.recv(10) == b"kept"


def test_a_host_that_comes_back_has_its_address_and_no_past(network: Network) -> None:
    one, other = network.host("one"), network.host("other")
    program = other.program("sleep", "600")
    other.crash()
    assert not program.running
    other.boot()
    with one.udp_socket() as sender, listener(other) as receiver:
        sender.sendto(b"x", (other.address, PORT))
        assert receiver.recv(10) == b"x"


def test_the_hosts_of_a_killed_run_are_removed_by_the_next() -> None:
    namespaces.require_namespaces()
    with Process(sys.executable, "-c", DOOMED) as doomed:
        until(lambda: doomed.output.endswith("\n"), what="a host with a program on it")
        left = f"slbroker-{doomed.pid}-"
        assert not any(name.startswith(left) for name in namespaces.remove_leftovers())  # its owner lives
        program = Path("/proc") / doomed.output.strip()
        assert program.exists()
        doomed.kill()
    namespaces.remove_leftovers()
    until(lambda: not program.exists(), what="the end of what ran there")
    assert not list(namespaces.FOLDER.glob(f"{left}*"))


def test_a_way_keeps_the_order_of_what_it_delays() -> None:
    way = Way(delay=0.05, jitter=0.02)
    dice = random.Random(1)
    arrivals = [way.arrival(sent / 1000, dice) or 0.0 for sent in range(1000)]
    assert arrivals == sorted(arrivals)
    waits = [arrival - sent / 1000 for sent, arrival in enumerate(arrivals)]
    assert min(waits) >= 0.03
    assert max(waits) <= 0.07


@pytest.mark.parametrize("loss", [0.02, 0.5])
def test_a_way_loses_its_share(loss: float) -> None:
    way = Way(loss=loss)
    dice = random.Random(1)
    lost = sum(way.arrival(0.0, dice) is None for _ in range(10_000))
    assert lost == way.lost == 10_000 - way.carried
    assert lost / 10_000 == pytest.approx(loss, rel=0.2)
