"""The worker process: requests from every edge, through the plugin, and back."""

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

from slbroker import inner, keys
from slbroker.bus.membership import Membership
from slbroker.bus.sockets import BusSocket, connect_dealer
from slbroker.plugin.responder import Responder
from slbroker.totag import Signer

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from slbroker.bus.address import BusAddress
    from slbroker.bus.envelope import Answer
    from slbroker.config import HandlerSettings
    from slbroker.plugin import Handlers

logger = logging.getLogger(__name__)

TICK: Final = 0.1  # seconds between two looks at whether HELLO or HEARTBEAT is due
HOLD_REPLIES: Final = 0.002  # seconds that a finished answer waits for the rest of its batch
DRAIN_TIME: Final = 6.0  # seconds that open requests have to be answered when the worker stops
PARTING_TIME: Final = 1.0  # seconds that an edge has to say GOODBYE when nothing is open
MAX_EDGE_PROCESSES: Final = 64  # that an edge may say it has


class Link:
    """The worker's connection to one edge process: a socket and its standing there."""

    def __init__(self, worker: Worker, address: BusAddress, hello: dict[str, Any]) -> None:
        self.address = address
        self.membership = Membership(hello)
        self.known: dict[str, Any] = {}  # what the edge that was announced has said of itself
        self._worker = worker
        loop = asyncio.get_running_loop()
        dealer = connect_dealer(worker.context, address)
        self._socket = BusSocket(loop, dealer, self._on_envelope, self._on_turn)

    def _on_envelope(self, frames: list[bytes]) -> None:
        self._worker.take(self, frames)

    def _on_turn(self) -> None:
        self.flush(time.monotonic())

    def flush(self, now: float) -> None:
        """Send the answers that are ready, and what else is due."""
        self._socket.send(self.membership.send(now))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class Worker:
    """One worker process. `start`, then `drain` and `close`; `reload` reads the key ring again."""

    def __init__(self, settings: HandlerSettings, app: Handlers) -> None:
        self.settings = settings
        self.responder = Responder(app, self._load_signer())
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._hello: dict[str, Any] = {
            # Workers in containers may share a host's name and all be process 1.
            "name": f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}",
            "pool": settings.pool,
            "credit": settings.credit,
            "takes": app.takes,
        }
        self._links: dict[BusAddress, Link] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._to_flush: set[Link] = set()
        self._ticker: asyncio.TimerHandle | None = None

    def _load_signer(self) -> Signer:
        ring = keys.load(self.settings.keys)
        return Signer(ring.current, ring.accepted(time.time()))

    # Beginning --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect to every edge; those that are not there yet are met when they come."""
        for address in self.settings.bus:
            self._connect(address)
        self._tick()
        gc.collect()
        gc.freeze()  # plugin and libraries stay; the collector need not look at them again
        logger.info("handler started: plugin %s, %s inner path", self.settings.plugin, inner.KIND)

    def _connect(self, address: BusAddress) -> None:
        if address not in self._links:
            self._links[address] = Link(self, address, self._hello)

    def _tick(self) -> None:
        self._ticker = asyncio.get_running_loop().call_later(TICK, self._tick)
        now = time.monotonic()
        for link in list(self._links.values()):
            link.flush(now)
            if link.membership.edge != link.known:
                self._announce(link)

    def _announce(self, link: Link) -> None:
        """Say that an edge, or one started again, has welcomed us; connect to the further processes it tells of."""
        link.known = edge = link.membership.edge
        logger.info("handler ready: edge %s at %s", edge.get("edge"), link.address)
        processes = edge.get("processes", 1)
        if link.address in self.settings.bus and isinstance(processes, int):
            for number in range(1, min(processes, MAX_EDGE_PROCESSES)):
                self._connect(link.address.of_process(number))

    # Serving ----------------------------------------------------------------------------------------------------

    def take(self, link: Link, frames: list[bytes]) -> None:
        """Run the plugin on the requests of one envelope; answers leave together, but none waits long for another."""
        membership, respond = link.membership, self.responder.respond
        now = time.monotonic()
        for number, message, source in membership.receive(frames, now):
            answer = respond(message, source)
            if isinstance(answer, bytes) or answer is None or isinstance(answer, tuple):
                membership.answer(number, answer)
            else:
                self._finish_later(link, number, answer)
            if (later := time.monotonic()) - now > HOLD_REPLIES:
                now = later
                link.flush(now)

    def _finish_later(self, link: Link, number: int, pending: Coroutine[Any, Any, Answer]) -> None:
        async def finish() -> None:
            link.membership.answer(number, await pending)
            self._flush_soon(link)

        task = asyncio.get_running_loop().create_task(finish())
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)

    def _flush_soon(self, link: Link) -> None:
        """Send the answers of all handlers that finish in this turn of the loop as one envelope."""
        if not self._to_flush:
            asyncio.get_running_loop().call_soon(self._flush_now)
        self._to_flush.add(link)

    def _flush_now(self) -> None:
        now = time.monotonic()
        links, self._to_flush = self._to_flush, set()
        for link in links:
            link.flush(now)

    # Ending -----------------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Read the key ring again; raise KeyFileError, and keep the old one, when it cannot be read."""
        self.responder.signer = self._load_signer()
        logger.info("key ring %s loaded again", self.settings.keys)

    async def drain(self) -> None:
        """Say GOODBYE to every edge, and answer what it had given us."""
        for link in self._links.values():
            link.membership.leave()
        begun = time.monotonic()
        while (waited := time.monotonic() - begun) < DRAIN_TIME:
            for link in self._links.values():
                link.flush(begun + waited)
            if all(link.membership.is_over for link in self._links.values()):
                return
            if waited > PARTING_TIME and not self._open_requests():
                return  # an edge that has gone itself says no GOODBYE
            await asyncio.sleep(TICK / 10)
        logger.warning(
            "handler stops with %d requests open; their edges will try another worker", self._open_requests()
        )

    def _open_requests(self) -> int:
        return sum(link.membership.open for link in self._links.values())

    def close(self) -> None:
        """Close everything."""
        for task in self._tasks:
            task.cancel()
        for link in self._links.values():
            link.close()
        self.context.term()
        if self._ticker is not None:  # else it never started: the error that goes up says why
            self._ticker.cancel()
            logger.info("handler stopped")
