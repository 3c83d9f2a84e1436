"""The side of a broker that workers see: to them it is an edge."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from slbroker.broker.batches import Worker
from slbroker.broker.team import Team
from slbroker.bus import envelope
from slbroker.bus.account import Offer
from slbroker.bus.dispatcher import CONNECTION_GONE, MAX_SHUNNED, MAX_STRIKES, MAX_WORKERS
from slbroker.bus.envelope import Kind
from slbroker.bus.keycheck import as_words
from slbroker.bus.losses import Losses, shown
from slbroker.errors import EnvelopeError

if TYPE_CHECKING:
    from slbroker.broker.batches import Batch

logger = logging.getLogger(__name__)

DEFAULT_HANDLER_TIMEOUT: Final = 5.0  # seconds, until an edge has said what it has


class Workers:
    """The workers of one broker, by their connections."""

    def __init__(self, name: str, heartbeat: float) -> None:
        self.teams: dict[str, Team] = {}
        self.by_identity: dict[bytes, Worker] = {}
        self.outgoing: list[tuple[bytes, list[bytes]]] = []
        self.fallen: list[Batch] = []  # batches whose worker has gone, for the relay to see to
        self.changed: set[str] = set()  # pools that offer something else than before
        self.ignored: dict[bytes, None] = {}  # connections that brought garbage, the oldest first
        self.garbage = 0  # envelopes that could not be read, or were not theirs to send
        self.late = 0  # answers to what a worker does not hold any more
        self.handler_timeout = DEFAULT_HANDLER_TIMEOUT  # the longest that an edge has told
        self._keys: dict[str, frozenset[str]] = {}  # labels of those that all edges of a pool have
        self.closes = True  # all edges take answers that close a connection
        self._name = name
        self._heartbeat = heartbeat
        self._leaving = False
        self._losses = Losses(logger)
        self._now = 0.0  # when somebody was last heard, or the clock looked at

    # What they say ----------------------------------------------------------------------------------------------

    def hear(self, kind: Kind, identity: bytes, info: dict[str, Any], now: float) -> None:
        """Take what is neither an answer nor a question; raise EnvelopeError when it is not in order."""
        self._now = now
        if kind is Kind.HELLO:
            self._hello(identity, Offer.read(info), now)
        elif kind is Kind.HEARTBEAT:
            self.recognise(identity, now)
        elif kind is Kind.GOODBYE:
            self._goodbye(identity, now)
        else:
            raise EnvelopeError(f"{kind.name} is not for a broker")

    def recognise(self, identity: bytes, now: float) -> Worker | None:
        """Return who shows this sign of life; ask WHO it is when there is no account."""
        worker = self.by_identity.get(identity)
        if worker is None:
            self.say(identity, Kind.WHO)
        else:
            worker.heard = now
        return worker

    def _hello(self, identity: bytes, offer: Offer, now: float) -> None:
        worker = self.by_identity.get(identity)
        if worker is not None and (worker.offer.name, worker.offer.pool) != (offer.name, offer.pool):
            self.lose(identity, "it is another one now")
            worker = None
        if worker is None:
            if len(self.by_identity) >= MAX_WORKERS:
                raise EnvelopeError("too many workers")
            self._lose_namesakes(offer.name)
            worker = self.by_identity[identity] = Worker(identity, offer, now)
            self._tell(
                logging.INFO,
                "joins",
                "worker %s joins pool %s, credit %d",
                shown(offer.name),
                shown(offer.pool),
                offer.credit,
            )
        worker.heard = now
        worker.leaving = False
        worker.offer = offer
        self.teams.setdefault(offer.pool, Team(offer.pool)).add(worker)
        self.changed.add(offer.pool)
        self._welcome(identity)

    def _lose_namesakes(self, name: str) -> None:
        """A worker that comes back under its name is on a new connection: what it had on the old one is gone."""
        for other in [other for other in self.by_identity.values() if other.offer.name == name]:
            self.lose(other.identity, "it has come back on another connection")

    def _goodbye(self, identity: bytes, now: float) -> None:
        """Give no more; the GOODBYE that goes back tells the worker that no batch is still on its way."""
        self.say(identity, Kind.GOODBYE)
        worker = self.by_identity.get(identity)
        if worker is not None:
            worker.heard = now
            self.teams[worker.offer.pool].retire(worker)
            self._tell(
                logging.INFO, "leaves", "worker %s leaves pool %s", shown(worker.offer.name), shown(worker.offer.pool)
            )
            self.changed.add(worker.offer.pool)
            self.close_if_done(worker)

    def close_if_done(self, worker: Worker) -> None:
        """Close the account of a worker that has said GOODBYE and answered all."""
        if worker.leaving and not worker.batches:
            self.lose(worker.identity)

    def _tell(self, level: int, cause: str, words: str, *arguments: object) -> None:
        self._losses.tell(level, cause, self._now, words, *arguments)

    # They go ----------------------------------------------------------------------------------------------------

    def lose(self, identity: bytes, cause: str = CONNECTION_GONE) -> None:
        """Close an account; what the worker still holds is `fallen`. `cause` is for the log."""
        worker = self.by_identity.pop(identity, None)
        if worker is not None:
            self.fallen += worker.batches.values()
            if not worker.leaving or worker.batches:
                self._tell(
                    logging.WARNING, "losses", "worker %s of pool %s is lost: %s; %d requests go back to their edges",
                    shown(worker.offer.name), shown(worker.offer.pool), cause,
                    sum(batch.left for batch in worker.batches.values()),
                )  # fmt: skip
            self.teams[worker.offer.pool].remove(worker)
            self.changed.add(worker.offer.pool)

    def strike(self, worker: Worker | None, size: int) -> None:
        """Count answers to a batch that has ended, or never was; raise EnvelopeError when they are too many.

        One that was held for gone and came back may still answer what it had, from this broker's former life even.
        """
        self.late += size
        if worker is not None:
            worker.strikes += size
            if worker.strikes > worker.offer.credit + MAX_STRIKES:
                raise EnvelopeError("answers to what it was never given")

    def close_as_garbage(self, identity: bytes, why: str) -> None:
        """Close the account of one that cannot be trusted, and hear nothing more on its connection."""
        self.garbage += 1
        worker = self.by_identity.get(identity)
        if worker is not None:
            logger.warning("worker %s is not listened to any more until it connects again: %s", worker.offer.name, why)
        self.lose(identity, why)
        if len(self.ignored) >= MAX_SHUNNED:
            del self.ignored[next(iter(self.ignored))]
        self.ignored[identity] = None

    # What they are told -----------------------------------------------------------------------------------------

    def say(self, identity: bytes, kind: Kind, info: dict[str, Any] | None = None) -> None:
        """Put an envelope on the way."""
        self.outgoing.append((identity, envelope.encode(kind, info)))

    def say_to_all(self, kind: Kind) -> None:
        """Put an envelope on the way to every worker."""
        for identity in self.by_identity:
            self.say(identity, kind)

    def _welcome(self, identity: bytes) -> None:
        worker = self.by_identity.get(identity)
        keys = self._keys.get(worker.offer.pool) if worker is not None else None
        self.say(
            identity,
            Kind.WELCOME,
            {
                "edge": self._name,
                "heartbeat": self._heartbeat,
                "processes": 1,
                "handler_timeout": self.handler_timeout,
                **as_words(keys=keys),
                "closes": self.closes,
            },
        )
        if self._leaving:
            self.say(identity, Kind.GOODBYE)

    def learn(self, timeout: float, *, closes: bool) -> None:
        """Take over the edges' longest handler timeout, 0.0 for none told, and whether all take answers that close.

        Workers finish by the one what they have, and go by the other before they get what an edge sends next.
        """
        if (timeout and timeout != self.handler_timeout) or closes is not self.closes:
            self.handler_timeout = timeout or self.handler_timeout
            self.closes = closes
            for identity in self.by_identity:
                self._welcome(identity)

    def figures(self) -> list[dict[str, Any]]:
        """Return what the statistics show of each worker; of its keys, what an edge of its pool lacks."""
        return [
            worker.figures() | worker.offer.labels.figures(self._keys.get(worker.offer.pool))
            for worker in self.by_identity.values()
        ]

    def learn_keys(self, pool: str, keys: frozenset[str] | None) -> None:
        """Tell the workers of a pool which keys its edges have, if that is news."""
        if keys == self._keys.get(pool):
            return
        if keys is None:
            del self._keys[pool]
        else:
            self._keys[pool] = keys
        for identity, worker in self.by_identity.items():
            if worker.offer.pool == pool:
                self._welcome(identity)

    def dismiss(self) -> None:
        """Say GOODBYE to all: the broker ends."""
        self._leaving = True
        self.say_to_all(Kind.GOODBYE)

    # Time -------------------------------------------------------------------------------------------------------

    def beat(self, silent_since: float) -> None:
        """Show a sign of life, and give up those that have shown none since that moment."""
        for worker in list(self.by_identity.values()):
            if worker.heard < silent_since:
                self.lose(worker.identity, "silent")
        self.say_to_all(Kind.HEARTBEAT)

    def forget_empty(self, team: Team) -> None:
        """Forget a pool of which nothing is left."""
        if not team.workers and not team.waiting:
            self.teams.pop(team.pool, None)
