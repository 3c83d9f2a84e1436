"""An edge and its handlers as commands of their own, the way people deploy them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slbroker import keys
from slbroker.bus.address import parse_bus_address
from tests.support.figures import ask_figures
from tests.support.peers import free_tcp_port
from tests.support.timing import until, within

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
    keys.create(ring)
    return ring


def free_bus_address(transport: str, folder: Path) -> str:
    """An address that both ends of the bus are told: ipc in the test's folder, or tcp on loopback."""
    if transport == "ipc":
        return f"ipc://{folder / 'bus'}"
    return f"tcp://127.0.0.1:{free_tcp_port()}"


@dataclass(frozen=True)
class Edge:
    """A running edge: its process, the first port it got, its bus, and all ports: `ports["tcp:[::1]"]`."""

    process: Process
    port: int
    bus: str
    ports: Mapping[str, int] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """What `slbroker stats` asks of it now. Fails when the fates do not add up to what was received."""
        (edge,) = ask_figures(parse_bus_address(self.bus), within(2))
        fates = ("replied", "absorbed", "passed", "forwarded", "repeated", "shed", "failed", "in_flight")
        total = sum(edge[fate] for fate in fates) + sum(edge["dropped"].values())
        assert edge["received"] == total, edge
        return edge | {"workers": list(edge["workers"])}

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
