"""The bus on real ZeroMQ sockets, over ipc and over TCP on loopback; and both its ends without any."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slbroker.bus.address import BusAddress
from slbroker.bus.envelope import Kind
from slbroker.bus.membership import Standing
from tests.slbroker.bus.net import Net
from tests.slbroker.bus.seat import WELCOME, Seat
from tests.support.bus import Desk
from tests.support.peers import free_tcp_port

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    net.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory with a short path: a socket's may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="slb-") as folder:
        yield Path(folder)


@pytest.fixture(params=["ipc", "tcp"])
def address(request: pytest.FixtureRequest, folder: Path) -> BusAddress:
    """Where to bind; the port of TCP is free, and none of a client's."""
    if request.param == "ipc":
        return BusAddress(str(folder / "bus"), "", 0)
    return BusAddress("", "127.0.0.1", free_tcp_port())


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def seat() -> Seat:
    return Seat()


@pytest.fixture
def member() -> Seat:
    """A worker that the edge has just welcomed."""
    seat = Seat()
    assert seat.says() == [Kind.HELLO]
    seat.hear(WELCOME)
    assert seat.standing() is Standing.MEMBER
    return seat
