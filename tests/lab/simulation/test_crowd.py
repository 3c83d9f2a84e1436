"""The measurement with real sockets, on a small scale: a real edge, and connections that are held and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.simulation.crowd import Crowd, Weight, burden, edge_on
from tests.peers.brokers import free_bus_address

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_a_connection_is_a_descriptor_and_some_memory(transport: str, tmp_path: Path) -> None:
    found = burden(free_bus_address(transport, tmp_path), 40, tmp_path, seconds=0.5)
    assert found.descriptors_each == pytest.approx(1.0, abs=0.1)
    assert 0 < found.bytes_each < 200 * 1024
    assert found.joined < 20.0


def test_who_leaves_gives_the_descriptor_back(tmp_path: Path) -> None:
    bus = free_bus_address("ipc", tmp_path)
    with edge_on(bus, tmp_path) as edge:
        alone = Weight.of(edge.pid).descriptors
        with Crowd(bus, 20) as crowd:
            crowd.live_until_welcome(10.0)
            assert Weight.of(edge.pid).descriptors == alone + 20
        with Crowd(bus, 1) as crowd:
            crowd.live_until_welcome(10.0)
            crowd.live(0.5)
            assert Weight.of(edge.pid).descriptors == alone + 1
