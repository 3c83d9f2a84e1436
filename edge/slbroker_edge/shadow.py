"""A shadow pool: workers that get a copy of the traffic, and whose answers are compared and counted, never sent.

So a new version of a plugin meets real requests before it answers any.
"""

from __future__ import annotations

import logging
import zlib
from enum import Enum
from typing import TYPE_CHECKING, Final

from slbroker.bus.choice import Choice
from slbroker.bus.jobs import Job
from slbroker.bus.routes import RECORDERS
from slbroker.logline import event, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.bus.dispatcher import Cause, Dispatcher
    from slbroker.bus.envelope import Answer

logger = logging.getLogger(__name__)

LOG_INTERVAL: Final = 1.0  # seconds between two lines that tell of a difference
HUNDRED: Final = 100.0


class Silence(Enum):
    """Why there is no answer to compare."""

    PENDING = "not yet"
    GIVEN_UP = "never"


class ShadowJob(Job):
    """The copy of a request, with both answers as they come."""

    __slots__ = ("original", "theirs")

    def __init__(self, original: Job, choice: Choice) -> None:
        super().__init__(original.reading, b"", choice, original.size)
        self.original: Answer | Silence = Silence.PENDING
        self.theirs: Answer | Silence = Silence.PENDING


class Shadow:
    """Copies requests, keeps the two answers of each until both are there, and counts how they compare.

    copied == same + status + content + unanswered + recorded + in flight, at any instant.
    """

    def __init__(self, pool: str, percent: float = HUNDRED) -> None:
        """`percent` of the calls are copied; all requests of a call or none."""
        self.pool = pool
        self.copied = 0
        self.same = 0  # the same bytes
        self.status = 0  # another status; or a reply on one side, silence on the other, or what goes on
        self.content = 0  # the same status, other bytes; or both go on, elsewhere or otherwise
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

    def copy(self, job: Job) -> ShadowJob | None:
        """Return the copy of a job, which is for the shadow pool; None for one whose call is not copied."""
        if zlib.crc32(job.reading.call_id) >= self._threshold:
            return None
        self.copied += 1
        self.open += 1
        copy = self._copies[job.number] = ShadowJob(job, self._choice)
        return copy

    def note_copy(self, copy: ShadowJob, answer: Answer | Silence, now: float) -> None:
        """Take note of what a shadow worker has answered, or that none has."""
        self.open -= 1
        copy.theirs = answer
        self._compare(copy, now)

    def note_original(self, job: Job, answer: Answer | Silence, now: float) -> None:
        """Take note of what a request was answered with, or that no worker has answered it."""
        copy = self._copies.pop(job.number, None)
        if copy is not None:
            copy.original = answer
            self._compare(copy, now)

    def _compare(self, copy: ShadowJob, now: float) -> None:
        original, theirs = copy.original, copy.theirs
        if Silence.PENDING in (original, theirs):
            return
        if Silence.GIVEN_UP in (original, theirs):
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
        self._quiet_until, reading = now + LOG_INTERVAL, copy.reading
        logger.info(
            "shadow %s answers otherwise: %s %s, Call-ID %s: %s, not %s",
            self.pool, shown(reading.method), shown(reading.uri), shown(reading.call_id),
            _shown(_statuses(copy.theirs)), _shown(_statuses(copy.original)),
            extra=event("shadow-differs", pool=self.pool, method=reading.method, call_id=reading.call_id),
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


def _statuses(answer: Answer | Silence) -> list[bytes]:
    """Return the status lines of an answer, without `SIP/2.0`; of what goes on that it does, wherever that is."""
    if isinstance(answer, dict):
        return [b"goes on"]
    replies = answer if isinstance(answer, tuple) else (answer,)
    return [reply[8:].partition(b"\r\n")[0] for reply in replies if isinstance(reply, bytes)]


def _shown(lines: list[bytes]) -> str:
    return ", ".join(map(shown, lines)) or "nothing"


class Shadowed:
    """A dispatcher to those who give it requests, where requests are copied: of the copies they see nothing."""

    def __init__(self, dispatcher: Dispatcher[Job], shadow: Shadow) -> None:
        self._dispatcher = dispatcher
        self._shadow = shadow

    @property
    def in_flight(self) -> int:
        """Return how many of the jobs submitted have not ended."""
        return self._dispatcher.in_flight - self._shadow.open

    def submit(self, job: Job, now: float) -> None:
        """Do as `Dispatcher.submit`; of what workers get unasked, a copy goes to shadow workers."""
        self._dispatcher.submit(job, now)
        pool = self._dispatcher.pools.get(self._shadow.pool)
        if not job.asks and pool is not None and pool.accounts and (copy := self._shadow.copy(job)) is not None:
            self._dispatcher.submit(copy, now)

    def submit_all(self, jobs: list[Job], now: float) -> None:
        """Do as `submit` for each."""
        for job in jobs:
            self.submit(job, now)

    def receive(self, identity: bytes, frames: Sequence[bytes], now: float) -> list[tuple[Job, Answer]]:
        """Do as `Dispatcher.receive`."""
        originals = []
        for job, answer in self._dispatcher.receive(identity, frames, now):
            if isinstance(job, ShadowJob):
                self._shadow.note_copy(job, answer, now)
            else:
                self._shadow.note_original(job, answer, now)
                originals.append((job, answer))
        return originals

    def take_ended(self) -> list[tuple[Job, Cause]]:
        """Do as `Dispatcher.take_ended`."""
        originals = []
        for job, cause in self._dispatcher.take_ended():
            if isinstance(job, ShadowJob):
                self._shadow.note_copy(job, Silence.GIVEN_UP, 0.0)  # without an answer nothing is told
            else:
                self._shadow.note_original(job, Silence.GIVEN_UP, 0.0)  # without an answer nothing is told
                originals.append((job, cause))
        return originals
