"""An edge process that takes another one's place, and leaves its own to the next, as `takeover` and `handover` ask."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import time
from typing import TYPE_CHECKING, Final

from slbroker.errors import TakeoverError
from slbroker.service import BusService

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from slbroker.settings.edge import EdgeSettings
    from slbroker_edge.edge import Edge
    from slbroker_edge.fdstore import FdStore
    from slbroker_edge.sockets import Sockets
    from slbroker_edge.takeover import Heirloom, Takeover

logger = logging.getLogger("slbroker_edge.service")

WORKER_TIME: Final = 1.0  # seconds that a first worker has to come to an edge that was restarted with its sockets
WORKERS_TIME: Final = 2.0  # seconds that the workers of an edge whose place we take have to come, all of them


class Successive(BusService):
    """What of an edge process concerns the one before it and the one behind it."""

    edge: Edge
    settings: EdgeSettings
    _sockets: Sockets
    _takeover: Takeover | None
    _left: Sequence[socket.socket] = ()  # sockets that another process reads from now on
    serve_on: Callable[[int], None] | None = None  # tells our parent that a process which was to follow us has gone
    has_parent: Callable[[], bool] | None = None  # tells whether our parent lives, where we have one
    store: FdStore | None = None  # what systemd has kept for us, and keeps for the next one
    _is_ending = False
    _is_announced = False  # the other edge, to our workers

    def _turn(self) -> None:
        """End a turn of the loop."""
        raise NotImplementedError

    async def wait_for_workers(self, heirloom: Heirloom | None) -> None:
        """Wait for the workers of the edge whose place we take; until then that edge serves on.

        Where it is systemd that has its sockets, wait shortly for a first one: they look for us several times a second.

        One that is busy in its handler comes when it is free: all are waited for shortly, a first one for longer.
        Raises TakeoverError where none comes, as when the bus has other keys now: that edge goes on having them.
        """
        workers = self.edge.dispatcher.workers
        if heirloom is None:
            if self.store is not None and self.store.has_some:
                await self.until(lambda: bool(workers), WORKER_TIME)
            return
        count = await asyncio.to_thread(heirloom.workers)
        if not await self.until(lambda: len(workers) >= count, WORKERS_TIME) and not heirloom.is_alone:
            await self.until(lambda: bool(workers), self.settings.dispatch.handler_timeout)
            if not workers:
                raise TakeoverError(
                    f"not taking over: none of the {count} workers of the edge there comes to bus {self.settings.bus};"
                    " are address and keys still those that they know?"
                )
        logger.info("%d of the %d workers of the edge before are here", len(workers), count)

    async def have_place(self) -> None:
        """Let those before us go, now that we serve: as we go on doing while one of them takes its time."""
        if self._takeover is not None and self.settings.processes == 1:
            await asyncio.to_thread(self._takeover.finish)
        if self.store is not None:
            self.store.let_go()

    def sockets(self) -> Sequence[socket.socket]:
        """Return what is listened on, for an edge that takes our place."""
        return self._sockets.sockets()

    def bus_sockets(self) -> Sequence[socket.socket]:
        """Return what we listen with for workers, each once more, if that is a TCP port."""
        if self.settings.bus.path:
            return ()
        from slbroker.bus.beside import listening, share  # noqa: PLC0415 - few edges are followed by one

        found = listening(self.settings.bus.of_process(self.settings.process).port)
        share(found)
        return found

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return len(self.edge.dispatcher.workers)

    @property
    def is_interim(self) -> bool:
        """Whether our parent has died before it had the place of the edge there, which serves on."""
        return (
            self.has_parent is not None
            and self._takeover is not None
            and not (self.has_parent() or self._takeover.is_over)
        )

    def hold(self) -> None:
        """Leave our address on the bus to another edge, which may be binding it already."""
        self.is_followed = True

    def introduce(self) -> None:
        """Tell the workers that another edge has our address."""
        if not self._is_announced:
            self._is_announced = True
            self.edge.dispatcher.announce(time.monotonic(), successor=secrets.token_hex(8))
            self._turn()

    def go_on(self, process: int) -> None:
        """Take our place again, since that process does not."""
        self.is_followed = False
        if self._is_announced:
            self._is_announced = False
            self.edge.dispatcher.announce(time.monotonic(), successor="")
        if self.serve_on is not None:
            self.serve_on(process)

    def stop_reading(self) -> None:
        """Read no more, but what is there of what nobody else is to read."""
        if self.store is not None and not self.heir and self.store.keep(sockets := self._sockets.sockets()):
            self._sockets.leave(sockets)  # whoever knocks there is the next one's
        self._sockets.stop(self._left)

    def leave_to(self, process: int, taken: Sequence[socket.socket]) -> None:
        """End as at SIGTERM, but leave what waits at the sockets `taken` to that process."""
        logger.info("process %d has taken our place", process)
        self.heir, self._left = process or -1, taken
        self.edge.draining = False  # nobody is to look elsewhere: what comes until we stop reading is answered
        self._sockets.leave(taken)
        if not self._is_ending:  # a second signal would have it end at once
            os.kill(os.getpid(), signal.SIGTERM)
