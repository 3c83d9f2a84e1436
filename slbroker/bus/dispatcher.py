"""The edge's end of the bus: which worker gets which request, and what becomes of those that no worker answers.

Pure: envelopes and `now` (seconds, monotonic) come in, envelopes go out. Every job that is submitted ends once: in the
answers of `receive`, or in `ended` with a cause. The accounts of single workers are in `account`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic

from slbroker.bus import envelope
from slbroker.bus.account import Account, JobT
from slbroker.bus.envelope import MAX_BATCH, Answer, Kind
from slbroker.errors import EnvelopeError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_WORKERS = 4_096  # accounts; a peer that says HELLO for ever gains nothing


@dataclass(frozen=True, slots=True)
class DispatchSettings:
    """What an operator may set of the dispatcher; times in seconds."""

    max_waiting: int = 4_096  # requests that wait for credit
    max_wait: float = 0.5  # how long one waits: SIP's T1, when an unanswered UDP client repeats itself
    handler_timeout: float = 5.0  # how long a worker may keep a request
    max_tries: int = 2  # workers that get a request before it fails
    heartbeat: float = 0.25  # between two signs of life to every worker
    liveness: float = 10.0  # a worker silent for so long is gone; a blocking handler is silent while it runs


class Cause(Enum):
    """Why a job ended without an answer."""

    NO_WORKER = "no worker"
    NO_CREDIT = "no credit"
    NO_ANSWER = "no answer"


class Dispatcher(Generic[JobT]):
    """Keeps every request until it is answered, and gives it to the worker with the most free credit."""

    def __init__(
        self, name: str, first_id: int, settings: DispatchSettings, info: dict[str, Any] | None = None
    ) -> None:
        """`first_id` should be random, so that an answer to an edge's former life matches nothing."""
        self.name = name
        self.settings = settings
        self.workers: dict[bytes, Account[JobT]] = {}
        self.waiting: deque[JobT] = deque()
        self.open = 0  # jobs at workers
        self.late = 0  # answers that came after their job had ended, or twice
        self.garbage = 0  # envelopes that could not be read
        self.ended: list[tuple[JobT, Cause]] = []
        self.asked: list[bytes] = []  # peers that wait for FIGURES
        self._welcome = {"edge": name, "heartbeat": settings.heartbeat, **(info or {})}
        self._next_id = first_id
        self._outgoing: list[tuple[bytes, list[bytes]]] = []
        self._turn = 0
        self._next_heartbeat = -math.inf
        self._leaving = False

    # What comes from SIP ----------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Return how many submitted jobs have not ended."""
        return self.open + len(self.waiting)

    def takes(self, method: bytes) -> bool:
        """Return whether a worker asked for `method`, one of those not handed out unasked (ACK, CANCEL)."""
        return any(method in account.takes for account in self.workers.values())

    def submit(self, job: JobT, now: float) -> None:
        """Take a job on; `send` puts it on the bus. With no worker or too many waiting it ends at once."""
        job.queued = now
        job.number = self._next_id
        self._next_id += 1
        if not self.workers:
            self.ended.append((job, Cause.NO_WORKER))
        elif len(self.waiting) >= self.settings.max_waiting:
            self.ended.append((job, Cause.NO_CREDIT))
        else:
            self.waiting.append(job)

    # What goes to the bus ---------------------------------------------------------------------------------------

    def send(self, now: float) -> list[tuple[bytes, list[bytes]]]:
        """Return (worker identity, frames) to put on the bus now: waiting requests as far as there is credit."""
        while self.waiting and not self._leaving and self._assign(now):
            pass
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def _assign(self, now: float) -> bool:
        """Give each worker at most a batch; return whether any got one, for then a further round may find credit."""
        given = False
        ready = [account for account in self.workers.values() if account.free > 0]
        ready.sort(key=_freest_first)
        self._turn += 1
        for position, account in enumerate(ready):
            share = -(-len(self.waiting) // (len(ready) - position))  # an even share, rounded up
            batch = self._take_for(account, min(share, account.free, MAX_BATCH))
            if batch:
                account.give(batch, now, self._turn)
                self.open += len(batch)
                items = [(job.number, job.message, job.source) for job in batch]
                self._outgoing.append((account.identity, envelope.encode_requests(items)))
                given = True
            if not self.waiting:
                break
        return given

    def _take_for(self, account: Account[JobT], most: int) -> list[JobT]:
        """Return up to `most` waiting jobs that `account` may have; the others keep their places."""
        batch: list[JobT] = []
        passed_over: list[JobT] = []
        while self.waiting and len(batch) < most:
            job = self.waiting.popleft()
            fits = (not job.asks or job.asks in account.takes) and job.last_worker is not account
            fits = fits and job.number not in account.overdue
            (batch if fits else passed_over).append(job)
        self.waiting.extendleft(reversed(passed_over))
        return batch

    # What comes from the bus ------------------------------------------------------------------------------------

    def receive(self, identity: bytes, frames: Sequence[bytes], now: float) -> list[tuple[JobT, Answer]]:
        """Take one envelope from a worker; return the jobs that it ends. Garbage is counted, nothing more."""
        try:
            head = envelope.decode_head(frames)
            if head.kind is Kind.REPLIES:
                return self._replies(identity, envelope.decode_replies(frames[1]), now)
            self._control(head.kind, identity, envelope.decode_info(frames[1]), now)
        except EnvelopeError:
            self.garbage += 1
        return []

    def _replies(self, identity: bytes, answers: list[tuple[int, Answer]], now: float) -> list[tuple[JobT, Answer]]:
        account = self.workers.get(identity)
        if account is None:
            self.late += len(answers)
            self._say(identity, Kind.WHO)
            return []
        ended = account.settle(answers, now)
        self.open -= len(ended)
        self.late += len(answers) - len(ended)
        self._close_if_done(account)
        return ended

    def _control(self, kind: Kind, identity: bytes, info: dict[str, Any], now: float) -> None:
        match kind:
            case Kind.HELLO:
                self._hello(identity, info, now)
            case Kind.HEARTBEAT:
                self._heartbeat(identity, now)
            case Kind.GOODBYE:
                self._goodbye(identity, now)
            case Kind.STATS:
                self.asked.append(identity)
            case _:
                raise EnvelopeError(f"{kind.name} is not for an edge")

    def _hello(self, identity: bytes, info: dict[str, Any], now: float) -> None:
        known = self.workers.get(identity)
        if known is None:
            if len(self.workers) >= MAX_WORKERS:
                raise EnvelopeError("too many workers")
            account: Account[JobT] = Account.from_hello(identity, info, now)
            self._forget_namesakes(account, now)
            self.workers[identity] = account
        else:
            known.heard = now
            known.leaving = False
        self._say(identity, Kind.WELCOME, self._welcome)
        if self._leaving:
            self._say(identity, Kind.GOODBYE)

    def _forget_namesakes(self, account: Account[JobT], now: float) -> None:
        """A worker that comes back under its name has a new identity: its old account's jobs will not be answered."""
        for other in [other for other in self.workers.values() if other.name == account.name]:
            self.lose(other.identity, now)

    def _heartbeat(self, identity: bytes, now: float) -> None:
        account = self.workers.get(identity)
        if account is None:
            self._say(identity, Kind.WHO)
        else:
            account.heard = now

    def _goodbye(self, identity: bytes, now: float) -> None:
        """Stop giving; the GOODBYE that goes back tells the worker that no batch is still on its way."""
        self._say(identity, Kind.GOODBYE)
        account = self.workers.get(identity)
        if account is not None:
            account.heard = now
            account.leaving = True
            self._close_if_done(account)

    def _close_if_done(self, account: Account[JobT]) -> None:
        if account.leaving and not account.open:
            self.workers.pop(account.identity, None)

    def _say(self, identity: bytes, kind: Kind, info: dict[str, Any] | None = None) -> None:
        self._outgoing.append((identity, envelope.encode(kind, info)))

    # Time and loss ----------------------------------------------------------------------------------------------

    def lose(self, identity: bytes, now: float) -> None:
        """Forget a worker that cannot be reached or went silent; its open jobs go to another one, or end."""
        account = self.workers.pop(identity, None)
        if account is None:
            return
        jobs = list(account.open.values())
        account.open.clear()
        self.open -= len(jobs)
        self._give_back(jobs, now)

    def _give_back(self, jobs: list[JobT], now: float) -> None:
        """Let jobs wait for another worker; where there is none, one may come back in time."""
        for job in reversed(jobs):  # the oldest ends up in front
            if job.tries < self.settings.max_tries:
                job.queued = now
                self.waiting.appendleft(job)
            else:
                self.ended.append((job, Cause.NO_ANSWER))

    def expire(self, now: float) -> None:
        """Do what is due at `now`: heartbeats, silent workers, overdue and over-aged jobs."""
        settings = self.settings
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + settings.heartbeat
            for identity in self.workers:
                self._say(identity, Kind.HEARTBEAT)
        for account in list(self.workers.values()):
            if now - account.heard > settings.liveness:
                self.lose(account.identity, now)
            elif overdue := account.take_overdue(now - settings.handler_timeout):
                self.open -= len(overdue)
                self._give_back(overdue, now)
                self._close_if_done(account)
        if self.waiting:
            self._expire_waiting(now - settings.max_wait)

    def _expire_waiting(self, queued_before: float) -> None:
        """End the jobs that wait since before that moment; one that a worker lost is in front, but not the oldest."""
        aged = [job for job in self.waiting if job.queued < queued_before]
        if aged:
            self.waiting = deque(job for job in self.waiting if job.queued >= queued_before)
            self.ended += [(job, Cause.NO_ANSWER if job.tries else Cause.NO_CREDIT) for job in aged]

    def next_deadline(self) -> float:
        """Return when `expire` wants to be called again at the latest; heartbeats make it at most 0.25 s from now."""
        return self._next_heartbeat

    def leave(self) -> None:
        """Tell the workers that no more requests will come."""
        self._leaving = True
        for identity in self.workers:
            self._say(identity, Kind.GOODBYE)

    # What others may know ---------------------------------------------------------------------------------------

    def tell(self, identity: bytes, figures: dict[str, Any]) -> None:
        """Answer a peer that is in `asked`."""
        self._say(identity, Kind.FIGURES, figures)

    def figures(self) -> list[dict[str, Any]]:
        """Return each worker's name, pool, credit, open and answered requests."""
        return [account.figures() for account in self.workers.values()]


def _freest_first(account: Account[Any]) -> tuple[int, int]:
    return -account.free, account.turn  # equals take turns
