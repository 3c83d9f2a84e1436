"""What edge, handler and broker are alike in: a timer, sockets of the bus, files that are read again, an end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import secrets
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import zmq

from slbroker.bus.pauses import Pauses
from slbroker.bus.reach import warn_of_client_port
from slbroker.bus.socketfile import SocketFile
from slbroker.bus.sockets import BusSocket, bind_router, end_context
from slbroker.bus.zap import ZapHandler
from slbroker.errors import ConfigError
from slbroker.logs import look as look_at_log
from slbroker.logs import unlogged
from slbroker.recentlog import RecentLog
from slbroker.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slbroker.bus.address import BusAddress
    from slbroker.filewatch import Watch
    from slbroker.settings.bus import BusSecurity

logger = logging.getLogger(__name__)

DRAIN_MARGIN: Final = 1.0  # seconds beyond the edges' handler timeout that open requests have when a service stops
LAST_MARGIN: Final = 5.0  # seconds beyond it, after which the process ends whatever it is busy with


def unique_name() -> str:
    """Return a name for this process: in containers several may share a host's name and all be process 1."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


class BusService:
    """A process on one asyncio loop, with a timer and its own ZeroMQ context. Each kind says what `look` does."""

    def __init__(
        self,
        ticks: float,
        security: BusSecurity | None = None,
        pauses: Pauses | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ticks` is the time between two calls of `look`, in seconds; `security` is what sockets are bound with."""
        self._clock = clock
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._ticks = ticks
        self._pauses = pauses or Pauses()
        self._zap = ZapHandler(security) if security else None
        self._bound: list[tuple[BusSocket, SocketFile]] = []
        self._followed: list[tuple[Watch, Callable[[], object]]] = []
        self._ticker: asyncio.TimerHandle | None = None
        if self._zap is not None:
            self.follow(self._zap.watch, self._zap.reload)
        self._since = clock()
        self.heir = 0  # the process that takes our place, once it does
        self.is_followed = False  # another one has our place on the bus, and those who look for us find it
        self._id = secrets.token_hex(4)  # in a container that is started again name and process number are as before
        self._log = RecentLog()
        self.reloads = 0  # times that files were read again, well or not

    # Beginning --------------------------------------------------------------------------------------------------

    def bind(
        self,
        address: BusAddress,
        on_message: Callable[[list[bytes]], None],
        on_turn: Callable[[], None],
        on_revoked: Callable[[bytes], None],
        *,
        beside: Sequence[socket.socket] | None = None,
    ) -> BusSocket:
        """Bind a ROUTER of the bus and return it; raise BindError. `beside` is as `bind_router` has it.

        `on_message` gets the frames of each message, `on_turn` is called after the last of a turn, `on_revoked` with
        the identity of a connection whose key is taken away.
        """
        loop, zap = asyncio.get_running_loop(), self._zap
        warn_of_client_port(address)
        if zap is not None and not self._bound:
            zap.start(loop, self._context)
        router = bind_router(self._context, address, zap.pair if zap else None, beside=beside)
        receive = zap.receiver(router, on_revoked) if zap else None
        bus = BusSocket(loop, router, on_message, on_turn, receive)
        self._bound.append((bus, SocketFile(router, address)))
        return bus

    def follow(self, watch: Watch, read: Callable[[], object]) -> None:
        """Call `read` whenever the files of `watch` have changed; what it raises is said as `read_again` says it."""
        self._followed.append((watch, read))

    def begin(self) -> None:
        """Serve from now on: all is there. What has been made so far stays; the collector need not look at it again."""
        self._log.begin()
        self._tick()
        gc.collect()
        gc.freeze()

    def _tick(self) -> None:
        self._ticker = asyncio.get_running_loop().call_later(self._ticks, self._tick)
        now = self._clock()
        if not self.is_followed:
            for _bus, file in self._bound:
                file.look(now)
        for watch, read in self._followed:
            if watch.changed(now):
                read_again(read)
        self.look(now)
        look_at_log(now)

    def look(self, now: float) -> None:
        """Do what time brings."""
        raise NotImplementedError

    def life(self) -> dict[str, Any]:
        """Return what every process tells; `uptime` in seconds, `resident` in bytes, `log` as `RecentLog` has it.

        `unlogged` is how many log lines nobody read, or no disk took.

        `id` is of this process alone, by whatever address it is asked.
        """
        return {
            "id": self._id,
            "version": VERSION,
            "uptime": round(self._clock() - self._since, 3),
            "reloads": self.reloads,
            **({"resident": resident} if (resident := _resident()) else {}),
            "unlogged": unlogged(),
            **({"log": lines} if (lines := self._log.lines()) else {}),
        }

    # Ending -----------------------------------------------------------------------------------------------------

    def reload_clients(self) -> None:
        """Read again who may connect to the sockets that are bound; on an error keep the old ones."""
        if self._zap is not None:
            read_again(self._zap.reload, "the old ones stay in use")

    async def until(self, is_done: Callable[[], bool], most: float) -> bool:
        """Wait until something is so, for `most` seconds at most; return whether it is."""
        end = time.monotonic() + most
        while not is_done() and time.monotonic() < end:
            await asyncio.sleep(self._ticks / 5)
        return is_done()

    def end(self) -> bool:
        """Let go of timer and ZeroMQ, when all other sockets are closed; return whether the service had begun."""
        if self._ticker is not None:
            self._ticker.cancel()
        self._log.end()
        for bus, _file in self._bound:
            bus.close()
        if self._zap is not None:
            self._zap.close()
        end_context(self._context)
        return self._ticker is not None


def _resident() -> int:
    """Return how many bytes of memory this process has in RAM, 0 where that is not told."""
    try:
        with Path("/proc/self/statm").open("rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def read_again(read: Callable[[], object], kept: str = "the old one stays in use") -> bool:
    """Read a file again that may have changed; return whether that was possible. If not, say why, and what is kept."""
    try:
        read()
    except ConfigError as error:
        logger.error("not reloaded, %s: %s", kept, error)
        return False
    return True
