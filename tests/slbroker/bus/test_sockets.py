"""Both ends of the bus: messages, and the limits of what may wait."""

from __future__ import annotations

from contextlib import suppress

import pytest
import zmq

from slbroker.bus import sockets
from slbroker.bus.address import BusAddress
from slbroker.errors import ConfigError
from tests.slbroker.bus.net import Net, bound, receive
from tests.support.timing import within


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
