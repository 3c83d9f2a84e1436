"""Waiting to be next: others may be taking the place of the same edge, and one that dies at it leaves nobody behind.

Each of them is refused while another has the sockets (`handover`); who asks again is served when that one has gone, or
by that one, when it has the place.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from slbroker.errors import ConfigError
from slbroker.version import VERSION
from slbroker_edge.takeover import Busy, Gone, Predecessor, Takeover, path_of

if TYPE_CHECKING:
    from pathlib import Path

    from slbroker.settings.edge import EdgeSettings

logger = logging.getLogger(__name__)

OTHERS_TIME: Final = 10.0  # seconds that others have who are at it already; beside workers that block they take seven
BACK_TIME: Final = 0.5  # seconds in which an edge that another one had nearly followed listens again
LOOK_AGAIN: Final = 0.05  # seconds between two looks at who is there


def take_over(settings: EdgeSettings) -> Takeover | None:
    """Fetch the sockets of the edge that is there; None, and a line in the log, where there is none.

    Raises TakeoverError where there is one that does not give them.
    """
    path = path_of(settings, 0)
    if path is None:
        raise ConfigError(f"--takeover: where is the edge with bus {settings.bus}? say --takeover-path to both")
    queue = _Queue(settings)
    first = queue.fetch(path, 0)
    if first is None:
        logger.info("nobody to take over from at %s: starting as usual", path)
        return None
    # One that is missing is being started again, and has nothing to give.
    further = [queue.fetch(path_of(settings, number) or path, number) for number in range(1, first.processes)]
    predecessors = [first, *(each for each in further if each is not None)]
    logger.info(
        "taking over %d sockets of an edge with %d processes, of slbroker %s; this is %s",
        sum(len(each.sockets) for each in predecessors), len(predecessors), first.version, VERSION,
    )  # fmt: skip
    return Takeover(settings, predecessors)


class _Queue:
    """The wait for others, so long for all of them together."""

    def __init__(self, settings: EdgeSettings) -> None:
        self._settings = settings
        self._until = time.monotonic() + OTHERS_TIME
        self._back_by = 0.0  # when an edge that was there must be there again
        self._named = -1

    def fetch(self, path: Path, number: int) -> Predecessor | None:
        """Return process `number` of the edge, with its sockets; None where it is not there."""
        while True:
            found = Predecessor.find(path, number)
            try:
                if found is not None:
                    found.fetch(self._settings.processes)
                    return found
                if not number:
                    self._look_for_second()
            except Gone as gone:
                logger.warning("%s before it has given its sockets", gone)
                self._back_by = time.monotonic() + BACK_TIME
            except Busy as busy:
                self._wait_for(busy)
            if found is None and time.monotonic() >= self._back_by:
                return None
            time.sleep(LOOK_AGAIN)

    def _look_for_second(self) -> None:
        """Raise Busy where the edge is there, and its first process is not."""
        path = path_of(self._settings, 1)
        second = Predecessor.find(path, 1) if path is not None else None
        if second is not None:
            second.hang_up()
            raise Busy(f"cannot take over: the edge at {path} is there, but its first process is not")

    def _wait_for(self, busy: Busy) -> None:
        """Say for whom we wait; raise `busy` when it has been long enough."""
        now = time.monotonic()
        if now >= self._until:
            raise busy
        self._back_by = now + BACK_TIME
        if busy.process != self._named:
            self._named = busy.process
            logger.info("waiting, for %.0f s at most: %s", self._until - now, busy)
