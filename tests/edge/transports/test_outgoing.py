"""By which of our sockets a request leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from slbroker.listen import parse_listen_address
from slbroker.proxy.groups import read_groups
from slbroker.proxy.locate import Place
from slbroker_edge.destinations import Candidate
from slbroker_edge.transports.outgoing import Outgoing, can_reach, on_link
from slbroker_edge.transports.pool import Pool
from slbroker_edge.transports.udp import UdpListener

if TYPE_CHECKING:
    from slbroker.sip.reading import Address


def no_streams() -> None:
    raise AssertionError


@pytest.mark.parametrize("listen", ["udp:127.0.0.2:0", "udp:*:0"])
def test_the_socket_of_a_list_is_the_one_by_which_its_requests_leave(listen: str) -> None:
    other = UdpListener.open(parse_listen_address("udp:127.0.0.1:0"), share_port=False)
    wanted = UdpListener.open(parse_listen_address(listen), share_port=False)
    port = int(wanted.name.rpartition(":")[2])
    pool = Pool(no_streams, no_streams, lambda candidate, now, why: None)  # type: ignore[arg-type]
    outgoing = Outgoing([other, wanted], lambda name: None, pool)
    place = Place("udp", "127.0.0.1", 5060, "127.0.0.1")
    way = outgoing.way_to(Candidate(place, f"udp:127.0.0.2:{port}"), other, 0.0)
    assert way is not None
    assert way.hop.listen == f"udp:127.0.0.2:{port}"
    assert outgoing.way_to(Candidate(place, "udp:127.0.0.3:5060"), other, 0.0) is None
    near = outgoing.way_to(Candidate(place), other, 0.0)
    assert near is not None
    assert near.listener is other
    for listener in (other, wanted):
        listener.close()


def test_a_socket_may_be_written_without_its_port() -> None:
    (member,) = read_groups("1 sip:10.0.0.1 0 0 socket=udp:10.0.0.7")[1]
    assert member.socket == "udp:10.0.0.7:5060"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("fe80::1", 5060, 0, 0), ("fe80::1", 5060, 0, 3)),
        (("febf:ffff::1", 5060, 0, 0), ("febf:ffff::1", 5060, 0, 3)),
        (("fe80::1", 5060, 0, 2), ("fe80::1", 5060, 0, 2)),  # it says its own
        (("2001:db8::1", 5060, 0, 0), ("2001:db8::1", 5060, 0, 0)),
        (("fec0::1", 5060, 0, 0), ("fec0::1", 5060, 0, 0)),
        (("169.254.1.1", 5060), ("169.254.1.1", 5060)),  # IPv4 knows no links
    ],
)
def test_a_link_local_peer_is_on_the_link_of_the_socket_that_it_is_sent_to_by(
    address: Address, expected: Address
) -> None:
    assert on_link(address, 3) == expected


@pytest.mark.parametrize(
    ("name", "host", "reaches"),
    [
        ("udp:[fe80::7]:5060", "fe80::1", True),
        ("udp:[2001:db8::7]:5060", "fe80::1", False),  # nothing says by which link
        ("udp:[2001:db8::7]:5060", "fe80::1%eth0", True),
        ("udp:[::]:5060", "fe80::1", False),
        ("udp:[fe80::7]:5060", "2001:db8::1", True),  # who has no other socket is on the link, too
        ("udp:[fe80::7]:5060", "192.0.2.1", False),
        ("udp:10.0.0.7:5060", "169.254.1.1", True),
    ],
)
def test_a_link_local_peer_without_its_link_is_reached_by_sockets_on_one(name: str, host: str, reaches: bool) -> None:
    assert can_reach(name, host) is reaches
