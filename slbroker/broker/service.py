"""The broker process: two sockets and a timer around a `Relay`, on one asyncio loop.

What it may hold is bounded. Batches wait for at most half a second, and all together have at most
`RelaySettings.max_waiting_bytes` (64 MiB); of a batch at a worker only its route stays, and there are no more of these
than the workers have credit. What waits in ZeroMQ's queues is bounded for each connection by the limits in `sockets`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import socket
import time
from typing import TYPE_CHECKING, Final

import zmq

from slbroker.broker.edges import MAX_LINKS
from slbroker.broker.relay import Relay
from slbroker.bus.pauses import Pauses
from slbroker.bus.reach import warn_of_client_port
from slbroker.bus.roster import MAX_WORKERS
from slbroker.bus.socketfile import SocketFile
from slbroker.bus.sockets import BusSocket, bind_router, end_context
from slbroker.bus.zap import ZapHandler
from slbroker.descriptors import make_room
from slbroker.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.address import BusAddress
    from slbroker.bus.roster import Outgoing
    from slbroker.settings.broker import BrokerSettings

logger = logging.getLogger(__name__)

TICK: Final = 0.05  # seconds between two looks at what time brings
DRAIN_MARGIN: Final = 1.0  # seconds beyond the edges' handler timeout that open requests have when the broker stops
LAST_MARGIN: Final = 5.0  # seconds beyond it, after which the process ends whatever it is busy with
KEY_GONE: Final = "its key was taken away"  # for the log, why somebody is lost
PARTING_TIME: Final = 0.1  # seconds that others have to read GOODBYE; ZeroMQ discards what is unread when we hang up


class BrokerService:
    """One broker process. `start`, then `drain` and `close`; `reload` reads the keys of edges and workers again."""

    def __init__(self, settings: BrokerSettings) -> None:
        self.settings = settings
        # Brokers in containers may share a host's name and all be process 1.
        name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self.relay = Relay(name, secrets.randbits(62), settings.relay)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._zap = ZapHandler(settings.security) if settings.security else None
        self._bus_files: list[SocketFile] = []
        self._edges: BusSocket | None = None
        self._workers: BusSocket | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._pauses = Pauses()

    # Beginning --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bind both sockets and begin to serve; raise BindError when one cannot be bound."""
        settings = self.settings
        make_room(MAX_WORKERS + MAX_LINKS)
        if self._zap is not None:
            self._zap.start(asyncio.get_running_loop(), self._context)
        self._edges = self._bind(settings.edges, self._on_edge, self._on_edge_revoked)
        self._workers = self._bind(settings.handlers, self._on_worker, self._on_worker_revoked)
        self._tick()
        gc.collect()
        gc.freeze()  # what has been made so far stays; the collector need not look at it again
        logger.info("broker ready: edges at %s, handlers at %s", settings.edges, settings.handlers)

    def _bind(
        self, address: BusAddress, on_message: Callable[[list[bytes]], None], on_revoked: Callable[[bytes], None]
    ) -> BusSocket:
        loop, zap = asyncio.get_running_loop(), self._zap
        warn_of_client_port(address)
        router = bind_router(self._context, address, zap.pair if zap else None)
        self._bus_files.append(SocketFile(router, address))
        receive = zap.receiver(router, on_revoked) if zap else None
        return BusSocket(loop, router, on_message, self._turn, receive)

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

    def _tick(self) -> None:
        self._ticker = asyncio.get_running_loop().call_later(TICK, self._tick)
        now = time.monotonic()
        if pause := self._pauses.note(now):
            self.relay.make_up(pause, now)
        self.relay.expire(now)
        for file in self._bus_files:
            file.look(now)
        self._turn()

    # Ending -----------------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Read again whose keys are known; on an error, which says which file, keep the old ones."""
        if self._zap is None:
            return
        try:
            self._zap.reload()
        except ConfigError as error:
            logger.error("not reloaded, the old ones stay in use: %s", error)

    async def drain(self) -> None:
        """Take leave of the edges, wait until what they had given is answered, take leave of the workers."""
        relay = self.relay
        relay.leave()
        self._turn()
        deadline = time.monotonic() + relay.edges.handler_timeout + DRAIN_MARGIN
        while not relay.is_done() and time.monotonic() < deadline:
            await asyncio.sleep(TICK / 5)
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
        if self._ticker is not None:
            self._ticker.cancel()
        for bus in (self._edges, self._workers):
            if bus is not None:
                bus.close()
        if self._zap is not None:
            self._zap.close()
        end_context(self._context)
        if self._workers is None:  # never started: the error that goes up says why
            return
        figures = self.relay.table.figures(self.relay.in_flight)
        logger.info("broker stopped: %s", ", ".join(f"{name} {value}" for name, value in figures.items() if value))


def _put(bus: BusSocket, outgoing: Outgoing) -> Outgoing:
    """Send; return what could not be sent."""
    return [(frames[0], frames[1:]) for frames in bus.send([[identity, *frames] for identity, frames in outgoing])]
