"""Addresses that people write, and settings that nobody changes afterwards."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from slbroker.bus.address import default_bus, parse_bus_address
from slbroker.errors import ConfigError
from slbroker.listen import ListenAddress, advertise, parse_listen_address, parse_origin
from slbroker.settings.edge import EdgeSettings
from slbroker.settings.handler import HandlerSettings


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("udp:127.0.0.1:5060", ("udp", "127.0.0.1", 5060)),
        ("udp:127.0.0.1", ("udp", "127.0.0.1", 5060)),
        ("udp:127.0.0.1:0", ("udp", "127.0.0.1", 0)),
        ("udp:sip.example.com:65535", ("udp", "sip.example.com", 65_535)),
        ("udp:[::1]:5070", ("udp", "::1", 5070)),
        ("udp:[::1]", ("udp", "::1", 5060)),
        ("udp:[fe80::1%eth0]:5060", ("udp", "fe80::1%eth0", 5060)),
        ("udp:*:5060", ("udp", "0.0.0.0", 5060)),
        ("udp:[2001:DB8:0::1]:5060", ("udp", "2001:db8::1", 5060)),
        ("udp:[0::0]:5060", ("udp", "::", 5060)),
        ("tcp:127.0.0.1", ("tcp", "127.0.0.1", 5060)),
        ("tls:127.0.0.1", ("tls", "127.0.0.1", 5061)),
        ("ws:127.0.0.1", ("ws", "127.0.0.1", 80)),
        ("wss:[::1]", ("wss", "::1", 443)),
    ],
)
def test_listen_addresses(text: str, address: tuple[str, str, int]) -> None:
    parsed = parse_listen_address(text)
    assert parsed == address
    assert parse_listen_address(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "", "udp", "udp:", "127.0.0.1:5060", "udp:::1:5060", "udp:[::1:5060", "udp:[]:5060", "UDP:h:5060", "udp://h:5060",
        "udp:h:65536", "udp:h:99999", "udp:h:-1", "udp:h:", "udp:h:5060:7", "udp:h:٥٠٦٠", "sctp:h:5060", "x:h:5060",
        "udp: h:5060", "udp:h:5060 ", "udp:h\n:5060",
    ],
)  # fmt: skip
def test_what_is_no_listen_address(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^listen address [^\n]*$"):
        parse_listen_address(text)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://phone.example.com", "https://phone.example.com"),
        ("HTTPS://Phone.Example.Com:8443", "https://phone.example.com:8443"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
        ("null", "null"),
        ("none", "none"),
    ],
)
def test_origins(text: str, origin: str) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    "text", ["", "*", "phone.example.com", "https://", "https://h/", "https://h?x", "https://u@h", "https://h h"]
)
def test_what_is_no_origin(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^origin [^\n]*$"):
        parse_origin(text)


def test_ipv6_is_shown_in_brackets() -> None:
    assert str(ListenAddress("udp", "::1", 5060)) == "udp:[::1]:5060"
    assert str(ListenAddress("udp", "127.0.0.1", 5060)) == "udp:127.0.0.1:5060"


def test_the_default_bus_is_in_a_directory_of_this_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert str(default_bus()) == "ipc:///run/user/7/slbroker/bus"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/var/tmp")
    monkeypatch.setattr("os.getuid", lambda: 1234)
    assert str(default_bus()) == "ipc:///var/tmp/slbroker-1234/bus"


def test_a_directory_too_long_for_a_socket_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/" + "x" * 120)
    with pytest.raises(ConfigError, match="at most 107 bytes"):
        default_bus()


def test_settings_are_frozen() -> None:
    bus = parse_bus_address("ipc:///tmp/bus")
    edge = EdgeSettings((parse_listen_address("udp:127.0.0.1"),), bus, Path("ring"), 32.0)
    handler = HandlerSettings((bus,), Path("ring"), "plugin.py", 128)
    for settings in (edge, handler):
        with pytest.raises(dataclasses.FrozenInstanceError):
            settings.keys = Path("other")  # type: ignore[misc]


# What is advertised -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "advertised"),
    [
        ("udp:10.0.0.1:5060", ""),
        ("udp:10.0.0.1:5060 advertise 203.0.113.5:5070", "203.0.113.5:5070"),
        ("tcp:* advertise sip.example.com", "sip.example.com"),
        ("tls:[::]:5061 advertise [2001:db8::5]:5061", "[2001:db8::5]:5061"),
    ],
)
def test_a_listen_address_says_where_peers_reach_it(text: str, advertised: str) -> None:
    address = parse_listen_address(text)
    assert address.advertised == advertised
    assert address == parse_listen_address(text.partition(" ")[0])


@pytest.mark.parametrize(
    "where", ["0.0.0.0", "[::]:5060", "*", "", " ", "a b", "h:0", "h:65536", "2001:db8::5", "sip:h", "h;x=y", "<h>"]
)
def test_what_cannot_be_advertised(where: str) -> None:
    with pytest.raises(ConfigError):
        parse_listen_address(f"udp:10.0.0.1:5060 advertise {where}")
    with pytest.raises(ConfigError):
        advertise((parse_listen_address("udp:10.0.0.1:5060"),), (where,))


def test_what_is_said_closest_to_a_listen_address_counts() -> None:
    listen = tuple(map(parse_listen_address, ("udp:*:5060 advertise a", "udp:[::1]:5060", "tls:*:5061")))
    told = advertise(listen, ("b:1", "tls:c:2"))
    assert [address.advertised for address in told] == ["a", "b:1", "c:2"]
    assert [address.advertised for address in advertise(listen, ())] == ["a", "", ""]
    for given in (("ws:d",), ("b", "c"), ("tls:a", "tls:b")):
        with pytest.raises(ConfigError, match="advertise"):
            advertise(listen, given)
