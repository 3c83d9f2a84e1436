"""Ports and hosts of clients, as a reply needs them."""

from __future__ import annotations

import pytest

from slbroker.proxy.returns import is_same_host, sent_by_port


@pytest.mark.parametrize(
    ("sent_by", "transport", "port"),
    [
        (b"pc", "tcp", 5060),
        (b"pc", "tls", 5061),
        (b"pc:5070", "tls", 5070),
        (b"[2001:db8::1]", "tcp", 5060),
        (b"[2001:db8::1]:5070", "tcp", 5070),
        (b"pc:", "tcp", 5060),
        (b"pc:0", "tcp", 5060),
        (b"pc:65536", "tcp", 5060),
        (b"pc:-1", "tls", 5061),
        (b"5070", "tcp", 5060),
        (b"2001:db8::1", "tcp", 5060),
        (b"2001:db8::5070", "tcp", 5060),
        (b"2001:db8::1:5070", "tcp", 5060),
        (b"pc", "ws", 80),
        (b"pc", "wss", 443),
    ],
)
def test_the_port_of_a_sent_by(sent_by: bytes, transport: str, port: int) -> None:
    assert sent_by_port(sent_by, transport) == port


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:DB8:0:0::1", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("gw.example.com", "192.0.2.1", False),
        ("gw.example.com", "gw.example.com", True),
    ],
)
def test_two_ways_to_write_a_host(one: str, other: str, same: bool) -> None:
    assert is_same_host(one, other) is same
