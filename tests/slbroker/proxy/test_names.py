"""Which hosts and ports are ours."""

from __future__ import annotations

import pytest

from slbroker.errors import ConfigError
from slbroker.listen import parse_listen_address
from slbroker.proxy.names import OurNames, port_of, transport_of
from slbroker.sip.uri import parse_uri

US = OurNames(
    [
        parse_listen_address("udp:192.0.2.7:5060"),
        parse_listen_address("tls:[2001:db8::7]:5061"),
        parse_listen_address("udp:10.0.0.1:5070 advertise 203.0.113.5:5080"),
        parse_listen_address("tls:10.0.0.1:5071 advertise edge.example.net"),
    ],
    ["example.com", "sbc.example.com:5090", "[2001:DB8::99]"],
)


@pytest.mark.parametrize(
    ("uri", "ours"),
    [
        (b"sip:192.0.2.7", True),
        (b"sip:bob@192.0.2.7:5060;transport=tcp", True),
        (b"sip:192.0.2.7:5061", False),
        (b"sip:[2001:DB8:0:0::7]:5061", True),
        (b"sips:[2001:db8::7]", True),
        (b"sip:[2001:db8::7]", False),
        (b"sip:[2001:db8::7];transport=tls", True),
        (b"sip:10.0.0.1:5070", True),
        (b"sip:203.0.113.5:5080", True),
        (b"sip:203.0.113.5", False),
        (b"sips:Edge.Example.Net:5071", True),
        (b"sips:Edge.Example.Net", False),
        (b"sip:EXAMPLE.com:9", True),
        (b"sip:example.com.", True),
        (b"sip:sbc.example.com:5090", True),
        (b"sip:sbc.example.com", False),
        (b"sip:a.example.com", False),
        (b"sip:[2001:db8::99]:1", True),
        (b"tel:+123", False),
    ],
)
def test_a_uri_of_ours(uri: bytes, ours: bool) -> None:
    read = parse_uri(uri)
    assert (read.scheme in ("sip", "sips") and US(read.host, port_of(read))) is ours


@pytest.mark.parametrize("alias", ["", ":5060", "a:", "a:0", "a:65536", "a:b", "::1", "a:-1", "a:99999999999"])
def test_an_alias_that_is_none_is_told(alias: str) -> None:
    with pytest.raises(ConfigError, match="write a host or host:port"):
        OurNames([], [alias])


@pytest.mark.parametrize(
    ("uri", "transport", "port"),
    [
        (b"sip:a", "", 5060),
        (b"sips:a", "", 5061),
        (b"sip:a;transport=TLS", "tls", 5061),
        (b"sips:a;transport=tcp", "tls", 5061),
        (b"sips:a;transport=ws", "wss", 443),
        (b"sip:a;transport=ws", "ws", 80),
        (b"sip:a:7;transport=tcp", "tcp", 7),
    ],
)
def test_transport_and_port_of_a_uri(uri: bytes, transport: str, port: int) -> None:
    assert (transport_of(parse_uri(uri)), port_of(parse_uri(uri))) == (transport, port)
