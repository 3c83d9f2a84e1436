"""By which of our sockets a request leaves."""

from __future__ import annotations

import pytest

from slbroker.listen import parse_listen_address
from slbroker.proxy.groups import read_groups
from slbroker.proxy.locate import Place
from slbroker_edge.destinations import Candidate
from slbroker_edge.transports.outgoing import Outgoing
from slbroker_edge.transports.pool import Pool
from slbroker_edge.transports.udp import UdpListener


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
