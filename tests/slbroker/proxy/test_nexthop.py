"""Next hops as people write them."""

from __future__ import annotations

import pytest

from slbroker.errors import ConfigError, Reject
from slbroker.proxy.nexthop import NextHop, next_hop_of, parse_next_hop
from slbroker.sip.uri import parse_uri


@pytest.mark.parametrize(
    ("text", "secure", "host", "port", "transport"),
    [
        ("sip:10.0.0.5", False, "10.0.0.5", None, ""),
        ("sip:10.0.0.5:5060", False, "10.0.0.5", 5060, ""),
        ("sip:10.0.0.5:5060;transport=tcp", False, "10.0.0.5", 5060, "tcp"),
        ("<sip:GW.Example.com;transport=UDP;lr>", False, "gw.example.com", None, "udp"),
        (" sips:gw.example.com ", True, "gw.example.com", None, ""),
        ("sips:gw.example.com;transport=tcp", True, "gw.example.com", None, "tls"),
        ("sips:gw.example.com;transport=ws", True, "gw.example.com", None, "wss"),
        ("sip:gw.example.com;transport=tls", False, "gw.example.com", None, "tls"),
        ("sip:[2001:DB8::5]:5070", False, "2001:db8::5", 5070, ""),
        ("sip:gw.example.com;maddr=10.0.0.9", False, "10.0.0.9", None, ""),
        ("sip:a@b;maddr=[2001:db8::9]", False, "2001:db8::9", None, ""),
    ],
)
def test_a_next_hop(text: str, secure: bool, host: str, port: int | None, transport: str) -> None:
    uri = text.strip(" <>").encode()
    assert parse_next_hop(text) == NextHop(uri, secure, host, port, transport)


@pytest.mark.parametrize(
    "text",
    [
        "", "10.0.0.5", "10.0.0.5:5060", "udp:10.0.0.5:5060", "sip:", "sip:a b", "sip:a:0", "sip:a:65536", "<sip:a",
        "sip:a;transport=sctp", "sips:a;transport=udp", "tel:+123", "sip:a\r\nb", "sip:a\udcff@b@c",
    ],
)  # fmt: skip
def test_what_is_no_next_hop_is_told_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match="next hop") as caught:
        parse_next_hop(text)
    assert "\n" not in str(caught.value)


def test_a_request_uri_that_leads_nowhere_is_416() -> None:
    for uri in (b"tel:+49301", b"urn:service:sos", b"sip:a;transport=sctp"):
        with pytest.raises(Reject) as caught:
            next_hop_of(parse_uri(uri))
        assert caught.value.status == 416
