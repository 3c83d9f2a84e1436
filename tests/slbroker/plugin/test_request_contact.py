"""`request.contact`: where peers find us, for every transport; never an address that nobody can reach."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker import Request
from slbroker.sip.address import parse_address
from slbroker.sip.message import Source
from slbroker.sip.parser import parse
from tests.support.sip import request

ADVERTISED = "udp:10.0.0.1:5060 advertise 203.0.113.5:5070"


def came_to(listen: str, uri: str = "sip:bob@example.com") -> Request:
    return Request(parse(request("INVITE", uri)), Source("192.0.2.1", 5060, listen))


@pytest.mark.parametrize(
    ("listen", "contact"),
    [
        ("udp:192.0.2.7:5060", "<sip:bob@192.0.2.7:5060>"),
        ("tcp:192.0.2.7:5080", "<sip:bob@192.0.2.7:5080;transport=tcp>"),
        ("tls:192.0.2.7:5061", "<sip:bob@192.0.2.7:5061;transport=tls>"),
        ("ws:192.0.2.7:80", "<sip:bob@192.0.2.7:80;transport=ws>"),
        ("wss:192.0.2.7:443", "<sip:bob@192.0.2.7:443;transport=ws>"),
        ("udp:[2001:db8::7]:5060", "<sip:bob@[2001:db8::7]:5060>"),
        ("tcp:[fe80::1%eth0]:5060", "<sip:bob@[fe80::1]:5060;transport=tcp>"),
        (ADVERTISED, "<sip:bob@203.0.113.5:5070>"),
        ("tls:0.0.0.0:5061 advertise sip.example.com:5061", "<sip:bob@sip.example.com:5061;transport=tls>"),
        ("ws:[::]:80 advertise [2001:db8::5]:80", "<sip:bob@[2001:db8::5]:80;transport=ws>"),
    ],
)
def test_it_leads_to_where_the_request_came_in(listen: str, contact: str) -> None:
    assert came_to(listen).contact() == contact


@pytest.mark.parametrize(
    ("listen", "uri", "sips", "contact"),
    [
        ("tls:192.0.2.7:5061", "sips:bob@h", None, "<sips:bob@192.0.2.7:5061>"),
        ("wss:192.0.2.7:443", "sips:bob@h", None, "<sips:bob@192.0.2.7:443;transport=ws>"),
        ("udp:192.0.2.7:5060", "sips:bob@h", None, "<sip:bob@192.0.2.7:5060>"),  # nobody speaks TLS there
        ("tls:192.0.2.7:5061", "sips:bob@h", False, "<sip:bob@192.0.2.7:5061;transport=tls>"),
        ("tls:192.0.2.7:5061", "sip:bob@h", True, "<sips:bob@192.0.2.7:5061>"),
        ("tcp:10.0.0.1:5060 advertise sip.example.com:5061", "sip:bob@h", True,
         "<sips:bob@sip.example.com:5061;transport=tcp>"),
    ],
)  # fmt: skip
def test_sips(listen: str, uri: str, sips: bool | None, contact: str) -> None:
    assert came_to(listen, uri).contact(sips=sips) == contact


@pytest.mark.parametrize("listen", ["udp:0.0.0.0:5060", "tcp:[::]:5060", "udp::0"])
def test_an_address_that_nobody_reaches_is_in_no_contact(listen: str) -> None:
    with pytest.raises(ValueError, match="--advertise"):
        came_to(listen).contact()


def test_what_was_asked_is_named_without_what_is_advertised() -> None:
    asked = came_to(ADVERTISED)
    assert (asked.listen, asked.source.transport) == ("udp:10.0.0.1:5060", "udp")
    assert asked.source.advertised == "203.0.113.5:5070"


def test_without_a_user() -> None:
    assert came_to("udp:192.0.2.7:5060", "sip:example.com").contact() == "<sip:192.0.2.7:5060>"
    assert came_to("udp:192.0.2.7:5060").contact("") == "<sip:192.0.2.7:5060>"


@given(st.text(st.characters(codec="utf-8", exclude_characters="%"), min_size=1))
def test_any_user_is_that_user(user: str) -> None:
    address = parse_address(came_to("tcp:192.0.2.7:5060").contact(user).encode())
    assert (address.uri.decoded_user, address.uri.host, address.uri.password) == (user, "192.0.2.7", "")
    assert dict(address.uri.params) == {"transport": "tcp"}
    assert not address.params
