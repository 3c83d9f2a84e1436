"""Asking all processes for their figures, again and again: a connection to each, which stays.

Only STATS is ever said; while somebody looks at the page it asks for recent requests, too. One that does not answer is
asked again, but never has more than one question to answer, so a process that hangs finds no heap of them when it comes
back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from slbroker.bus import envelope
from slbroker.bus.address import parse_bus_address
from slbroker.bus.curve import load_client
from slbroker.bus.dealer import SILENT, Dealer
from slbroker.bus.envelope import Kind
from slbroker.bus.sockets import connect_dealer
from slbroker.errors import ConfigError, EnvelopeError
from slbroker.metrics.gathered import Gathered
from slbroker.metrics.model import plain
from slbroker.metrics.trend import Trend
from slbroker.monitor.board import worker_key
from slbroker.monitor.requests import RecentRequests
from slbroker.query import MAX_PROCESSES

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import zmq

    from slbroker.bus.address import BusAddress
    from slbroker.settings.monitor import MonitorSettings

logger = logging.getLogger(__name__)

QUESTION: Final = envelope.encode(Kind.STATS)
MAX_PLACES: Final = 256  # that are asked; what edges tell of is not believed without end
PATIENCE: Final = 3.0  # intervals, and seconds at least, for which an answer counts


class Gathering:
    """The connections of the monitor. Make it on a running loop, `close` it before its ZeroMQ context ends."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        settings: MonitorSettings,
        free: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Raises ConfigError for keys that cannot be used. What is heard is taken in inside a `free()`."""
        self._free = free
        self.known = Gathered(max(PATIENCE, PATIENCE * settings.interval))
        self.trend = Trend()
        self.recent = RecentRequests()
        self.over = asyncio.Event()  # set when the monitor ends
        self.news = asyncio.Event()  # set, and made anew, when somebody has told something
        self.told = 0  # times that somebody has
        self._context = context
        self._settings = settings
        self._keys = load_client(settings.security, settings.bus) if settings.security else {}
        self._dealers: dict[str, Dealer] = {}
        self._looked = float("-inf")  # when somebody has looked at the page last
        self._asked: dict[str, float] = {}  # those that owe an answer, and since when
        self._left_out: set[str] = set()
        for address in settings.bus:
            self._add(address, is_named=True)

    def _add(self, address: BusAddress, *, is_named: bool = False, is_broker: bool = False) -> None:
        name = str(address)
        if name in self._dealers or name in self._left_out:
            return
        if len(self._dealers) >= MAX_PLACES or (self._settings.security and address not in self._keys):
            logger.warning("%s is told of, and not asked: name it with --bus and its key with --bus-server-key", name)
            self._left_out = {*list(self._left_out)[: MAX_PLACES - 1], name}
            return
        self.known.expect(name, time.monotonic(), is_named=is_named, is_broker=is_broker)
        connect: Callable[[BusAddress], zmq.Socket[bytes]] = partial(
            connect_dealer, self._context, curve=self._keys.get(address)
        )
        self._dealers[name] = Dealer(
            address, connect, partial(self._hear, name, address), lambda: None, partial(self._on_fault, name),
            ticks=self._settings.interval,
        )  # fmt: skip

    @property
    def is_ending(self) -> bool:
        """Whether who waits for news is to go."""
        return self.over.is_set()

    def look(self, now: float) -> None:
        """Take note that somebody looks at the page."""
        self._looked = now

    def is_looked_at(self, now: float) -> bool:
        """Return whether somebody does, or has done so until some intervals ago."""
        return now - self._looked <= self.known.patience

    def tick(self, now: float) -> None:
        """Ask everybody; call it once an interval."""
        gone = self.known.forget(now)
        for name in gone:
            self._dealers.pop(name).close()
            self._asked.pop(name, None)
        self.recent.forget(set(gone))
        workers = self.known.workers(now)
        for name, worker in workers.items():
            self.trend.hear(worker_key(name), worker)
        self.trend.keep({*self._dealers, *map(worker_key, workers)})
        is_looked_at = self.is_looked_at(now)
        for name, dealer in self._dealers.items():
            if dealer.tick():
                self._asked.pop(name, None)  # a new connection: nothing is owed there
            since = self._asked.get(name)
            if (since is None or now - since > self.known.patience) and not dealer.send(
                [self._question(name) if is_looked_at else QUESTION]
            ):
                self._asked[name] = now

    def _question(self, name: str) -> list[bytes]:
        return envelope.encode(Kind.STATS, {"recent": self.recent.since(name)})

    def _hear(self, name: str, address: BusAddress, frames: list[bytes]) -> None:
        with self._free():
            self._take_in(name, address, frames)

    def _take_in(self, name: str, address: BusAddress, frames: list[bytes]) -> None:
        self._asked.pop(name, None)
        try:
            if envelope.decode_head(frames).kind is not Kind.FIGURES:
                return  # such as WHO: we are no worker, and say so by saying nothing
            figures = envelope.decode_info(frames[1])
        except EnvelopeError as error:
            if self.known.misread(name, str(error)):
                logger.warning("%s: what it says cannot be read: %s", name, error)
            return
        self.recent.hear(name, figures.pop("recent", None), time.time())
        figures = plain(figures)
        self.known.hear(name, figures, time.monotonic())
        self.trend.hear(name, figures)
        self._find(address, figures)
        self._wake()

    def _wake(self) -> None:
        self.told += 1
        news, self.news = self.news, asyncio.Event()
        news.set()

    def end(self) -> None:
        """Have everybody who waits for news go."""
        self.over.set()
        self._wake()

    def _find(self, address: BusAddress, figures: dict[str, Any]) -> None:
        """Get to know the further processes of an edge, and its brokers."""
        processes = figures.get("processes", 1)
        if address in self._settings.bus and isinstance(processes, int):
            for number in range(1, min(processes, MAX_PROCESSES)):
                self._add(address.of_process(number))
        brokers = figures.get("brokers", ())
        for text in brokers if isinstance(brokers, list | tuple) else ():
            try:
                self._add(parse_bus_address(str(text)), is_broker=True)
            except ConfigError:
                continue

    def _on_fault(self, name: str, fault: str) -> None:
        if fault == SILENT:
            fault = "somebody takes connections there, and says nothing: do the bus keys fit, does it hang?"
        logger.warning("nobody is reached at %s: %s", name, fault)

    def close(self) -> None:
        """Close the sockets."""
        for dealer in self._dealers.values():
            dealer.close()
