"""The UDP listener on real sockets of the loopback."""

from __future__ import annotations

import select
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import BindError
from slbroker.listen import ListenAddress
from slbroker_edge.transports.udp import BATCH, UdpListener
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker.sip.reading import Address

HOSTS = ("127.0.0.1", "::1")


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def open_listener(host: str = "127.0.0.1", port: int = 0, *, share_port: bool = False) -> UdpListener:
    return UdpListener.open(ListenAddress("udp", host, port), share_port=share_port)


def port_of(listener: UdpListener) -> int:
    return int(listener.name.rpartition(":")[2])


def take(listener: UdpListener, count: int) -> list[tuple[bytes, Address]]:
    """Receive until `count` datagrams have come."""
    taken: list[tuple[bytes, Address]] = []

    def came() -> bool:
        select.select([listener], [], [], within(0.1))
        taken.extend(listener.receive())
        return len(taken) >= count

    until(came, what=f"{count} datagrams")
    return taken


@pytest.fixture
def listener() -> Iterator[UdpListener]:
    opened = open_listener()
    yield opened
    opened.close()


@pytest.fixture(params=HOSTS)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[UdpListener, socket.socket]]:
    """A listener, and a peer of the same family."""
    host: str = request.param
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as peer:
        opened = open_listener(host)
        peer.bind((host, 0))
        peer.connect((host, port_of(opened)))
        peer.settimeout(within(5.0))
        yield opened, peer
        opened.close()


def test_a_datagram_and_its_reply(pair: tuple[UdpListener, socket.socket]) -> None:
    listener, peer = pair
    peer.send(b"ping")
    ((data, address),) = take(listener, 1)
    assert (data, address) == (b"ping", peer.getsockname())
    assert listener.send([(b"pong", address), (b"pong again", address)]) == 2
    assert [peer.recv(100), peer.recv(100)] == [b"pong", b"pong again"]  # a connected socket: from where it sent to


def test_its_name_has_the_port_that_it_got(pair: tuple[UdpListener, socket.socket]) -> None:
    listener, peer = pair
    host, port = peer.getpeername()[:2]
    assert listener.name == (f"udp:[{host}]:{port}" if ":" in host else f"udp:{host}:{port}")


def test_nothing_waits_for_nothing(listener: UdpListener) -> None:
    assert listener.receive() == []


def test_a_batch_at_a_time() -> None:
    with ExitStack() as stack:
        listener = open_listener()
        stack.callback(listener.close)
        peer = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        for number in range(BATCH + 10):
            peer.sendto(b"%d" % number, ("127.0.0.1", port_of(listener)))
        first = listener.receive()
        assert len(first) == BATCH
        rest = take(listener, 10)
        assert [data for data, _address in first + rest] == [b"%d" % number for number in range(BATCH + 10)]


def test_what_the_kernel_refuses_is_not_counted(listener: UdpListener) -> None:
    here = ("127.0.0.1", port_of(listener))
    assert listener.send([(b"x" * 65_536, here), (b"fits", here)]) == 1
    assert [data for data, _address in take(listener, 1)] == [b"fits"]


def test_an_icmp_error_from_a_peer_that_has_gone_does_no_harm(listener: UdpListener) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        gone = peer.getsockname()
    for _ in range(3):
        assert listener.send([(b"nobody hears this", gone)]) == 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.sendto(b"alive", ("127.0.0.1", port_of(listener)))
        assert [data for data, _address in take(listener, 1)] == [b"alive"]


def test_a_taken_port_is_said_to_be(listener: UdpListener) -> None:
    with pytest.raises(BindError, match=rf"^cannot listen on {listener.name}: .*something else listening"):
        open_listener(port=port_of(listener))


def test_processes_share_a_port() -> None:
    with ExitStack() as stack:
        first = open_listener(share_port=True)
        stack.callback(first.close)
        second = open_listener(port=port_of(first), share_port=True)
        stack.callback(second.close)
        assert first.name == second.name
        with pytest.raises(BindError):
            open_listener(port=port_of(first))


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("192.0.2.1", "is it an address of this machine"),
        ("2001:db8::1", ""),
        ("a..b", "no host can have that name"),
        ("fe80::1%nosuchlink", ""),
    ],
)
def test_an_address_that_cannot_be_had(host: str, why: str) -> None:
    with pytest.raises(BindError, match=rf"^cannot listen on udp:[^\n]*{why}[^\n]*$"):
        open_listener(host)


def test_ipv6_leaves_ipv4_alone() -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with ExitStack() as stack:
        six = open_listener("::")
        stack.callback(six.close)
        four = open_listener("0.0.0.0", port_of(six))
        stack.callback(four.close)
