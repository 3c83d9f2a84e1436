"""Which address of ours a datagram asked, and replies that leave from it; by both twins, on real sockets."""

from __future__ import annotations

import select
import socket
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from slbroker_edge.transports.udp import host_of
from tests.support.datagrams import udp as any_udp
from tests.support.twins import OPTIONS, growth, load, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

GONE = "198.51.100.77"  # TEST-NET-2: of no machine

pure = load("slbroker_edge.transports.datagrams", "pure")
udp = partial(any_udp, asked=True)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def receive(twin: Any, sock: socket.socket, limit: int = 1_000) -> list[tuple[bytes, list[tuple[bytes, Any]]]]:
    assert select.select([sock], [], [], 5)[0]
    found: list[tuple[bytes, list[tuple[bytes, Any]]]] = twin.receive_asked(sock, limit)
    return found


def test_datagrams_are_sorted_by_the_address_that_they_asked(twin: Any, stack: ExitStack) -> None:
    receiver, sender = udp(stack, "0.0.0.0"), udp(stack, "127.0.0.1")
    port, peer = receiver.getsockname()[1], sender.getsockname()
    hosts = [f"127.0.0.{1 + number % 3}" for number in range(150)]
    for number, host in enumerate(hosts):
        sender.sendto(b"%d" % number, (host, port))
    found = receive(twin, receiver)
    assert [host_of(asked) for asked, _ in found] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    for asked, datagrams in found:
        assert datagrams == [(b"%d" % n, peer) for n, host in enumerate(hosts) if host == host_of(asked)]
    assert twin.receive_asked(receiver, 1_000) == []


@pytest.mark.parametrize("limit", [0, -1, 1, 64, 65])
def test_no_more_than_the_limit(twin: Any, stack: ExitStack, limit: int) -> None:
    receiver, sender = udp(stack, "0.0.0.0"), udp(stack, "127.0.0.1")
    for number in range(70):
        sender.sendto(b"x", (f"127.0.0.{1 + number % 2}", receiver.getsockname()[1]))
    assert sum(len(datagrams) for _, datagrams in receive(twin, receiver, limit)) == max(limit, 0)
    assert sum(len(datagrams) for _, datagrams in receive(twin, receiver)) == 70 - max(limit, 0)


def test_both_twins_name_an_address_alike(compiled: Any, stack: ExitStack) -> None:
    for host, there in (("0.0.0.0", "127.0.0.2"), ("::", "::1"), ("127.0.0.1", "127.0.0.1")):
        receiver, sender = udp(stack, host), udp(stack, there)
        for _ in range(2):
            sender.sendto(b"x", (there, receiver.getsockname()[1]))
        assert receive(compiled, receiver, 1) == receive(pure, receiver, 1)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 150])
def test_replies_leave_from_the_address_that_was_asked(twin: Any, stack: ExitStack, count: int) -> None:
    receiver = udp(stack, "0.0.0.0")
    port = receiver.getsockname()[1]
    for host in ("127.0.0.1", "127.0.0.2", "127.9.8.7"):
        client = udp(stack, "127.0.0.1")
        client.connect((host, port))  # takes what comes from there, and nothing else
        client.send(b"x")
        ((asked, [(_, address)]),) = receive(twin, receiver)
        assert twin.send_asked(receiver, [(b"%d" % number, address) for number in range(count)], asked) == count
        assert [client.recv(9) for _ in range(count)] == [b"%d" % number for number in range(count)]


def test_replies_on_ipv6_leave_from_the_address_that_was_asked(twin: Any, stack: ExitStack) -> None:
    receiver, client = udp(stack, "::"), udp(stack, "::1")
    client.connect(("::1", receiver.getsockname()[1]))
    client.send(b"x")
    ((asked, [(_, address)]),) = receive(twin, receiver)
    assert host_of(asked) == "::1"
    assert twin.send_asked(receiver, [(b"y", address)], asked) == 1
    assert client.recv(9) == b"y"


def test_ipv4_on_a_socket_of_both_families(twin: Any, stack: ExitStack) -> None:
    receiver, client = udp(stack, "::", dual=True), udp(stack, "127.0.0.1")
    for host in ("127.0.0.1", "127.0.0.2"):
        client.connect((host, receiver.getsockname()[1]))
        client.send(b"x")
        ((asked, [(_, address)]),) = receive(twin, receiver)
        assert (host_of(asked), address[0]) == (host, "::ffff:127.0.0.1")
        assert twin.send_asked(receiver, [(b"y", address)], asked) == 1
        assert client.recv(9) == b"y"


def test_multicast_is_answered_from_an_address_of_ours(twin: Any, stack: ExitStack) -> None:
    receiver, sender = udp(stack, "0.0.0.0"), udp(stack, "127.0.0.1")
    group, here = socket.inet_aton("224.0.1.75"), socket.inet_aton("127.0.0.1")  # RFC 3261 10.2.6: sip.mcast.net
    try:
        receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + here)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, here)
        sender.sendto(b"x", ("224.0.1.75", receiver.getsockname()[1]))
    except OSError as error:
        pytest.skip(f"no multicast on this loopback: {error}")
    if not select.select([receiver], [], [], 1)[0]:
        pytest.skip("no multicast on this loopback")
    ((asked, [(_, address)]),) = receive(twin, receiver)
    assert host_of(asked) == "127.0.0.1"
    assert twin.send_asked(receiver, [(b"y", address)], asked) == 1
    assert sender.recvfrom(9) == (b"y", ("127.0.0.1", receiver.getsockname()[1]))


def test_without_the_option_no_address_is_known(twin: Any, stack: ExitStack) -> None:
    sender = udp(stack, "127.0.0.1")
    receiver = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    receiver.bind(("127.0.0.1", 0))
    receiver.setblocking(False)
    sender.sendto(b"x", receiver.getsockname())
    assert receive(twin, receiver) == [(b"", [(b"x", sender.getsockname())])]
    assert twin.send_asked(receiver, [(b"y", sender.getsockname())], b"") == 1
    assert sender.recv(9) == b"y"


def test_after_sorted_ones_come_plain_ones(twin: Any, stack: ExitStack) -> None:
    """The two share buffers, and one of them asks for control messages."""
    receiver, sender = udp(stack, "0.0.0.0"), udp(stack, "127.0.0.1")
    there = ("127.0.0.2", receiver.getsockname()[1])
    for _ in range(3):
        sender.sendto(b"x", there)
        assert [host_of(asked) for asked, _ in receive(twin, receiver)] == ["127.0.0.2"]
        sender.sendto(b"y", there)
        assert select.select([receiver], [], [], 5)[0]
        assert twin.receive_batch(receiver, 9) == [(b"y", sender.getsockname())]


def test_an_address_that_has_gone_is_a_refusal(twin: Any, stack: ExitStack) -> None:
    receiver, peer = udp(stack, "0.0.0.0"), udp(stack, "127.0.0.1")
    gone = pure._PKTINFO.pack(0, socket.inet_aton(GONE), b"")
    items = [(b"x", peer.getsockname())] * 3
    assert twin.send_asked(receiver, items, gone) == 0
    assert not select.select([peer], [], [], 0)[0]


def test_odd_items_and_odd_addresses_are_the_same_to_both_twins(compiled: Any, stack: ExitStack) -> None:
    receiver, peer = udp(stack, "0.0.0.0"), udp(stack, "127.0.0.1")
    here = peer.getsockname()
    asked = pure._PKTINFO.pack(0, socket.inet_aton("127.0.0.2"), b"")
    items: list[Any] = [
        [(b"x", here), (bytearray(b"y"), here)], [(b"x", here), ("x", here)], [(b"x", ("localhost", here[1]))],
        [(b"x", None)], [b"xy"], [None], None, [], [(b"x", (here[0], 0)), (b"y", here)], [(b"a" * 65_536, here)],
    ]  # fmt: skip
    for given in items:
        for address in (asked, b"", b"x", b"x" * 11, b"x" * 21, pure._PKTINFO6.pack(bytes(15) + b"\1", 0)):
            assert outcome(compiled.send_asked, receiver, given, address) == outcome(
                pure.send_asked, receiver, given, address
            ), (given, address)


def test_a_closed_socket(twin: Any, stack: ExitStack) -> None:
    receiver, peer = udp(stack, "0.0.0.0"), udp(stack, "127.0.0.1")
    receiver.close()
    asked = pure._PKTINFO.pack(0, socket.inet_aton("127.0.0.2"), b"")
    assert twin.receive_asked(receiver, 10) == []
    assert twin.send_asked(receiver, [(b"x", peer.getsockname())], asked) == 0


def test_sorting_leaks_nothing(twin: Any, stack: ExitStack) -> None:
    receiver, sender = udp(stack, "0.0.0.0"), udp(stack, "127.0.0.1")
    port = receiver.getsockname()[1]
    items = [(OPTIONS, (f"127.0.0.{1 + number % 3}", port)) for number in range(60)]

    def work() -> None:
        assert twin.send_batch(sender, items) == 60
        for asked, datagrams in twin.receive_asked(receiver, 100):
            assert twin.send_asked(receiver, datagrams, asked) == 20
        assert len(twin.receive_batch(sender, 100)) == 60

    work()
    grown = growth(work, 800, OPTIONS, items[0])
    assert max(grown) < 200, grown
