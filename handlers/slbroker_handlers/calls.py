"""The async handlers that run: how long each is open, and what becomes of those that nobody waits for."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from slbroker.plugin.faults import GIVEN_UP

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from slbroker.bus.items import Item
    from slbroker.bus.losses import Losses

logger = logging.getLogger(__name__)

SAY_AGAIN: Final = 10.0  # seconds between two lines that say how many are open
# How long a call may go on after its edge has given its request to another worker, as a multiple of that time: then it
# has given that one up too, and answered.
GRACE: Final = 1.0


# A request, since when it is open, and by which link it came; a plain tuple, for there is one for each request.
Call: TypeAlias = "tuple[Item, float, Any]"


class Calls:
    """The tasks of the async handlers, the oldest first."""

    def __init__(self, losses: Losses, name_of: Callable[[Item], str], give_up: Callable[[Any, int], None]) -> None:
        """`name_of` returns the handler of a request, for a log line.

        `give_up` is told the link and number of a request that is not answered any more.
        """
        self.tasks: dict[asyncio.Task[None], Call] = {}
        self._losses = losses
        self._name_of = name_of
        self._give_up = give_up
        self._kept: set[asyncio.Task[None]] = set()  # told of: their edges wait no longer
        self._silent_until = 0.0

    def add(self, task: asyncio.Task[None], call: Call) -> None:
        """Keep a task until it is done; the loop itself has only a weak reference."""
        self.tasks[task] = call
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self.tasks.pop(task, None)
        self._kept.discard(task)

    def look(self, now: float, timeout: float) -> None:
        """Tell of calls that are open for longer than `timeout` seconds, when edges wait no longer; end the oldest."""
        old = list(self._older_than(now - timeout))
        for task, call in old:
            if task not in self._kept:
                self._kept.add(task)
                self._tell(call, now, "kept", "is open for %.3g s; its edge gives it to another worker", timeout)
        if old and now >= self._silent_until:
            self._silent_until = now + SAY_AGAIN
            names = Counter(self._name_of(item) for _task, (item, _since, _link) in old)
            for name, count in names.most_common(4):
                logger.warning("%d calls of %s are open longer than %.3g s", count, name, timeout)
        for task, call in list(self._older_than(now - timeout * (1 + GRACE))):
            item, since, link = call
            self._tell(call, now, "ended", "is cancelled after %.3g s: its edge has long answered", now - since)
            self._give_up(link, item.number)
            self._forget(task)
            task.cancel(GIVEN_UP)

    def make_up(self, pause: float, now: float) -> None:
        """Let so many seconds, in which the machine was paused, have been none for calls, as their edges do."""
        self.tasks = {task: (item, min(since + pause, now), link) for task, (item, since, link) in self.tasks.items()}

    def names(self) -> str:
        """Return whose calls are open, those with the most first."""
        counts = Counter(self._name_of(item) for item, _since, _link in self.tasks.values())
        return " or ".join(name for name, _count in counts.most_common(3))

    def _older_than(self, since: float) -> Iterator[tuple[asyncio.Task[None], Call]]:
        for task, call in self.tasks.items():
            if call[1] >= since:
                return
            yield task, call

    def _tell(self, call: Call, now: float, cause: str, words: str, *arguments: object) -> None:
        item = call[0]
        self._losses.request(
            cause, now, item.method, item.message.call_id, f"handler %s {words}", self._name_of(item), *arguments,
            happened=f"request-{cause}", handler=self._name_of(item), duration=now - call[1],
        )  # fmt: skip

    def tell_of_gone(self, link: object, edge: str, now: float) -> None:
        """Tell which calls go on for nobody: their edge, in words, has gone, or does not know of them any more."""
        for call in self.tasks.values():
            if call[2] is link:
                self._tell(call, now, "gone", "is open, and nobody waits for its answer: %s", edge)

    def tell_of_stop(self, now: float) -> None:
        """Tell which calls end unanswered because the worker does."""
        for call in self.tasks.values():
            self._tell(call, now, "stopped", "is ended with its worker; the edge tries another one")

    def close(self) -> None:
        """Cancel all."""
        for task in self.tasks:
            task.cancel(GIVEN_UP)
