"""A shadow pool: workers that get a copy of the traffic, and whose answers are compared and counted, never sent.

So a new version of a plugin meets real requests before it answers any.
"""

from __future__ import annotations

import logging
import zlib
from typing import TYPE_CHECKING, Final, TypeAlias

from slbroker.bus.choice import Choice
from slbroker.bus.jobs import Job
from slbroker.bus.routes import RECORDERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slbroker.bus.dispatcher import Dispatcher
    from slbroker.bus.envelope import Answer

logger = logging.getLogger(__name__)

LOG_INTERVAL: Final = 1.0  # seconds between two lines that tell of a difference
HUNDRED: Final = 100.0

# An answer, or NOTHING YET.
_Given: TypeAlias = "Answer | object"
_PENDING: Final = object()
_NONE: Final = object()  # given up: there is no answer to compare


class ShadowJob(Job):
    """The copy of a request, with both answers as they come."""

    __slots__ = ("original", "theirs")

    def __init__(self, original: Job, choice: Choice) -> None:
        super().__init__(original.reading, b"", choice, original.size)
        self.original: _Given = _PENDING
        self.theirs: _Given = _PENDING


class Shadow:
    """Copies requests, keeps the two answers of each until both are there, and counts how they compare.

    copied == same + status + content + unanswered + recorded + in flight, at any instant.
    """

    def __init__(self, pool: str, percent: float = HUNDRED) -> None:
        """`percent` of the calls are copied; all requests of a call or none."""
        self.pool = pool
        self.copied = 0
        self.same = 0  # the same bytes
        self.status = 0  # another status; or a reply on one side, silence on the other
        self.content = 0  # the same status, other bytes
        self.recorded = 0  # seen by `slbroker record`, which answers none: there is nothing to compare
        self.unanswered = 0  # no answer from the shadow pool, or none from the workers
        self._choice = Choice((pool,), (1,))
        self._threshold = int(percent / HUNDRED * 2**32)
        self.open = 0  # copies that the dispatcher has
        self._copies: dict[int, ShadowJob] = {}  # by the number of the original
        self._quiet_until = 0.0

    @property
    def in_flight(self) -> int:
        """Return how many copies have not been compared."""
        return self.copied - self.same - self.status - self.content - self.unanswered - self.recorded

    def copy(self, job: Job, dispatcher: Dispatcher[Job], now: float) -> None:
        """Give a copy of a job that has just been submitted to the shadow pool, if that has workers."""
        pool = dispatcher.pools.get(self.pool)
        if pool is None or not pool.accounts or zlib.crc32(job.reading.call_id) >= self._threshold:
            return
        copy = self._copies[job.number] = ShadowJob(job, self._choice)
        self.copied += 1
        self.open += 1
        dispatcher.submit(copy, now)

    def answered(self, ended: Iterable[tuple[ShadowJob, Answer]], now: float) -> None:
        """Take the shadow workers' answers."""
        for copy, answer in ended:
            self._shadow(copy, answer, now)

    def gave_up(self, copy: ShadowJob, now: float) -> None:
        """Take note that no shadow worker answered."""
        self._shadow(copy, _NONE, now)

    def _shadow(self, copy: ShadowJob, answer: _Given, now: float) -> None:
        self.open -= 1
        copy.theirs = answer
        self._compare(copy, now)

    def original_answered(self, job: Job, answer: Answer, now: float) -> None:
        """Take what a request was answered with."""
        self._original(job, answer, now)

    def original_gave_up(self, job: Job, now: float) -> None:
        """Take note that no worker answered a request."""
        self._original(job, _NONE, now)

    def _original(self, job: Job, answer: _Given, now: float) -> None:
        copy = self._copies.pop(job.number, None)
        if copy is not None:
            copy.original = answer
            self._compare(copy, now)

    def _compare(self, copy: ShadowJob, now: float) -> None:
        original, theirs = copy.original, copy.theirs
        if original is _PENDING or theirs is _PENDING:
            return
        if original is _NONE or theirs is _NONE:
            self.unanswered += 1
        elif self.pool == RECORDERS and theirs is None:
            self.recorded += 1
        elif original == theirs:
            self.same += 1
        else:
            if _statuses(original) == _statuses(theirs):
                self.content += 1
            else:
                self.status += 1
            self._tell(copy, now)

    def _tell(self, copy: ShadowJob, now: float) -> None:
        if now < self._quiet_until:
            return
        self._quiet_until = now + LOG_INTERVAL
        logger.info(
            "shadow %s answers otherwise: %r %r, Call-ID %r: %r, not %r",
            self.pool, copy.reading.method, copy.reading.uri, copy.reading.call_id,
            _statuses(copy.theirs), _statuses(copy.original),
        )  # fmt: skip

    def figures(self) -> dict[str, int | str]:
        """Return the counters by name."""
        return {
            "pool": self.pool,
            "copied": self.copied,
            "same": self.same,
            "status": self.status,
            "content": self.content,
            "unanswered": self.unanswered,
            "recorded": self.recorded,
            "in_flight": self.in_flight,
        }


def _statuses(answer: _Given) -> list[bytes]:
    """Return the status lines of an answer, without `SIP/2.0`."""
    replies = answer if isinstance(answer, tuple) else (answer,)
    return [reply[8:].partition(b"\r\n")[0] for reply in replies if isinstance(reply, bytes)]
