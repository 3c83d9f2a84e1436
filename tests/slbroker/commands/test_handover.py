"""How a proxy is told to hand requests over: the URI by which it reaches each listen address."""

from __future__ import annotations

import re

import pytest

from slbroker.commands.handover import handing_over, target
from slbroker.listen import advertise, parse_listen_address

TARGETS = {
    "udp:10.0.0.6:5060": "sip:10.0.0.6:5060",
    "udp:10.0.0.6": "sip:10.0.0.6:5060",
    "tcp:10.0.0.6:5070": "sip:10.0.0.6:5070;transport=tcp",
    "tls:edge.example.com": "sip:edge.example.com:5061;transport=tls",
    "udp:[2001:db8::6]:5060": "sip:[2001:db8::6]:5060",
    "udp:10.0.0.6:5060 advertise 203.0.113.5": "sip:203.0.113.5:5060",
    "tcp:10.0.0.6:5060 advertise 203.0.113.5:5080": "sip:203.0.113.5:5080;transport=tcp",
    "udp:10.0.0.6:5060 advertise [2001:db8::7]:5080": "sip:[2001:db8::7]:5080",
    "udp:10.0.0.6:5060 advertise [2001:db8::7]": "sip:[2001:db8::7]:5060",
    "udp:127.0.0.1:0": "",
}


@pytest.mark.parametrize("text", TARGETS)
def test_the_uri_of_a_listen_address(text: str) -> None:
    assert target(parse_listen_address(text)) == TARGETS[text]


def test_all_addresses_are_reached_by_one_of_this_machines() -> None:
    assert re.fullmatch(r"sip:[0-9.]+:5060", target(parse_listen_address("udp:*:5060")))
    assert re.fullmatch(r"sip:\[[0-9a-f:]+\]:5060", target(parse_listen_address("udp:[::]:5060")))
    assert "0.0.0.0" not in target(parse_listen_address("udp:*:5060"))


def test_one_address_is_used_and_the_others_are_named() -> None:
    listen = tuple(map(parse_listen_address, ("wss:10.0.0.6:443", "tcp:10.0.0.6:5060", "udp:10.0.0.6:5060")))
    lines = list(handing_over(advertise(listen, ("203.0.113.5",))))
    assert [line for line in lines if "$du" in line] == ['    $du = "sip:203.0.113.5:5060;transport=tcp";'] * 2
    assert lines.count("    # or sip:203.0.113.5:5060") == 2
    assert "proto_tcp" in " ".join(lines)
    assert lines[-1] == "1 sip:203.0.113.5:5060;transport=tcp 0 0"


def test_who_has_websockets_alone_is_handed_nothing() -> None:
    assert list(handing_over([parse_listen_address("wss:10.0.0.6:443")])) == []
