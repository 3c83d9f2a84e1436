"""Bus addresses as people write them."""

from __future__ import annotations

import pytest

from slbroker.bus.address import MAX_IPC_PATH, BusAddress, parse_bus_address
from slbroker.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ipc:///run/slbroker/bus", BusAddress("/run/slbroker/bus", "", 0)),
        ("ipc:///a b/ü:1", BusAddress("/a b/ü:1", "", 0)),
        ("tcp://127.0.0.1:5590", BusAddress("", "127.0.0.1", 5590)),
        ("tcp://edge-1.example.com:1", BusAddress("", "edge-1.example.com", 1)),
        ("tcp://edge_1:65535", BusAddress("", "edge_1", 65_535)),
        ("tcp://*:5590", BusAddress("", "*", 5590)),
        ("tcp://[::1]:5590", BusAddress("", "[::1]", 5590)),
        ("tcp://[fe80::1%eth0]:5590", BusAddress("", "[fe80::1%eth0]", 5590)),
    ],
)
def test_an_address_is_read_and_written(text: str, address: BusAddress) -> None:
    assert parse_bus_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "ipc", "ipc://", "ipc:///", "ipc://relative/path", "ipc://@abstract", "ipc://*", "ipc:///a\0b",
        "ipc:///undecodable\udcff", "IPC:///a", " ipc:///a", "tcp://", "tcp://127.0.0.1", "tcp://:5590",
        "tcp://127.0.0.1:", "tcp://127.0.0.1:0", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:99999999999",
        "tcp://127.0.0.1:-1", "tcp://127.0.0.1:+1", "tcp://127.0.0.1:\u0661", "tcp://127.0.0.1:5590 ", "tcp://::1:5590",
        "tcp://[::1:5590", "tcp://[]:5590", "tcp://a b:5590", "tcp://a/b:5590", "tcp://\u0101:5590", "tcp://a*:5590",
        "tcp://a;b:5590", "udp://127.0.0.1:5590", "inproc://bus", "127.0.0.1:5590", "/run/slbroker/bus",
    ],
)  # fmt: skip
def test_anything_else_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match="bus address") as refused:
        parse_bus_address(text)
    assert "ipc:///path/of/socket or tcp://host:port" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_path_is_as_long_as_the_kernel_takes() -> None:
    path = "/" + "ä" * ((MAX_IPC_PATH - 1) // 2)
    assert len(path.encode()) == MAX_IPC_PATH
    assert parse_bus_address(f"ipc://{path}").path == path
    with pytest.raises(ConfigError, match="at most 107 bytes"):
        parse_bus_address(f"ipc://{path}x")


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("ipc:///run/slbroker/bus", True),
        ("tcp://localhost:5590", True),
        ("tcp://127.0.0.1:5590", True),
        ("tcp://127.9.9.9:5590", True),
        ("tcp://[::1]:5590", True),
        ("tcp://*:5590", False),
        ("tcp://0.0.0.0:5590", False),
        ("tcp://[::]:5590", False),
        ("tcp://192.0.2.1:5590", False),
        ("tcp://[fe80::1%lo]:5590", False),
        ("tcp://localhost.example.com:5590", False),
        ("tcp://2130706433:5590", False),
        ("tcp://lo:5590", False),
    ],
)
def test_only_this_machine_reaches_loopback(text: str, loopback: bool) -> None:
    assert parse_bus_address(text).is_loopback is loopback


def test_the_further_processes_of_an_edge_are_beside_the_first() -> None:
    tcp, ipc = parse_bus_address("tcp://[::1]:5590"), parse_bus_address("ipc:///run/bus")
    assert [str(tcp.of_process(n)) for n in range(3)] == ["tcp://[::1]:5590", "tcp://[::1]:5591", "tcp://[::1]:5592"]
    assert [str(ipc.of_process(n)) for n in range(3)] == ["ipc:///run/bus", "ipc:///run/bus.1", "ipc:///run/bus.2"]
