"""ICMP errors say which peer is gone, and cost no other peer a datagram: over real sockets, many rounds."""

from __future__ import annotations

import select
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from slbroker_edge.transports import datagrams
from slbroker_edge.transports.binding import tell_asked
from slbroker_edge.transports.errorqueue import tell_errors, unreachable
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker.sip.reading import Address

ROUNDS = 300


class Site:
    """A socket that sends, two peers that listen, and one that is gone."""

    def __init__(self, stack: ExitStack, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sender, self.one, self.other, gone = (
            stack.enter_context(socket.socket(family, socket.SOCK_DGRAM)) for _ in range(4)
        )
        for each in (self.sender, self.one, self.other, gone):
            each.setblocking(False)
            each.bind((host, 0))
        self.gone: Address = gone.getsockname()
        gone.close()
        tell_errors(self.sender)
        self.errors: list[Address] = []

    def read(self) -> list[Address]:
        self.errors += unreachable(self.sender)
        return self.errors


@pytest.fixture(params=["127.0.0.1", "::1"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(stack, request.param)


def count(sock: socket.socket) -> int:
    found = 0
    while select.select([sock], [], [], 0)[0]:
        sock.recv(9)
        found += 1
    return found


def test_the_error_of_one_peer_costs_no_other_a_datagram(twin: Any, site: Site) -> None:
    there, other = site.one.getsockname(), site.other.getsockname()
    lost = 0
    for number in range(ROUNDS):
        batch = [(b"%d" % number, site.gone), (b"%d" % number, there)] * (1 + number % 3)
        for part in ([*batch, (b"x", other)], [(b"y", other)]):
            lost += len(part) - twin.send_batch(site.sender, part)
        if number % 5 == 0:
            site.read()
        received = (count(site.one), count(site.other))
        assert received == (1 + number % 3, 2), number
    assert lost == 0
    until(site.read, what="an error")
    assert {address[:2] for address in site.errors} == {site.gone[:2]}


def test_nor_from_an_address_that_was_asked(twin: Any) -> None:
    with ExitStack() as stack:
        sender, there = (stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
        tell_asked(sender)
        tell_errors(sender)
        sender.bind(("0.0.0.0", 0))
        there.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.bind(("127.0.0.1", 0))
            nobody = gone.getsockname()
        asked = datagrams._PKTINFO.pack(0, socket.inet_aton("127.0.0.1"), b"")
        for _ in range(ROUNDS):
            sent = twin.send_asked(sender, [(b"x", nobody), (b"y", there.getsockname())] * 3, asked)
            assert (sent, count(there)) == (6, 3)
        until(lambda: unreachable(sender), what="an error")


def test_nor_one_that_is_received(twin: Any, site: Site) -> None:
    for _ in range(ROUNDS):
        twin.send_batch(site.sender, [(b"x", site.gone)])
        site.one.sendto(b"reply", site.sender.getsockname())
        received: list[Any] = []
        for _ in range(5):  # an error ends a batch; what waits is there the next time
            received += twin.receive_batch(site.sender, 64)
        assert [data for data, _ in received] == [b"reply"]
        site.read()


def test_when_all_errors_are_read_the_socket_is_quiet(site: Site) -> None:
    with select.epoll() as poll:
        poll.register(site.sender, select.EPOLLIN)
        datagrams.send_batch(site.sender, [(b"x", site.gone)] * 20)
        assert poll.poll(within(5))
        assert [address[:2] for address in site.read()] == [site.gone[:2]] * len(site.errors)
        datagrams.receive_batch(site.sender, 64)
        assert poll.poll(0) == []
    assert unreachable(site.sender) == []


def test_a_datagram_too_long_says_nothing_of_its_peer(site: Site) -> None:
    there = site.one.getsockname()
    assert datagrams.send_batch(site.sender, [(bytes(65_600), there), (b"x", there)]) == 1
    assert unreachable(site.sender) == []
    assert site.one.recv(9) == b"x"
