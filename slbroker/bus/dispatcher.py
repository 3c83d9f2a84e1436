"""The edge's end of the bus: which worker gets which request, and what becomes of those that no worker answers.

Pure: envelopes and `now` (seconds, monotonic) come in, envelopes go out. Every job that is submitted ends once: in the
answers of `receive`, or in `ended` with a cause. Who the workers are is said in `roster`, who is next in a pool in
`pool`, what is known of a single worker in `account`.
"""

from __future__ import annotations

import math
from enum import Enum
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Generic

from slbroker.bus import envelope
from slbroker.bus.account import JobAccount
from slbroker.bus.choice import ANY, DEFAULT_POOL
from slbroker.bus.envelope import Answer, Kind
from slbroker.bus.jobs import JobT, number_jobs
from slbroker.bus.pool import JobPool
from slbroker.bus.roster import Roster
from slbroker.counting import SIZES, Spread
from slbroker.errors import EnvelopeError
from slbroker.logline import shown

if TYPE_CHECKING:
    from slbroker.bus.account import Offer
    from slbroker.bus.choice import Choice
    from slbroker.bus.envelope import Head
    from slbroker.bus.roster import Outgoing
    from slbroker.settings.dispatch import DispatchSettings


# Seconds behind a pause of ours in which those workers come back that have given us up; and seconds from one such to
# the next, or a request whose workers die of it would go round for as long as we are held up again and again.
EXCUSED: Final = 1.0
EXCUSED_AGAIN: Final = 10.0


class Cause(Enum):
    """Why a job ended without an answer."""

    NO_WORKER = "no worker"
    NO_CREDIT = "no credit"
    NO_ANSWER = "no answer"


class Dispatcher(Roster[JobAccount[JobT], JobPool[JobT], tuple[JobT, Answer]], Generic[JobT]):
    """Keeps every request until it is answered, and gives it to a worker of its pool."""

    def __init__(
        self, name: str, first_id: int, settings: DispatchSettings, info: dict[str, Any] | None = None
    ) -> None:
        """`first_id` should be random, so that an answer to an edge's former life matches nothing.

        `info` is what WELCOME says besides.
        """
        welcome = {"handler_timeout": settings.handler_timeout, "closes": True} | (info or {})
        super().__init__(name, settings, "here", self._account_of, JobPool, **welcome)
        self.settings = settings
        self.pools[DEFAULT_POOL] = JobPool(DEFAULT_POOL)
        self.retried = 0  # jobs given to a further worker
        self.batches = Spread(SIZES)  # how many items went out together
        self.ended: list[tuple[JobT, Cause]] = []
        self.memos: list[tuple[JobT, Answer, bytes]] = []  # answers that may be remembered
        self.reasons: dict[int, str] | None = None  # where somebody asks: why jobs were given up, by their numbers
        self.restaffed: set[str] = set()  # pools to which workers have come, or from which they have gone
        self.traces: list[tuple[bytes, dict[str, Any]]] = []  # peers that have said TRACE, and what
        self.lookers: dict[bytes, int] = {}  # peers that wait for recent requests, too, and which they have
        self.forgets: list[tuple[bytes, str]] = []  # peers that have said FORGET, and of which pool, "" for all
        self._next_id = first_id
        self._batches = count(1)
        self._brokers: dict[bytes, str] = {}  # the pool that each connection to a broker is for
        self._excused = -math.inf  # until then, workers are lost because of a pause of ours

    # What comes from SIP ----------------------------------------------------------------------------------------

    def mark_ids(self, bit: int) -> None:
        """Set a bit, which no id has, in the ids of all jobs from now on: what it asks of workers, `memo` says."""
        self._next_id |= bit

    @property
    def open(self) -> int:
        """Return how many jobs are at workers."""
        return sum(pool.open for pool in self.pools.values())

    @property
    def in_flight(self) -> int:
        """Return how many submitted jobs have not ended."""
        return self.open + sum(len(pool) for pool in self.pools.values())

    def takes(self, method: bytes, choice: Choice = ANY) -> bool:
        """Return whether a worker of the choice asked for `method`, one not handed out unasked (ACK, CANCEL)."""
        return any(name in self.pools and self.pools[name].takes(method) for name in choice.pools)

    def submit(self, job: JobT, now: float) -> None:
        """Take a job on; `send` puts it on the bus. With no worker or too many waiting it ends at once."""
        job.queued = now
        job.number = self._next_id
        self._next_id += 1
        pool = self.pools.get(self.pool_of(job))
        if pool is None or not (pool.accounts or now < self._excused):
            self.ended.append((job, Cause.NO_WORKER))
        elif len(pool) >= self.settings.max_waiting or pool.waiting_bytes > self.settings.max_waiting_bytes:
            self.ended.append((job, Cause.NO_CREDIT))
        else:
            pool.put(job)

    def submit_all(self, jobs: list[JobT], now: float) -> None:
        """Do as `submit` for jobs that any worker of the default pool may have."""
        settings, pool = self.settings, self.pools[DEFAULT_POOL]
        size = number_jobs(jobs, self._next_id, now)
        if (
            pool.accounts
            and len(pool) + len(jobs) <= settings.max_waiting
            and pool.waiting_bytes + size <= settings.max_waiting_bytes
        ):
            self._next_id += len(jobs)
            pool.put_all(jobs, size)
        else:
            for job in jobs:
                self.submit(job, now)

    def pool_of(self, job: JobT) -> str:
        """Return the pool that a job is for, as they are staffed now."""
        choice = job.choice
        if len(choice.pools) == 1:
            return choice.pools[0]
        staffed = {name for name in choice.pools if name in self.pools and self.pools[name].accounts}
        return choice.pick(job.reading.call_id, staffed)

    def take_ended(self) -> list[tuple[JobT, Cause]]:
        """Take away and return what has ended without an answer."""
        ended, self.ended = self.ended, []
        return ended

    # What goes to the bus ---------------------------------------------------------------------------------------

    def send(self, now: float) -> Outgoing:
        """Return (worker identity, frames) to put on the bus now: waiting requests as far as there is credit."""
        for pool in self.pools.values():
            if (pool.waiting or pool.picky) and not self._leaving:
                for account, batch in pool.assign():
                    # By its id a broker can say what became of a batch.
                    batch_id = next(self._batches).to_bytes(8, "big") if account.is_broker else b""
                    account.give(batch, now, batch_id)
                    self.batches.note(len(batch))
                    self.outgoing.append((account.identity, envelope.encode_jobs(batch, batch_id)))
        outgoing, self.outgoing = self.outgoing, []
        return outgoing

    # What comes from the bus ------------------------------------------------------------------------------------

    def _replies(self, identity: bytes, _head: Head, body: bytes, now: float) -> list[tuple[JobT, Answer]]:
        account = self.workers.get(identity)
        if account is None:
            self.late += len(envelope.decode_replies(body))
            self._ask_who(identity)
            return []
        ended, late = account.settle(body, now, self.memos)
        self.pools[account.pool].ready.refresh(account)
        if account.leaving:
            self._close_if_done(account)
        if late:
            self.late += late
            self._judge(account, now)
        return ended

    # Brokers ----------------------------------------------------------------------------------------------------

    def meet(self, identity: bytes, pool: str) -> None:
        """Look for workers of `pool` at a broker: it is greeted again and again while it has no account here."""
        self._brokers[identity] = pool

    def greet(self, identity: bytes) -> None:
        """Ask a broker for its workers now, unless it has an account."""
        if identity in self._brokers and identity not in self.workers and not self._leaving:
            self._ask_who(identity)

    def _account_of(self, identity: bytes, offer: Offer, now: float) -> JobAccount[JobT]:
        return JobAccount(identity, offer, now, is_broker=identity in self._brokers)

    def _ask_who(self, identity: bytes) -> None:
        """Ask a worker to say HELLO; a broker is told by whom and for which pool it is asked."""
        pool = self._brokers.get(identity)
        self._say(identity, Kind.WHO, None if pool is None else {"edge": self.name, "pool": pool})

    def _believed(self, identity: bytes, offer: Offer) -> Offer:
        """Return what of an offer is believed; a worker keeps the name and the pool that it came with."""
        if identity in self._brokers:
            return offer._replace(pool=self._brokers[identity])
        account = self.workers.get(identity)
        if account is not None:
            offer = offer._replace(name=account.name, pool=account.pool)
        return super()._believed(identity, offer)

    def _control(self, kind: Kind, identity: bytes, info: dict[str, Any], now: float) -> None:
        if kind is Kind.LOST and identity in self._brokers:
            self._take_back(identity, info, now)
        elif kind is Kind.FORGET:
            pool = info.get("pool", "")
            if not isinstance(pool, str):
                raise EnvelopeError("FORGET names no pool")
            self.forgets.append((identity, pool))
        elif kind is Kind.TRACE:
            self.traces.append((identity, info))
        else:
            if kind is Kind.STATS and type(since := info.get("recent")) is int:
                self.lookers[identity] = since
            super()._control(kind, identity, info, now)

    def _hello(self, identity: bytes, offer: Offer, now: float) -> None:
        super()._hello(identity, offer, now)
        self.restaffed.add(offer.pool)

    def _remove(self, account: JobAccount[JobT]) -> None:
        super()._remove(account)
        self.restaffed.add(account.pool)

    def _on_garbage(self, identity: bytes, head: Head | None, error: EnvelopeError, now: float) -> None:
        """Deal with who sent what cannot be read: a broker only passes on what one of its workers wrote."""
        if identity not in self._brokers:
            super()._on_garbage(identity, head, error, now)
        elif head is not None and head.kind is Kind.REPLIES:
            self._say(identity, Kind.BAD, {"batches": [head.batch_id]})

    def _take_back(self, identity: bytes, info: dict[str, Any], now: float) -> None:
        """Take back what a broker had given to a worker that is gone, or to none."""
        ids = envelope.read_batches(info)
        account = self.workers.get(identity)
        if account is None:
            return
        account.heard = now
        begun = info.get("begun") is not False
        jobs = account.take_batches(ids)
        for job in jobs:
            job.last_worker = None  # the broker may have it again: its other workers have not had it
            job.tries -= not begun
        if begun:
            self._give_back(jobs, now, account, f"lost the worker that had it{_told_of_worker(info)}")
        else:
            self._wait_on(jobs, now)
        self.pools[account.pool].ready.refresh(account)
        self._close_if_done(account)

    # They are lost, or too late ---------------------------------------------------------------------------------

    def refuse(self, identity: bytes, now: float) -> None:
        """Forget a worker to which the socket would not send what `send(now)` returned: to be given that was no try."""
        account = self.workers.get(identity)
        if account is not None:
            unsent = account.take_unsent(now)
            self.lose(identity, now)
            self._wait_on(unsent, now)

    def _bereaved(self, account: JobAccount[JobT]) -> str:
        return f"it had {len(account.open)} requests"

    def _see_to(self, account: JobAccount[JobT], now: float, cause: str) -> None:
        jobs = list(account.open.values())
        account.open.clear()
        if now < self._excused:  # no job is to blame, and no worker, which may have them again
            for job in jobs:
                job.tries -= 1
                job.last_worker = None
        self._give_back(jobs, now, account, f"is lost ({cause})")

    def _wait_on(self, jobs: list[JobT], now: float) -> None:
        """Let jobs that no worker has had wait again, no younger than they are: so nothing goes round for ever."""
        too_old = now - self.settings.max_wait
        self._end_aged([job for job in jobs if job.queued < too_old], now)
        self._queue_again([job for job in jobs if job.queued >= too_old])

    def _give_back(self, jobs: list[JobT], now: float, account: JobAccount[JobT], what: str) -> None:
        """Let jobs wait for another worker; where there is none, one may come back in time.

        `what` happened with the worker that had them, in words.
        """
        again = [job for job in jobs if job.tries < self.settings.max_tries]
        self.ended += [(job, Cause.NO_ANSWER) for job in jobs if job.tries >= self.settings.max_tries]
        for job in jobs:
            is_last = job.tries >= self.settings.max_tries
            if self.reasons is not None:
                self.reasons[job.number] = f"worker {shown(account.name)} {what}"
            self._losses.request(
                what.partition(" (")[0], now, job.reading.method, job.reading.call_id, "worker %s %s; %s",
                shown(account.name), what, f"given up after {job.tries} tries" if is_last else "it goes to another one",
                happened="request-lost" if is_last else "request-retried",
                pool=account.pool, worker=account.name, duration=now - job.given, cause=what,
            )  # fmt: skip
        for job in again:
            job.queued = now
        self.retried += len(again)
        self._queue_again(again)

    def _end_aged(self, jobs: list[JobT], now: float) -> None:
        """End jobs that have waited for too long. Those that have had no worker are shed, which the edge tells of."""
        self.ended += [(job, Cause.NO_ANSWER if job.tries else Cause.NO_CREDIT) for job in jobs]
        for job in jobs:
            if job.tries:
                if self.reasons is not None:
                    self.reasons[job.number] = "no other worker has taken it"
                self._losses.request(
                    "no other worker", now, job.reading.method, job.reading.call_id,
                    "no other worker has taken it within %g s; given up", self.settings.max_wait,
                )  # fmt: skip

    def _queue_again(self, jobs: list[JobT]) -> None:
        for job in reversed(jobs):
            name = self.pool_of(job)
            if name not in self.pools:
                self.pools[name] = JobPool(name)
            self.pools[name].put_back([job])

    # Time -------------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Do what is due at `now`: heartbeats, silent workers, overdue and over-aged jobs."""
        super().expire(now)
        overdue = now - self.settings.handler_timeout
        for account in [each for each in self.workers.values() if each.oldest < overdue]:
            self._take_overdue(account, now)
        for pool in list(self.pools.values()):
            self._end_aged(pool.take_aged(now - self.settings.max_wait), now)
            if not pool.accounts and not len(pool) and pool.name != DEFAULT_POOL:
                del self.pools[pool.name]  # or names that workers make up would stay for ever

    def make_up(self, pause: float, now: float) -> None:
        """Let a pause of ours have been none, for workers too that have given us up meanwhile: they come back."""
        super().make_up(pause, now)
        if now >= self._excused + EXCUSED_AGAIN:
            self._excused = now + EXCUSED

    def _beat(self, now: float) -> None:
        super()._beat(now)
        for identity in self._brokers:
            self.greet(identity)

    def _take_overdue(self, account: JobAccount[JobT], now: float) -> None:
        jobs = account.take_overdue(now - self.settings.handler_timeout)
        if account.workers > 1:
            account.release(jobs)
        self._give_back(jobs, now, account, f"has had it for {self.settings.handler_timeout:g} s")
        self._close_if_done(account)

    def leave(self) -> None:
        """Tell the workers that no more requests will come."""
        self.dismiss()


def _told_of_worker(info: dict[str, Any]) -> str:
    """Return which worker a broker's LOST tells of, and why it is lost; "" for a broker that does not say."""
    said = [info.get(key) for key in ("worker", "cause")]
    told = [shown(one) for one in said if isinstance(one, str) and one]
    return f" ({', '.join(told)})" if told else ""
