"""The edge process: sockets, bus and timer around an `Edge`, on one asyncio loop."""

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
from slbroker.bus.dispatcher import Dispatcher
from slbroker.bus.sockets import BusSocket, bind_router
from slbroker.totag import Signer
from slbroker_edge.ackfilter import AckFilter
from slbroker_edge.edge import Edge, SipJob
from slbroker_edge.transports.udp import UdpListener

if TYPE_CHECKING:
    from slbroker.config import EdgeSettings

logger = logging.getLogger(__name__)

TICK: Final = 0.05  # seconds between two looks at what time brings
DRAIN_TIME: Final = 6.0  # seconds that open requests have to be answered when the edge stops; over the handler timeout


class EdgeService:
    """One edge process. `start`, then `drain` and `close`; `reload` reads the key ring again."""

    def __init__(self, settings: EdgeSettings) -> None:
        self.settings = settings
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        signer = self._load_signer()
        dispatcher: Dispatcher[SipJob] = Dispatcher(
            self.name, secrets.randbits(62), settings.dispatch, {"processes": settings.processes}
        )
        self.edge = Edge(dispatcher, AckFilter(signer, settings.ack_window))
        self._listeners: list[UdpListener] = []
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._bus: BusSocket | None = None
        self._ticker: asyncio.TimerHandle | None = None

    def _load_signer(self) -> Signer:
        ring = keys.load(self.settings.keys)
        return Signer(ring.current, ring.accepted(time.time()))

    # Beginning --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bind everything and begin to serve; raise BindError when something cannot be bound."""
        settings = self.settings
        loop = asyncio.get_running_loop()
        for address in settings.listen:
            self._listeners.append(UdpListener.open(address, share_port=settings.processes > 1))
        bus = settings.bus.of_process(settings.process)
        self._bus = BusSocket(loop, bind_router(self._context, bus), self._on_envelope, self._turn)
        for listener in self._listeners:
            loop.add_reader(listener.fileno(), self._on_datagrams, listener)
        self._tick()
        gc.collect()
        gc.freeze()  # what has been made so far stays; the collector need not look at it again
        listening = ", ".join(listener.name for listener in self._listeners)
        logger.info("edge ready: listening on %s, bus %s, %s inner path", listening, bus, inner.KIND)

    # Serving ----------------------------------------------------------------------------------------------------

    def _on_datagrams(self, listener: UdpListener) -> None:
        datagrams = listener.receive()
        if datagrams:
            self.edge.take(datagrams, listener, time.monotonic())
            self._turn()

    def _on_envelope(self, frames: list[bytes]) -> None:
        self.edge.answer(frames[0], frames[1:], time.monotonic())

    def _turn(self) -> None:
        """End a turn of the loop: replies to the network, requests to the workers."""
        now = time.monotonic()
        edge, dispatcher = self.edge, self.edge.dispatcher
        edge.flush(now)
        if dispatcher.asked:
            self._tell_figures()
        assert self._bus is not None
        refused = self._bus.send([[identity, *frames] for identity, frames in dispatcher.send(now)])
        for frames in refused:
            dispatcher.lose(frames[0], now)

    def _tick(self) -> None:
        self._ticker = asyncio.get_running_loop().call_later(TICK, self._tick)
        self.edge.expire(time.monotonic())
        self._turn()

    def _tell_figures(self) -> None:
        dispatcher = self.edge.dispatcher
        figures = self.figures()
        for identity in dispatcher.asked:
            dispatcher.tell(identity, figures)
        dispatcher.asked.clear()

    def figures(self) -> dict[str, object]:
        """Return the statistics of this process."""
        dispatcher = self.edge.dispatcher
        return {
            "name": self.name,
            **self.edge.fates.figures(dispatcher.in_flight),
            "send_failures": self.edge.send_failures,
            "bad_answers": self.edge.bad_answers,
            "late_answers": dispatcher.late,
            "garbage": dispatcher.garbage,
            "inner": inner.KIND,
            "processes": self.settings.processes,
            "workers": dispatcher.figures(),
        }

    # Ending -----------------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Read the key ring again; raise KeyFileError, and keep the old one, when it cannot be read."""
        self.edge.ack_filter.signer = self._load_signer()
        logger.info("key ring %s loaded again", self.settings.keys)

    async def drain(self) -> None:
        """Take no more datagrams, and wait until what was taken has been answered."""
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener.fileno())
            self._on_datagrams(listener)  # what the kernel had for us already
        deadline = time.monotonic() + DRAIN_TIME
        while self.edge.dispatcher.in_flight and time.monotonic() < deadline:
            await asyncio.sleep(TICK / 5)
        self.edge.dispatcher.leave()
        self._turn()

    def close(self) -> None:
        """Close everything; log what became of the messages."""
        if self._ticker is not None:
            self._ticker.cancel()
        for listener in self._listeners:
            listener.close()
        if self._bus is not None:
            self._bus.close()
        self._context.term()
        figures = self.edge.fates.figures(self.edge.dispatcher.in_flight)
        logger.info("edge stopped: %s", ", ".join(f"{name} {value}" for name, value in figures.items() if value))
