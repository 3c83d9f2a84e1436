"""What these tests look at: an edge on one host, a worker on each of two others, and a caller on a fourth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.lab.network.caller import Caller
from tests.lab.network.plugin import HOST
from tests.support.processes import run_slbroker
from tests.support.timing import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.network.hosts import Host, Network
    from tests.support.processes import Process

# The hosts are the tests' own, so nobody else has these ports; an edge that comes back has to be found where it was.
SIP_PORT: Final = 5060
BUS_PORT: Final = 5590
PLUGIN: Final = Path(__file__).with_name("plugin.py")


@dataclass(frozen=True)
class Keys:
    """The key ring, and the key pairs that encrypt the bus: `edge.key`, `edge.key_secret`, `worker.key`, ..."""

    folder: Path

    def make(self) -> None:
        """Make them all, by slbroker's own commands."""
        for kind, name in (("new", "ring"), ("bus", "edge"), ("bus", "worker")):
            made = run_slbroker("keys", kind, str(self.folder / name))
            assert made.wait() == 0, made

    @property
    def ring(self) -> tuple[str, ...]:
        """The option for the key ring."""
        return ("--keys", str(self.folder / "ring"))

    @property
    def server(self) -> tuple[str, ...]:
        """The options of the one that binds the bus."""
        return ("--bus-key", str(self.folder / "edge.key_secret"), "--bus-clients", str(self.folder / "worker.key"))

    @property
    def client(self) -> tuple[str, ...]:
        """The options of those that connect to it."""
        return ("--bus-key", str(self.folder / "worker.key_secret"), "--bus-server-key", str(self.folder / "edge.key"))


class Site:
    """The four hosts. The bus is encrypted, as it has to be where others can reach it."""

    def __init__(self, network: Network, keys: Keys) -> None:
        self.edge, self.here, self.there, self.phone = (
            network.host(name) for name in ("edge", "here", "there", "phone")
        )
        self.bus = f"tcp://{self.edge.address}:{BUS_PORT}"
        self._keys = keys

    def start(self, *workers: Host, handler: Sequence[str] = (), edge: Sequence[str] = ()) -> None:
        """Start the edge, and a worker on both hosts or on those named; return when all are ready."""
        processes = [self.start_worker(host, *handler) for host in workers or (self.here, self.there)]
        self.edge_process = self.start_edge(*edge)
        self.edge_process.wait_for("edge ready")
        for process in processes:
            process.wait_for("handler ready")

    def start_edge(self, *options: str) -> Process:
        """Start the edge; it is not waited for."""
        listen = f"udp:{self.edge.address}:{SIP_PORT}"
        keys = self._keys
        return self.edge.slbroker("edge", "--listen", listen, "--bus", self.bus, *keys.ring, *keys.server, *options)

    def start_worker(self, host: Host, *options: str) -> Process:
        """Start a worker on `host`; it is not waited for."""
        keys = self._keys
        words = ("--bus", self.bus, "--plugin", str(PLUGIN), *keys.ring, *keys.client, *options)
        return host.slbroker("handler", *words, env={HOST: host.name})

    def caller(self, host: Host | None = None, *, rate: float = 0.0, window: int = 0, patience: float = 12.0) -> Caller:
        """Return a caller, on the fourth host or on `host`."""
        sock = (host or self.phone).udp_socket()
        return Caller(sock, (self.edge.address, SIP_PORT), rate=rate, window=window, patience=patience)

    def figures(self) -> dict[str, Any]:
        """What `slbroker stats`, asked on the edge's host, says now."""
        asked = self.edge.slbroker("stats", "--bus", self.bus, *self._keys.client, "--json")
        assert asked.wait() == 0, asked
        (edge,) = json.loads(asked.output)["edges"]
        figures: dict[str, Any] = edge
        return figures

    def check_fates(self) -> dict[str, Any]:
        """Wait until nothing is in flight; fail when the fates do not add up to what was received."""
        seen: dict[str, Any] = {}

        def idle() -> bool:
            seen.update(self.figures())
            return not seen["in_flight"]

        until(idle, what="an edge with nothing in flight")
        fates = ("replied", "absorbed", "passed", "forwarded", "repeated", "shed", "failed")
        assert seen["received"] == sum(seen[fate] for fate in fates) + sum(seen["dropped"].values()), seen
        return seen
