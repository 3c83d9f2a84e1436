"""Where a peer of the bus is: names, numbers, and plain words for what keeps us from it."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from slbroker.bus import reach
from slbroker.bus.address import BusAddress, parse_bus_address
from tests.support.peers import free_tcp_port
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", free_tcp_port())) as server:
        yield server


def resolves_to(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    real = socket.getaddrinfo

    def answer(name: str, port: int, *, type: int, flags: int = 0) -> list[object]:  # noqa: A002 - as it is called
        if flags:
            return list(real(name, port, type=type, flags=flags))
        return [found for host in hosts for found in real(host, port, type=type)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.parametrize("before", [(), ("::1",), ("127.0.0.3", "::1"), ("127.0.0.2", "127.0.0.3", "127.0.0.4")])
def test_every_address_of_a_name_is_tried(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket, before: tuple[str, ...]
) -> None:
    port = listener.getsockname()[1]
    resolves_to(monkeypatch, *before, "127.0.0.1", "127.0.0.9")
    assert reach.find(BusAddress("", "edge1", port)) == (BusAddress("", "127.0.0.1", port), "", False)


def test_addresses_behind_the_one_that_takes_us_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket
) -> None:
    """One that does not answer would cost a second."""
    port = listener.getsockname()[1]
    with socket.create_server(("127.0.0.2", port)) as behind:
        behind.settimeout(0.2)
        resolves_to(monkeypatch, "127.0.0.1", "127.0.0.2")
        assert reach.find(BusAddress("", "edge1", port)).address == BusAddress("", "127.0.0.1", port)
        with pytest.raises(TimeoutError):
            behind.accept()


def test_each_address_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves_to(monkeypatch, "127.0.0.1", "127.0.0.2")
    found = reach.find(BusAddress("", "edge1", free_tcp_port()))
    assert found.address is None
    assert found.cause == "127.0.0.1: connection refused, 127.0.0.2: connection refused"
    assert not found.is_grave


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (socket.EAI_NONAME, "unknown host edge1"),
        (socket.EAI_AGAIN, "no name server answers for edge1"),
        (socket.EAI_FAIL, "edge1: it broke"),
    ],
)
def test_a_name_that_leads_nowhere_is_said_so(monkeypatch: pytest.MonkeyPatch, code: int, words: str) -> None:
    def fail(*_words: object, **_options: object) -> object:
        raise socket.gaierror(code, "it broke")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert reach.find(BusAddress("", "edge1", 5590)) == (None, words, True)


def test_a_number_is_not_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("tcp://192.0.2.1:5590", "tcp://[2001:db8::1]:5590", "tcp://[fe80::1%eth0]:5590", "tcp://*:5590"):
        assert not reach.is_name(parse_bus_address(text))
    for text in ("tcp://edge1:5590", "tcp://localhost:5590", "tcp://edge-1.example.com:5590"):
        assert reach.is_name(parse_bus_address(text))


def test_a_socket_file_that_is_not_there_or_that_nobody_serves(tmp_path: Path) -> None:
    path = tmp_path / "bus"
    address = BusAddress(str(path), "", 0)
    assert reach.find(address) == (None, "there is no such socket file", False)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
        assert reach.find(address) == (None, "nobody listens at that socket file", False)
        left.listen(1)
        assert reach.find(address) == (address, "", False)


def test_a_socket_file_in_a_folder_that_is_closed_to_us(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("takes root, to be somebody else")
    tmp_path.chmod(0o700)
    assert (
        _as_nobody(lambda: reach.find(BusAddress(str(tmp_path / "bus"), "", 0))) == "(None, 'permission denied', True)"
    )


def _as_nobody(ask: Callable[[], reach.Found]) -> str:
    """What `ask` returns in a process of a user without rights."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.setuid(65_534)
        os.write(writing, str(tuple(ask())).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with os.fdopen(reading) as answer:
        return answer.read()


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()

    def hang(*_words: object, **_options: object) -> object:
        answers.wait(within(20.0))
        raise socket.gaierror(socket.EAI_AGAIN, "late")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    begun = time.monotonic()
    found = reach.find_within(BusAddress("", "edge1", 5590), 0.1)
    assert time.monotonic() - begun < within(2.0)
    assert found == (None, "edge1 is not resolved within 0.1 s", True)
    answers.set()


@pytest.mark.parametrize(
    ("port", "reserved", "is_clients"),
    [(5590, "", False), (32_768, "", True), (60_999, "", True), (61_000, "", False), (40_000, "39000-41000", False),
     (40_000, "39999,40001-40002", True), (40_000, "5590,40000", False)],
)  # fmt: skip
def test_a_port_of_clients_is_told_from_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, port: int, reserved: str, is_clients: bool
) -> None:
    (tmp_path / "range").write_text("32768\t60999\n")
    (tmp_path / "reserved").write_text(f"{reserved}\n")
    monkeypatch.setattr(reach, "_PORTS", tmp_path / "range")
    monkeypatch.setattr(reach, "_RESERVED", tmp_path / "reserved")
    assert reach.is_client_port(BusAddress("", "127.0.0.1", port)) is is_clients
