"""The broker process: two sockets and a timer around a `Relay`, on one asyncio loop.

What it may hold is bounded. Batches wait for at most half a second, and all together have at most
`RelaySettings.max_waiting_bytes` (64 MiB); of a batch at a worker only its id stays, and there are no more of these
than the workers have credit. What waits in ZeroMQ's queues is bounded for each connection by the limits in `sockets`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING, Final

from slbroker.broker.edges import MAX_LINKS
from slbroker.broker.relay import Relay
from slbroker.bus.roster import MAX_WORKERS
from slbroker.descriptors import make_room
from slbroker.service import DRAIN_MARGIN, LAST_MARGIN, BusService, unique_name

if TYPE_CHECKING:
    from slbroker.bus.roster import Outgoing
    from slbroker.bus.sockets import BusSocket
    from slbroker.settings.broker import BrokerSettings

logger = logging.getLogger(__name__)

TICK: Final = 0.05  # seconds between two looks at what time brings
KEY_GONE: Final = "its key was taken away"  # for the log, why somebody is lost
PARTING_TIME: Final = 0.1  # seconds that others have to read GOODBYE; ZeroMQ discards what is unread when we hang up


class BrokerService(BusService):
    """One broker process. `start`, then `drain` and `close`; `reload` reads the keys of edges and workers again."""

    def __init__(self, settings: BrokerSettings) -> None:
        super().__init__(TICK, settings.security)
        self.settings = settings
        self.relay = Relay(unique_name(), secrets.randbits(62), settings.relay, self.life)
        self._edges: BusSocket | None = None
        self._workers: BusSocket | None = None

    # Beginning --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bind both sockets and begin to serve; raise BindError when one cannot be bound."""
        settings = self.settings
        make_room(MAX_WORKERS + MAX_LINKS)
        self._edges = self.bind(settings.edges, self._on_edge, self._turn, self._on_edge_revoked)
        self._workers = self.bind(settings.handlers, self._on_worker, self._turn, self._on_worker_revoked)
        self.begin()
        logger.info("broker ready: edges at %s, handlers at %s", settings.edges, settings.handlers)

    # Serving ----------------------------------------------------------------------------------------------------

    def _on_edge(self, frames: list[bytes]) -> None:
        self.relay.from_edge(frames[0], frames[1:], time.monotonic())

    def _on_worker(self, frames: list[bytes]) -> None:
        self.relay.from_worker(frames[0], frames[1:], time.monotonic())

    def _on_edge_revoked(self, identity: bytes) -> None:
        self.relay.edges.lose(identity, time.monotonic(), KEY_GONE)

    def _on_worker_revoked(self, identity: bytes) -> None:
        self.relay.lose(identity, time.monotonic(), KEY_GONE)

    def _turn(self) -> None:
        """End a turn of the loop: put on the sockets what is to go out; when somebody is gone, that leads to more."""
        now = time.monotonic()
        assert self._edges is not None
        assert self._workers is not None
        while True:
            to_edges, to_workers = self.relay.send(now)
            if not to_edges and not to_workers:
                return
            if refused := _put(self._workers, to_workers):
                self.relay.refused_by_workers(refused, now)
            if refused := _put(self._edges, to_edges):
                self.relay.refused_by_edges(refused, now)

    def look(self, now: float) -> None:
        """Do what time brings."""
        if pause := self._pauses.note(now):
            self.relay.make_up(pause, now)
        self.relay.expire(now)
        self._turn()

    # Ending -----------------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Read again whose keys are known; on an error, which says which file, keep the old ones."""
        self.reloads += 1
        self.reload_clients()

    async def drain(self) -> None:
        """Take leave of the edges, wait until what they had given is answered, take leave of the workers."""
        relay = self.relay
        relay.leave()
        self._turn()
        await self.until(relay.is_done, relay.edges.handler_timeout + DRAIN_MARGIN)
        relay.dismiss()
        self._turn()
        await asyncio.sleep(PARTING_TIME)

    def patience(self) -> float:
        """Return for how many seconds the end may be waited for."""
        return self.relay.edges.handler_timeout + DRAIN_MARGIN + LAST_MARGIN

    def waits_for(self) -> str:
        """Return what an end waits for."""
        return f"the answers to {self.relay.in_flight} requests"

    def close(self) -> None:
        """Close everything; log what became of the requests."""
        if self.end():  # else it never started: the error that goes up says why
            figures = self.relay.table.figures(self.relay.in_flight)
            logger.info("broker stopped: %s", ", ".join(f"{name} {value}" for name, value in figures.items() if value))


def _put(bus: BusSocket, outgoing: Outgoing) -> Outgoing:
    """Send; return what could not be sent."""
    return [(frames[0], frames[1:]) for frames in bus.send([[identity, *frames] for identity, frames in outgoing])]
