"""Taking and sending datagrams in batches, by both twins, on real sockets."""

from __future__ import annotations

import gc
import select
import socket
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from tests.support.datagrams import udp
from tests.support.twins import OPTIONS, growth, load, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

Pair: TypeAlias = tuple[socket.socket, socket.socket]

pure = load("slbroker_edge.transports.datagrams", "pure")


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Two sockets of one family: one to send from, one to receive on."""
    with ExitStack() as stack:
        yield udp(stack, request.param, dual=True), udp(stack, request.param, dual=True)


def receive(twin: Any, sock: socket.socket, limit: int = 1_000) -> list[tuple[bytes, Any]]:
    """Wait for a first datagram; on loopback those sent before are there with it."""
    assert select.select([sock], [], [], 5)[0]
    batch: list[tuple[bytes, Any]] = twin.receive_batch(sock, limit)
    return batch


def test_receive(twin: Any, pair: Pair) -> None:
    sender, receiver = pair
    for data in (b"one", b"", b"thr\0ee"):
        sender.sendto(data, receiver.getsockname())
    peer = sender.getsockname()
    assert receive(twin, receiver) == [(b"one", peer), (b"", peer), (b"thr\0ee", peer)]
    assert twin.receive_batch(receiver, 1_000) == []


def test_receive_up_to_the_limit(twin: Any, pair: Pair) -> None:
    sender, receiver = pair
    for number in range(150):
        sender.sendto(b"%d" % number, receiver.getsockname())
    sizes = [len(receive(twin, receiver, limit)) for limit in (0, -1, 1, 64, 65)]
    assert sizes == [0, 0, 1, 64, 65]
    assert [data for data, _ in receive(twin, receiver)] == [b"%d" % number for number in range(130, 150)]


def test_receive_large_then_small(twin: Any, pair: Pair) -> None:
    sender, receiver = pair
    sent = [bytes([65 + number]) * size for number, size in enumerate((60_000, 65_507, 3, 0, 2))]
    for data in sent:
        sender.sendto(data, receiver.getsockname())
    assert [data for data, _ in receive(twin, receiver)] == sent


@pytest.mark.parametrize("to", ["127.0.0.1", "::"])
def test_receive_from_many_peers(twin: Any, to: str) -> None:
    """More of them than the compiled one remembers, all with one port, so that they push each other out."""
    with ExitStack() as stack:
        receiver, first = udp(stack, to, dual=True), udp(stack, "127.0.0.1", dual=True)
        there, port = ("127.0.0.1", receiver.getsockname()[1]), first.getsockname()[1]
        for number in range(600):
            host = f"127.0.{1 + number % 2}.{1 + number % 250}"
            with ExitStack() as short:
                sender = short.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                sender.bind((host, port))
                sender.sendto(b"x", there)
                sender.sendto(b"x", there)
                peer = (host, port) if to == "127.0.0.1" else (f"::ffff:{host}", port, 0, 0)
                assert receive(twin, receiver) == [(b"x", peer)] * 2


def test_a_peer_keeps_its_address_object(compiled: Any, pair: Pair) -> None:
    sender, receiver = pair
    assert compiled.send_batch(sender, [(b"x", receiver.getsockname())] * 2) == 2
    assert len({id(address) for _, address in receive(compiled, receiver)}) == 1


def test_receive_from_ipv4_on_an_ipv6_socket(twin: Any) -> None:
    with ExitStack() as stack:
        receiver, sender = udp(stack, "::", dual=True), udp(stack, "127.0.0.1", dual=True)
        sender.sendto(b"x", ("127.0.0.1", receiver.getsockname()[1]))
        peer = ("::ffff:127.0.0.1", sender.getsockname()[1], 0, 0)
        assert receive(twin, receiver) == [(b"x", peer)]
        assert twin.send_batch(receiver, [(b"y", peer)]) == 1
        assert [data for data, _ in receive(twin, sender)] == [b"y"]


def test_an_icmp_error_ends_a_batch(twin: Any, pair: Pair) -> None:
    sender, receiver = pair
    sender.connect(receiver.getsockname())
    receiver.close()
    sender.send(b"x")
    assert receive(twin, sender) == []
    assert twin.receive_batch(sender, 10) == []


def test_receive_inside_receive(twin: Any, pair: Pair) -> None:
    """The collector may run while a batch is made, and in it code that receives too: nothing is lost or mixed up."""
    sender, receiver = pair
    sent = [b"%d" % number * 50 for number in range(100)]
    for data in sent:
        sender.sendto(data, receiver.getsockname())
    nested: list[tuple[bytes, Any]] = []
    spare = [(number, number) for number in range(10_000)]  # leaves no used tuple for reuse, which would not count

    def collecting(phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            nested.extend(twin.receive_batch(receiver, 10))

    before = gc.get_threshold()
    gc.callbacks.append(collecting)
    gc.set_threshold(1)
    try:
        batch = receive(twin, receiver)
    finally:
        gc.callbacks.remove(collecting)
        gc.set_threshold(*before)
    assert len(spare) == 10_000
    assert sorted(data for data, _ in batch + nested) == sorted(sent)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 150])
def test_send(twin: Any, pair: Pair, count: int) -> None:
    sender, receiver = pair
    items = [(b"%d" % number, receiver.getsockname()) for number in range(count)]
    assert twin.send_batch(sender, items) == count
    assert twin.send_batch(sender, tuple(items[:1])) == len(items[:1])
    received = receive(twin, receiver) if count else []
    assert received == [(data, sender.getsockname()) for data, _ in items + items[:1]]


def test_send_large_and_empty(twin: Any, pair: Pair) -> None:
    sender, receiver = pair
    sent = [b"a" * 60_000, b"", b"b" * 65_507]
    assert twin.send_batch(sender, [(data, receiver.getsockname()) for data in sent]) == 3
    assert [data for data, _ in receive(twin, receiver)] == sent


@pytest.mark.parametrize("refused", [{0}, {1}, {5}, {0, 5}, {2, 3}, set(range(6)), {63}, {64}, {63, 64, 99}])
def test_send_goes_on_behind_a_refused_one(twin: Any, pair: Pair, refused: set[int]) -> None:
    sender, receiver = pair
    host, port, *rest = receiver.getsockname()
    count = 6 if max(refused) < 6 else 100
    items = [(b"%d" % n, (host, 0 if n in refused else port, *rest)) for n in range(count)]
    assert twin.send_batch(sender, items) == count - len(refused)
    expected = [data for n, (data, _) in enumerate(items) if n not in refused]
    assert [data for data, _ in (receive(twin, receiver) if expected else [])] == expected


def test_send_passes_over_what_no_socket_takes(twin: Any, pair: Pair) -> None:
    sender, receiver = pair
    there = receiver.getsockname()
    # broadcast is not allowed to this socket; and there is no such interface
    nowhere = ("255.255.255.255", 9) if len(there) == 2 else ("fe80::1", 9, 0, 0x7FFFFFFF)
    items = [(b"a" * 65_536, there), (b"b", nowhere), (b"c", there)]
    assert twin.send_batch(sender, items) == 1
    assert [data for data, _ in receive(twin, receiver)] == [b"c"]


@pytest.mark.skipif(sys.platform != "linux", reason="these are Linux's options, for which Python has no names")
def test_send_with_a_flow_label(twin: Any) -> None:
    flowinfo, flowinfo_send, label = 11, 33, 0x12345
    with ExitStack() as stack:
        sender, receiver = udp(stack, "::1", dual=True), udp(stack, "::1", dual=True)
        sender.setsockopt(socket.IPPROTO_IPV6, flowinfo_send, 1)
        receiver.setsockopt(socket.IPPROTO_IPV6, flowinfo, 1)
        assert twin.send_batch(sender, [(b"x", (*receiver.getsockname()[:2], label, 0))]) == 1
        assert receiver.recvmsg(9, 99)[1] == [(socket.IPPROTO_IPV6, flowinfo, label.to_bytes(4, "big"))]


ODD_PORTS = [True, 0, -1, 65_536, 2**70, "5060", 1.5, None]
ODD_HOSTS = ["", "localhost", "127.0.0.1\0", "127.0.0.1\0x", "::1\0", None, b"127.0.0.1", 1]
ODD_HOSTS += ["\ud800", "\N{FULLWIDTH DIGIT ONE}27.0.0.1"]
ODD_TAILS = [
    (-1, 0),
    (2**20, 0),
    (2**20 - 1, 0),
    (0, -1),
    (0, 2**32),
    (1, 0),
    (0, 1),
    ("", 0),
    (None, 0),
    (0,),
    (0, 0, 0),
]


def test_odd_items_are_sent_or_refused_alike(compiled: Any, pair: Pair) -> None:
    sender, receiver = pair
    host, port, *rest = receiver.getsockname()
    other = "::1" if host == "127.0.0.1" else "127.0.0.1"
    addresses: list[object] = [None, "", (), (host,), (host, port), (other, port), (other, port, *rest), [host, port]]
    addresses += [(host, odd, *rest) for odd in ODD_PORTS]
    addresses += [(odd, port, *rest) for odd in ODD_HOSTS]
    addresses += [(host, port, *odd) for odd in ODD_TAILS]
    items: list[object] = [(b"odd", address) for address in addresses]
    here = receiver.getsockname()
    items += [(bytearray(b"x"), here), (memoryview(b"x"), here), ("x", here), (None, here)]
    items += [[b"x", here], (b"x",), (b"x", here, 1), b"xy", None]
    for item in items:
        results = []
        for twin in (pure, compiled):
            result = outcome(twin.send_batch, sender, [(b"before", here), item, (b"behind", here)])
            results.append((result, receive(pure, receiver)))
        assert results[0] == results[1], item


def test_items_that_are_no_sequence(compiled: Any, pair: Pair) -> None:
    sender, receiver = pair
    for items in (None, 1, [(b"x", receiver.getsockname())].__iter__):
        assert outcome(compiled.send_batch, sender, items) == outcome(pure.send_batch, sender, items)
    assert compiled.send_batch(sender, ((b"%d" % n, receiver.getsockname()) for n in range(70))) == 70
    assert [data for data, _ in receive(compiled, receiver)] == [b"%d" % n for n in range(70)]


def test_a_closed_socket(twin: Any, pair: Pair) -> None:
    sender, receiver = pair
    here = receiver.getsockname()
    sender.close()
    assert twin.receive_batch(sender, 10) == []
    assert twin.send_batch(sender, [(b"x", here), (b"y", here)]) == 0


def test_batches_leak_nothing(twin: Any, pair: Pair) -> None:
    """The same over 200,000 datagrams, refused and odd ones among them."""
    sender, receiver = pair
    here = receiver.getsockname()
    data, odd = OPTIONS + b"!", bytearray(b"x")
    items = [(data, here)] * 61 + [(data, (here[0], 0, *here[2:])), (odd, here), (data, here)]

    def work() -> None:
        assert twin.send_batch(sender, items) == 63
        assert len(twin.receive_batch(receiver, 100)) == 63

    assert twin.send_batch(sender, items) == 63
    peer = twin.receive_batch(receiver, 100)[0][1]
    grown = growth(work, 1_600, data, odd, here, here[0], items, items[0], peer)
    assert max(grown) < 200, grown
