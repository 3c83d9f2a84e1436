"""An edge and its handlers as commands of their own, the way people deploy them."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.processes import run_slbroker
from tests.support.timing import until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.conftest import Start
    from tests.support.processes import Process

PLUGIN = Path(__file__).with_name("plugin.py")
ACK_LOG = "PEER_TEST_ACK_LOG"
_listening = re.compile(r"\b([a-z]+:(?:127\.0\.0\.1|\[::1\])):(\d+)")


def new_keys(folder: Path) -> Path:
    """A fresh key ring."""
    ring = folder / "keys.ring"
    made = run_slbroker("keys", "new", str(ring))
    assert made.wait() == 0, made
    return ring


def free_bus_address(transport: str, folder: Path) -> str:
    """An address that both ends of the bus are told: ipc in the test's folder, or tcp on loopback."""
    if transport == "ipc":
        return f"ipc://{folder / 'bus'}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


@dataclass(frozen=True)
class Edge:
    """A running edge: its process, the first port it got, its bus, and all ports: `ports["tcp:[::1]"]`."""

    process: Process
    port: int
    bus: str
    ports: Mapping[str, int] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """What `slbroker stats` says of it now. Fails when the fates do not add up to what was received."""
        asked = run_slbroker("stats", "--bus", self.bus, "--json")
        assert asked.wait() == 0, asked
        (edge,) = json.loads(asked.output)["edges"]
        fates = ("replied", "absorbed", "passed", "forwarded", "shed", "failed", "in_flight")
        total = sum(edge[fate] for fate in fates) + sum(edge["dropped"].values())
        assert edge["received"] == total, edge
        figures: dict[str, Any] = edge
        return figures

    def wait_for_figures(self, **wanted: int) -> dict[str, Any]:
        """Ask until the figures are as wanted; fails showing what they are instead."""
        seen: dict[str, Any] = {}

        def met() -> bool:
            seen.update(self.figures())
            return all(seen[name] == value for name, value in wanted.items())

        try:
            until(met)
        except AssertionError:
            raise AssertionError(f"wanted {wanted}, but have {seen}") from None
        return seen


def start_edge(
    start: Start, keys: Path, bus: str, listen: Sequence[str] = ("udp:127.0.0.1",), options: Sequence[str] = ()
) -> Edge:
    """Start an edge on free ports of loopback and wait until it serves."""
    addresses = [word for address in listen for word in ("--listen", f"{address}:0")]
    process = start("edge", *addresses, "--bus", bus, "--keys", str(keys), *options)
    ready = process.wait_for("edge ready").partition(", bus ")[0]
    ports = {address: int(port) for address, port in _listening.findall(ready)}
    assert list(ports) == list(listen), f"no port in {ready!r}"
    return Edge(process, ports[listen[0]], bus, ports)


def start_handler(start: Start, keys: Path, bus: str, ack_log: Path | None = None) -> Process:
    """Start a handler with these tests' plugin; with `ack_log` it asks for ACKs and notes them there."""
    env = {ACK_LOG: str(ack_log)} if ack_log else {}
    return start("handler", "--bus", bus, "--plugin", str(PLUGIN), "--keys", str(keys), env=env)
