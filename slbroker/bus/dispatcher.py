"""The edge's end of the bus: which worker gets which request, and what becomes of those that no worker answers.

Pure: envelopes and `now` (seconds, monotonic) come in, envelopes go out. Every job that is submitted ends once: in the
answers of `receive`, or in `ended` with a cause. Who is next in a pool is said in `pool`, what is known of a single
worker in `account`.
"""

from __future__ import annotations

import logging
import math
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic

from slbroker.bus import envelope
from slbroker.bus.account import Account, Offer
from slbroker.bus.choice import ANY, DEFAULT_POOL
from slbroker.bus.envelope import Answer, Kind
from slbroker.bus.jobs import JobT, number_jobs
from slbroker.bus.keycheck import KeyCheck, as_words
from slbroker.bus.losses import Losses, shown
from slbroker.bus.pool import Pool
from slbroker.errors import EnvelopeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.bus.choice import Choice
    from slbroker.bus.envelope import Head
    from slbroker.config import DispatchSettings

logger = logging.getLogger(__name__)

MAX_WORKERS: Final = 4_096  # accounts; a peer that says HELLO for ever gains nothing
MAX_SHUNNED: Final = 4_096  # connections remembered as not worth listening to
# Answers to what it was never given that a worker is forgiven, beyond its credit: one that was held for gone and came
# back may still answer what it had.
MAX_STRIKES: Final = 1_000


OTHER_KEYS: Final = (
    "worker %(peer)s signs with a key that is not known here (%(keys)s): ACKs to its replies are let through, not"
    " absorbed; %(advice)s"
)
CONNECTION_GONE: Final = "its connection is gone"  # for the log, why a worker is lost


class Cause(Enum):
    """Why a job ended without an answer."""

    NO_WORKER = "no worker"
    NO_CREDIT = "no credit"
    NO_ANSWER = "no answer"


class Dispatcher(Generic[JobT]):
    """Keeps every request until it is answered, and gives it to a worker of its pool."""

    def __init__(
        self, name: str, first_id: int, settings: DispatchSettings, info: dict[str, Any] | None = None
    ) -> None:
        """`first_id` should be random, so that an answer to an edge's former life matches nothing.

        `info` is what WELCOME says besides.
        """
        self.name = name
        self.settings = settings
        self.workers: dict[bytes, Account[JobT]] = {}
        self.pools: dict[str, Pool[JobT]] = {DEFAULT_POOL: Pool(DEFAULT_POOL)}
        self.late = 0  # answers that came after their job had ended, or twice
        self.garbage = 0  # envelopes that could not be read
        self.lost = 0  # workers that went without a word, or were sent away
        self.retried = 0  # jobs given to a further worker
        self.ended: list[tuple[JobT, Cause]] = []
        self.asked: list[bytes] = []  # peers that wait for FIGURES
        timeout = {"handler_timeout": settings.handler_timeout}
        self._welcome = {"edge": name, "heartbeat": settings.heartbeat, "closes": True, **timeout, **(info or {})}
        self._next_id = first_id
        self._next_batch = 0
        self._brokers: dict[bytes, str] = {}  # the pool that each connection to a broker is for
        self._shunned: dict[bytes, None] = {}
        self._names: dict[str, Account[JobT]] = {}  # of the workers that are not behind a broker
        self._outgoing: list[tuple[bytes, list[bytes]]] = []
        self._next_heartbeat = -math.inf
        self._leaving = False
        self._losses = Losses(logger)
        self._keys: frozenset[str] | None = None  # labels of those that To-tags are verified with
        self._key_check = KeyCheck(self._losses, OTHER_KEYS)

    def meet(self, identity: bytes, pool: str) -> None:
        """Look for workers of `pool` at a broker: it is greeted again and again while it has no account here."""
        self._brokers[identity] = pool

    def greet(self, identity: bytes) -> None:
        """Ask a broker for its workers now, unless it has an account."""
        if identity in self._brokers and identity not in self.workers and not self._leaving:
            self._ask_who(identity)

    def use_keys(self, keys: frozenset[str] | None, now: float) -> None:
        """Take note of the keys that To-tags are verified with, by their labels, and tell the workers."""
        if keys != self._keys:
            self._keys = keys
            self._welcome.pop("keys", None)
            self._welcome |= as_words(keys=keys)
            for account in self.workers.values():
                self._say_welcome(account, now)

    # What comes from SIP ----------------------------------------------------------------------------------------

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
        pool = self.pools.get(self._pool_of(job))
        if pool is None or not pool.accounts:
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

    def _pool_of(self, job: JobT) -> str:
        choice = job.choice
        if len(choice.pools) == 1:
            return choice.pools[0]
        staffed = {name for name in choice.pools if name in self.pools and self.pools[name].accounts}
        return choice.pick(job.reading.call_id, staffed)

    # What goes to the bus ---------------------------------------------------------------------------------------

    def send(self, now: float) -> list[tuple[bytes, list[bytes]]]:
        """Return (worker identity, frames) to put on the bus now: waiting requests as far as there is credit."""
        if not self._leaving:
            for pool in self.pools.values():
                if pool.waiting or pool.picky:
                    self._send_from(pool, now)
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def _send_from(self, pool: Pool[JobT], now: float) -> None:
        for account, batch in pool.assign():
            route = self._new_route() if account.identity in self._brokers else b""
            account.give(batch, now, route)
            self._outgoing.append((account.identity, envelope.encode_jobs(batch, route)))

    def _new_route(self) -> bytes:
        """Return the name of a batch, by which a broker can say what became of it."""
        self._next_batch += 1
        return self._next_batch.to_bytes(8, "big")

    # What comes from the bus ------------------------------------------------------------------------------------

    def receive(self, identity: bytes, frames: Sequence[bytes], now: float) -> list[tuple[JobT, Answer]]:
        """Take one envelope from a worker; return the jobs that it ends.

        Garbage is counted, and a worker that sends it is not listened to any more while its connection lasts.
        """
        if identity in self._shunned:
            self.garbage += 1
            return []
        if frames == envelope.HEARTBEAT:
            self._heartbeat(identity, now)
            return []
        head: Head | None = None
        try:
            head = envelope.decode_head(frames)
            if head.kind is Kind.REPLIES:
                return self._replies(identity, frames[1], now)
            self._control(head.kind, identity, envelope.decode_info(frames[1]), now)
        except EnvelopeError as error:
            self._refuse(identity, head, error, now)
        return []

    def _replies(self, identity: bytes, body: bytes, now: float) -> list[tuple[JobT, Answer]]:
        account = self.workers.get(identity)
        if account is None:
            self.late += len(envelope.decode_replies(body))
            self._say(identity, Kind.WHO)
            return []
        ended, late = account.settle(body, now)
        self.late += late
        self.pools[account.pool].ready.refresh(account)
        if account.strikes > account.credit + MAX_STRIKES and identity not in self._brokers:
            self._shun(account, "answers what it was never given", now)
        else:
            self._close_if_done(account)
        return ended

    def _control(self, kind: Kind, identity: bytes, info: dict[str, Any], now: float) -> None:
        match kind:
            case Kind.HELLO:
                self._hello(identity, Offer.read(info), now)
            case Kind.HEARTBEAT:
                self._heartbeat(identity, now)
            case Kind.GOODBYE:
                self._goodbye(identity, now)
            case Kind.STATS:
                self.asked.append(identity)
            case Kind.LOST if identity in self._brokers:
                self._take_back(identity, info, now)
            case _:
                raise EnvelopeError(f"{kind.name} is not for an edge")

    def _hello(self, identity: bytes, offer: Offer, now: float) -> None:
        account = self.workers.get(identity)
        is_broker = identity in self._brokers
        if not is_broker:
            offer = offer._replace(workers=1)  # or it could ask for the share of many
        if account is None:
            if len(self.workers) >= MAX_WORKERS:
                raise EnvelopeError("too many workers")
            self._forget_namesake(offer.name, now)
            pool = self._brokers.get(identity, offer.pool)
            account = self.workers[identity] = Account(identity, offer._replace(pool=pool), now, is_broker=is_broker)
            if not is_broker:  # which has a connection for each pool
                self._names[offer.name] = account
            self.pools.setdefault(pool, Pool(pool)).add(account)
            self._losses.tell(
                logging.INFO, "joins", now, "worker %s joins pool %s, credit %d", _name(account), pool, account.credit
            )
        else:
            account.heard = now
            account.leaving = False
            self.pools[account.pool].change(account, offer)
        self._say_welcome(account, now)

    def _say_welcome(self, account: Account[JobT], now: float) -> None:
        self._key_check.note(_name(account), account.labels, self._keys, now)
        self._say(account.identity, Kind.WELCOME, self._welcome)
        if self._leaving:
            self._say(account.identity, Kind.GOODBYE)

    def _forget_namesake(self, name: str, now: float) -> None:
        """A worker that comes back under its name has a new identity: its old account's jobs will not be answered."""
        other = self._names.get(name)
        if other is not None:
            self.lose(other.identity, now, "it has come back on another connection")

    def _heartbeat(self, identity: bytes, now: float) -> None:
        account = self.workers.get(identity)
        if account is None:
            self._ask_who(identity)
        else:
            account.heard = now

    def _ask_who(self, identity: bytes) -> None:
        """Ask a worker to say HELLO; a broker is told by whom and for which pool it is asked."""
        pool = self._brokers.get(identity)
        self._say(identity, Kind.WHO, None if pool is None else {"edge": self.name, "pool": pool})

    def _goodbye(self, identity: bytes, now: float) -> None:
        """Stop giving; the GOODBYE that goes back tells the worker that no batch is still on its way."""
        self._say(identity, Kind.GOODBYE)
        account = self.workers.get(identity)
        if account is not None:
            account.heard = now
            account.leaving = True
            self.pools[account.pool].ready.refresh(account)
            self._losses.tell(
                logging.INFO, "leaves", now, "worker %s leaves pool %s, %d requests open",
                _name(account), account.pool, len(account.open),
            )  # fmt: skip
            self._close_if_done(account)

    def _close_if_done(self, account: Account[JobT]) -> None:
        if account.leaving and not account.open:
            self._remove(account)

    def _remove(self, account: Account[JobT]) -> None:
        del self.workers[account.identity]
        if self._names.get(account.name) is account:
            del self._names[account.name]
        self._key_check.forget(_name(account))
        self.pools[account.pool].remove(account)

    def _say(self, identity: bytes, kind: Kind, info: dict[str, Any] | None = None) -> None:
        self._outgoing.append((identity, envelope.encode(kind, info)))

    # Garbage and loss -------------------------------------------------------------------------------------------

    def _refuse(self, identity: bytes, head: Head | None, error: EnvelopeError, now: float) -> None:
        """Deal with who sent what cannot be read: a broker only passes on what one of its workers wrote."""
        self.garbage += 1
        account = self.workers.get(identity)
        if identity in self._brokers:
            if head is not None and head.kind is Kind.REPLIES:
                self._say(identity, Kind.BAD, {"batches": [head.route]})
        elif account is not None:
            self._shun(account, str(error), now)

    def _shun(self, account: Account[JobT], why: str, now: float) -> None:
        """Close a worker's account, and open none on its connection any more."""
        logger.warning("worker %r is not listened to any more until it connects again: %s", account.name, why)
        if len(self._shunned) >= MAX_SHUNNED:
            del self._shunned[next(iter(self._shunned))]
        self._shunned[account.identity] = None
        self._lose(account, now, why)

    def _take_back(self, identity: bytes, info: dict[str, Any], now: float) -> None:
        """Take back what a broker had given to a worker that is gone, or to none."""
        routes = envelope.read_batches(info)
        account = self.workers.get(identity)
        if account is None:
            return
        account.heard = now
        begun = info.get("begun") is not False
        jobs = account.take_batches(routes)
        for job in jobs:
            job.last_worker = None  # the broker may have it again: its other workers have not had it
            job.tries -= not begun
        if begun:
            self._give_back(jobs, now, account, "lost the worker that had it")
        else:
            self._wait_on(jobs, now)
        self.pools[account.pool].ready.refresh(account)
        self._close_if_done(account)

    def refuse(self, identity: bytes, now: float) -> None:
        """Forget a worker to which the socket would not send what `send(now)` returned: to be given that was no try."""
        account = self.workers.get(identity)
        if account is not None:
            unsent = account.take_unsent(now)
            self.lose(identity, now)
            self._wait_on(unsent, now)

    def lose(self, identity: bytes, now: float, cause: str = CONNECTION_GONE) -> None:
        """Forget a worker that cannot be reached or went silent; its open jobs go to another one, or end.

        `cause` is for the log: one of a few, or what is wrong with what it sent.
        """
        account = self.workers.get(identity)
        if account is None:
            return
        self._losses.tell(
            logging.WARNING, "losses", now, "worker %s of pool %s is lost: %s; it had %d requests",
            _name(account), account.pool, cause, len(account.open),
        )  # fmt: skip
        self._lose(account, now, cause)

    def _lose(self, account: Account[JobT], now: float, cause: str) -> None:
        self._remove(account)
        self.lost += 1
        jobs = list(account.open.values())
        account.open.clear()
        self._give_back(jobs, now, account, f"is lost ({cause})")

    def _wait_on(self, jobs: list[JobT], now: float) -> None:
        """Let jobs that no worker has had wait again, no younger than they are: so nothing goes round for ever."""
        too_old = now - self.settings.max_wait
        aged = [job for job in jobs if job.queued < too_old]
        self.ended += [(job, Cause.NO_ANSWER if job.tries else Cause.NO_CREDIT) for job in aged]
        self._tell_of_aged(aged, now)
        self._queue_again([job for job in jobs if job.queued >= too_old])

    def _give_back(self, jobs: list[JobT], now: float, account: Account[JobT], what: str) -> None:
        """Let jobs wait for another worker; where there is none, one may come back in time.

        `what` happened with the worker that had them, in words.
        """
        again = [job for job in jobs if job.tries < self.settings.max_tries]
        self.ended += [(job, Cause.NO_ANSWER) for job in jobs if job.tries >= self.settings.max_tries]
        for job in jobs:
            is_last = job.tries >= self.settings.max_tries
            self._losses.request(
                what.partition(" (")[0], now, job.reading.method, job.reading.call_id, "worker %s %s; %s",
                _name(account), what, f"given up after {job.tries} tries" if is_last else "it goes to another one",
            )  # fmt: skip
        for job in again:
            job.queued = now
        self.retried += len(again)
        self._queue_again(again)

    def _tell_of_aged(self, jobs: list[JobT], now: float) -> None:
        """Log which jobs found no other worker. Those that have had none are shed, which the edge tells of."""
        for job in jobs:
            if job.tries:
                self._losses.request(
                    "no other worker", now, job.reading.method, job.reading.call_id,
                    "no other worker has taken it within %g s; given up", self.settings.max_wait,
                )  # fmt: skip

    def _queue_again(self, jobs: list[JobT]) -> None:
        by_pool: dict[str, list[JobT]] = {}
        for job in jobs:
            by_pool.setdefault(self._pool_of(job), []).append(job)
        for name, some in by_pool.items():
            self.pools.setdefault(name, Pool(name)).put_back(some)

    # Time -------------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Do what is due at `now`: heartbeats, silent workers, overdue and over-aged jobs."""
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + self.settings.heartbeat
            self._beat()
        self._losses.look(now)
        self._key_check.look(now)
        silent, overdue = now - self.settings.liveness, now - self.settings.handler_timeout
        for account in [each for each in self.workers.values() if each.heard < silent or each.oldest < overdue]:
            self._expire_account(account, now)
        for pool in list(self.pools.values()):
            self._expire_pool(pool, now)

    def make_up(self, pause: float, now: float) -> None:
        """Let a pause of ours, in seconds, have been none for workers and jobs: they have the time that they had."""
        for account in self.workers.values():
            account.make_up(pause, now)
        for pool in self.pools.values():
            for job in (*pool.waiting, *pool.picky):
                job.queued = min(job.queued + pause, now)

    def _beat(self) -> None:
        self._outgoing += [(identity, envelope.HEARTBEAT) for identity in self.workers]
        if not self._leaving:
            for identity in self._brokers.keys() - self.workers.keys():
                self._ask_who(identity)

    def _expire_account(self, account: Account[JobT], now: float) -> None:
        if now - account.heard > self.settings.liveness:
            self.lose(account.identity, now, f"silent for {self.settings.liveness:g} s")
        elif overdue := account.take_overdue(now - self.settings.handler_timeout):
            if account.workers > 1:
                account.release(overdue)
            self._give_back(overdue, now, account, f"has had it for {self.settings.handler_timeout:g} s")
            self._close_if_done(account)

    def _expire_pool(self, pool: Pool[JobT], now: float) -> None:
        if len(pool):
            aged = pool.take_aged(now - self.settings.max_wait)
            self.ended += [(job, Cause.NO_ANSWER if job.tries else Cause.NO_CREDIT) for job in aged]
            self._tell_of_aged(aged, now)
        elif not pool.accounts and pool.name != DEFAULT_POOL:
            del self.pools[pool.name]  # or names that workers make up would stay for ever

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
        return [account.figures() | account.labels.figures(self._keys) for account in self.workers.values()]


def _name(account: Account[Any]) -> str:
    """Return a worker's name as a log can bear it."""
    return shown(account.name)
