"""What one broker process needs to know."""

from __future__ import annotations

from pathlib import Path

from slbroker.bus.address import BusAddress
from slbroker.option import also, frozen, option, part
from slbroker.settings.bus import ADDRESS, BusSecurity, server_security
from slbroker.settings.edge import EdgeSettings


@frozen()
class RelaySettings:
    """What may be set of a broker; times in seconds."""

    heartbeat: float = 0.25  # between two signs of life, to both sides
    liveness: float = 10.0  # an edge or worker silent for so long is gone
    max_wait: float = 0.5  # how long a batch waits for a worker: as long as a request does at an edge
    offer_interval: float = 0.05  # between two offers of a pool: a hundred workers that start are a few of them
    max_waiting_bytes: int = 64 * 1024 * 1024  # of the batches that wait; what comes beyond goes back at once


# fmt: off
@frozen()
class BrokerSettings:
    """What one broker process needs to know: where it listens for edges, and where for handlers."""

    edges: BusAddress = option("--edges", ADDRESS,
        help="Address to bind for edges, which are told it as --broker.", example="tcp://127.0.0.1:5591")
    handlers: BusAddress = option("--handlers", ADDRESS,
        help="Address to bind for handlers, which are told it as --bus.", example="tcp://127.0.0.1:5592")
    security: BusSecurity | None = part(BusSecurity, server_security, default=None, without=("server_keys",))
    insecure_bus: bool = also(EdgeSettings, "insecure_bus", default=False)
    alive_file: Path | None = also(EdgeSettings, "alive_file", default=None)
    relay: RelaySettings = RelaySettings()
# fmt: on
