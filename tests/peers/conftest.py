"""The deployment most of these tests share: one edge, two handlers, an ipc bus."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.peers.brokers import Edge, free_bus_address, new_keys, start_edge, start_handler
from tests.peers.pair import Servers
from tests.support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start


@dataclass(frozen=True)
class Deployment:
    """An edge with two handlers that have asked for ACKs, and the file where they note them."""

    edge: Edge
    ack_log: Path

    def acks_seen(self) -> int:
        """How many ACKs have reached a handler."""
        return len(self.ack_log.read_text().splitlines()) if self.ack_log.exists() else 0


@pytest.fixture
def deployment(start_slbroker: Start, tmp_path: Path) -> Deployment:
    """Two workers, so that nothing passes only because one remembers what it did."""
    keys = new_keys(tmp_path)
    bus = free_bus_address("ipc", tmp_path)
    edge = start_edge(start_slbroker, keys, bus)
    ack_log = tmp_path / "acks"
    for handler in [start_handler(start_slbroker, keys, bus, ack_log) for _ in range(2)]:
        handler.wait_for("handler ready")
    return Deployment(edge, ack_log)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """One Kamailio serves many tests: it takes two seconds to start."""
    with ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("kemi"), stack)
