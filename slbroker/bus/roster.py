"""Who is there: the workers of an edge, or of a broker, which to its workers is an edge; from HELLO to GOODBYE.

Pure: envelopes and `now` (seconds, monotonic) come in, what goes out lies in `outgoing`. What workers are given, and
what becomes of it when they go, is the affair of those that derive from this: the edge's `Dispatcher`, the broker's
`Relay`. What one worker offers and holds is said in `account`, who of a pool is next in `pool`.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from slbroker.bus import envelope
from slbroker.bus.account import Offer
from slbroker.bus.envelope import Kind
from slbroker.bus.keycheck import KeyCheck, as_words
from slbroker.bus.losses import Losses
from slbroker.bus.pool import AccountT, Pool
from slbroker.errors import EnvelopeError
from slbroker.logline import event, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slbroker.bus.envelope import Head
    from slbroker.settings.broker import RelaySettings
    from slbroker.settings.dispatch import DispatchSettings

logger = logging.getLogger(__name__)

MAX_WORKERS: Final = 4_096  # accounts; a peer that says HELLO for ever gains nothing
MAX_SHUNNED: Final = 4_096  # connections remembered as not worth listening to
# Answers to what it was never given that a worker is forgiven, beyond its credit: one that was held for gone and came
# back may still answer what it had, from our former life even.
MAX_STRIKES: Final = 1_000
# Seconds; a broker runs nobody's code and says something every 0.25 s. One that is silent for so long has stopped, or
# its host has gone; PINGs do not tell, for we connect to it, and who connects sends none (`sockets`).
BROKER_LIVENESS: Final = 2.0
ASK_AGAIN: Final = 0.5  # seconds between two times that workers are asked for them
OTHER_KEYS: Final = (
    "worker %(peer)s signs with a key that is not known {} (%(keys)s): ACKs to its replies are let through, not"
    " absorbed; %(advice)s"
)
EVENTS: Final = {"joins": "worker-joins", "leaves": "worker-leaves", "losses": "worker-lost"}
CONNECTION_GONE: Final = "its connection is gone"  # for the log, why a worker is lost

Outgoing: TypeAlias = list[tuple[bytes, list[bytes]]]  # identity of the connection, frames
PoolT = TypeVar("PoolT", bound=Pool[Any])
EndedT = TypeVar("EndedT")  # what answers end, for who is told of it


class Roster(ABC, Generic[AccountT, PoolT, EndedT]):
    """The workers at one socket, by their connections."""

    def __init__(
        self, name: str, settings: DispatchSettings | RelaySettings, edges: str,
        new_account: Callable[[bytes, Offer, float], AccountT], new_pool: Callable[[str], PoolT], **welcome: Any,
    ) -> None:  # fmt: skip
        """`edges` is for the log, where To-tags are verified; `welcome` is what WELCOME says besides."""
        self.name = name
        self.workers: dict[bytes, AccountT] = {}
        self.pools: dict[str, PoolT] = {}
        self.outgoing: Outgoing = []
        self.asked: list[bytes] = []  # peers that wait for FIGURES
        self.late = 0  # answers to what had ended, or was answered, or never was
        self.garbage = 0  # envelopes that could not be read, or were not theirs to send
        self.lost = 0  # workers that went without a word, or were sent away
        self._new_account = new_account
        self._new_pool = new_pool
        self._leaving = False
        self._timing = settings
        self._next_heartbeat = -math.inf
        self._asked_workers = -math.inf
        self._welcome = {"edge": name, "heartbeat": settings.heartbeat, **welcome}
        self._names: dict[str, AccountT] = {}  # of the workers that are not behind a broker
        self._shunned: dict[bytes, None] = {}  # connections, the oldest first
        self._losses = Losses(logger)
        self._keys: dict[str | None, frozenset[str]] = {}  # by pool, or of all: labels of what verifies To-tags
        self._key_check = KeyCheck(self._losses, OTHER_KEYS.format(edges))

    # What they say ----------------------------------------------------------------------------------------------

    def receive(self, identity: bytes, frames: Sequence[bytes], now: float) -> list[EndedT]:
        """Take one envelope from a worker; return what it ends.

        Garbage is counted, and a worker that sends it is not listened to any more while its connection lasts.
        """
        if identity in self._shunned:
            self.garbage += 1
            return []
        if frames == envelope.HEARTBEAT:
            self._recognise(identity, now)
            return []
        head: Head | None = None
        try:
            head = envelope.decode_head(frames)
            if head.kind is Kind.REPLIES:
                return self._replies(identity, head, frames[1], now)
            if head.kind is Kind.FIGURES and len(frames[1]) > envelope.MAX_TOLD:
                raise EnvelopeError("FIGURES of a worker that are too long")
            self._control(head.kind, identity, envelope.decode_info(frames[1]), now)
        except EnvelopeError as error:
            self.garbage += 1
            self._on_garbage(identity, head, error, now)
        return []

    @abstractmethod
    def _replies(self, identity: bytes, head: Head, body: bytes, now: float) -> list[EndedT]:
        """Take answers; raise EnvelopeError when they are none."""

    def _control(self, kind: Kind, identity: bytes, info: dict[str, Any], now: float) -> None:
        """Take what a worker says of itself; raise EnvelopeError when it is not in order."""
        match kind:
            case Kind.HELLO:
                self._hello(identity, self._believed(identity, Offer.read(info)), now)
            case Kind.HEARTBEAT:
                self._recognise(identity, now)
            case Kind.GOODBYE:
                self._goodbye(identity, now)
            case Kind.STATS:
                self.asked.append(identity)
                self._ask_workers(now)
            case Kind.FIGURES if identity in self.workers:
                if not envelope.is_shallow(info):
                    raise EnvelopeError("FIGURES of a worker that are nested too deeply")
                self.workers[identity].told = info
            case _:
                raise EnvelopeError(f"{kind.name} is not a worker's to say")

    def _tell(self, cause: str, now: float, account: AccountT, words: str, *arguments: object) -> None:
        """Log what a worker does; `words` begin with its pool."""
        level = logging.WARNING if cause == "losses" else logging.INFO
        why = arguments[0] if cause == "losses" else ""
        about = event(EVENTS[cause], worker=account.name, pool=account.pool, cause=why)
        arguments = shown(account.name), shown(account.pool), *arguments
        self._losses.tell(level, cause, now, f"worker %s {words}", *arguments, about=about)

    def _ask_workers(self, now: float) -> None:
        """Have the workers tell their figures, for whoever asks next: nobody waits for them, and one may be busy."""
        if now - self._asked_workers >= ASK_AGAIN:
            self._asked_workers = now
            for account in self.workers.values():
                if not account.is_broker:
                    self._say(account.identity, Kind.STATS)

    def _recognise(self, identity: bytes, now: float) -> AccountT | None:
        """Return whose sign of life this is; ask WHO it is where there is no account."""
        account = self.workers.get(identity)
        if account is None:
            self._ask_who(identity)
        else:
            account.heard = now
        return account

    def _ask_who(self, identity: bytes) -> None:
        self._say(identity, Kind.WHO)

    # They come --------------------------------------------------------------------------------------------------

    def _believed(self, _identity: bytes, offer: Offer) -> Offer:
        """Return what of an offer is believed on this connection."""
        return offer._replace(workers=1)  # or it could ask for the share of many

    def _hello(self, identity: bytes, offer: Offer, now: float) -> None:
        account = self.workers.get(identity)
        if account is not None and (account.name, account.pool) != (offer.name, offer.pool):
            self.lose(identity, now, "it is another one now")
            account = None
        if account is None:
            account = self._enter(identity, offer, now)
        else:
            account.heard = now
            self.pools[account.pool].change(account, offer)
        self._say_welcome(account, now)

    def _enter(self, identity: bytes, offer: Offer, now: float) -> AccountT:
        if len(self.workers) >= MAX_WORKERS:
            raise EnvelopeError("too many workers")
        if (namesake := self._names.get(offer.name)) is not None:  # what it had there will not be answered
            self.lose(namesake.identity, now, "it has come back on another connection")
        account = self.workers[identity] = self._new_account(identity, offer, now)
        if not account.is_broker:  # which has a connection for each pool
            self._names[account.name] = account
        self.pools.setdefault(account.pool, self._new_pool(account.pool)).add(account)
        self._tell("joins", now, account, "joins pool %s, credit %d", account.credit)
        return account

    def _say_welcome(self, account: AccountT, now: float) -> None:
        keys = self._keys_for(account)
        self._key_check.note(shown(account.name), account.labels, keys, now)
        self._say(account.identity, Kind.WELCOME, self._welcome | as_words(keys=keys))
        if self._leaving:
            self._say(account.identity, Kind.GOODBYE)

    def _keys_for(self, account: AccountT) -> frozenset[str] | None:
        return self._keys.get(account.pool, self._keys.get(None))

    # They go ----------------------------------------------------------------------------------------------------

    def _goodbye(self, identity: bytes, now: float) -> None:
        """Stop giving; the GOODBYE that goes back tells the worker that no batch is still on its way."""
        self._say(identity, Kind.GOODBYE)
        account = self.workers.get(identity)
        if account is not None:
            account.heard = now
            self.pools[account.pool].change(account, None)
            self._tell("leaves", now, account, "leaves pool %s, %d requests open", account.held)
            self._close_if_done(account)

    def _close_if_done(self, account: AccountT) -> None:
        if account.leaving and not account.open:
            self._remove(account)

    def _remove(self, account: AccountT) -> None:
        del self.workers[account.identity]
        if self._names.get(account.name) is account:
            del self._names[account.name]
        self._key_check.forget(shown(account.name))
        self.pools[account.pool].remove(account)

    def lose(self, identity: bytes, now: float, cause: str = CONNECTION_GONE) -> None:
        """Forget a worker that cannot be reached, or is not to be served any more.

        `cause` is for the log: one of a few, or what is wrong with what it sent.
        """
        account = self.workers.get(identity)
        if account is not None:
            self._tell("losses", now, account, "of pool %s is lost: %s; %s", cause, self._bereaved(account))
            self._lose(account, now, cause)

    def _lose(self, account: AccountT, now: float, cause: str) -> None:
        self._remove(account)
        self.lost += 1
        self._see_to(account, now, cause)

    @abstractmethod
    def _bereaved(self, account: AccountT) -> str:
        """Return in words what is lost with a worker."""

    @abstractmethod
    def _see_to(self, account: AccountT, now: float, cause: str) -> None:
        """See to what a worker held, which will not be answered there any more."""

    def _on_garbage(self, identity: bytes, _head: Head | None, error: EnvelopeError, now: float) -> None:
        """Deal with who sent garbage; the head is None where not even that could be read."""
        account = self.workers.get(identity)
        if account is not None:
            self._shun(account, str(error), now)

    def _judge(self, account: AccountT, now: float) -> None:
        """Send away a worker that goes on and on answering what it was never given."""
        excused = account.is_broker or account.identity not in self.workers
        if account.strikes > account.credit + MAX_STRIKES and not excused:
            self.garbage += 1
            self._shun(account, "answers what it was never given", now)

    def _shun(self, account: AccountT, why: str, now: float) -> None:
        """Close a worker's account, and open none on its connection any more."""
        self._losses.tell(
            logging.WARNING, "shunned", now, "worker %s is not listened to any more until it connects again: %s",
            shown(account.name), shown(why), about=event("worker-shunned", worker=account.name, cause=why),
        )  # fmt: skip
        if len(self._shunned) >= MAX_SHUNNED:
            del self._shunned[next(iter(self._shunned))]
        self._shunned[account.identity] = None
        self._lose(account, now, why)

    # What they are told -----------------------------------------------------------------------------------------

    def _say(self, identity: bytes, kind: Kind, info: dict[str, Any] | None = None) -> None:
        self.outgoing.append((identity, envelope.encode(kind, info)))

    def tell(self, identity: bytes, figures: dict[str, Any], kind: Kind = Kind.FIGURES) -> None:
        """Answer a peer that has asked for something."""
        self._say(identity, kind, figures)

    def announce(self, now: float, **news: Any) -> None:
        """Take over what WELCOME is to say, and say it again to all if that is new."""
        if self._welcome | news != self._welcome:
            self._welcome |= news
            for account in self.workers.values():
                self._say_welcome(account, now)

    def use_keys(self, keys: frozenset[str] | None, now: float, pool: str | None = None) -> None:
        """Take note of the keys, by their labels, that To-tags are verified with, and tell the workers.

        Those of one pool, or with None of all that have none of their own.
        """
        if keys == self._keys.get(pool):
            return
        if keys is None:
            del self._keys[pool]
        else:
            self._keys[pool] = keys
        for account in self.workers.values():
            if pool in (None, account.pool):
                self._say_welcome(account, now)

    def dismiss(self) -> None:
        """Tell the workers that no more requests will come."""
        self._leaving = True
        for identity in self.workers:
            self._say(identity, Kind.GOODBYE)

    # Time -------------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Do what is due at `now`: show a sign of life, give up workers that have shown none, warn."""
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + self._timing.heartbeat
            self._beat(now)
        self._losses.look(now)
        self._key_check.look(now)
        of_workers = self._timing.liveness
        of_brokers = min(of_workers, BROKER_LIVENESS)
        silent = now - of_workers, now - of_brokers  # no call for each: there may be thousands
        for account in [each for each in self.workers.values() if each.heard < silent[each.is_broker]]:
            self.lose(account.identity, now, f"silent for {of_brokers if account.is_broker else of_workers:g} s")

    def _beat(self, _now: float) -> None:
        self.outgoing += [(identity, envelope.HEARTBEAT) for identity in self.workers]

    def make_up(self, pause: float, now: float) -> None:
        """Let a pause of ours, in seconds, have been none for workers and what waits: they have the time they had."""
        for account in self.workers.values():
            account.make_up(pause, now)
        for pool in self.pools.values():
            pool.make_up(pause, now)

    # What others may know ---------------------------------------------------------------------------------------

    def figures(self) -> list[dict[str, Any]]:
        """Return each worker's name, pool, credit, open and answered requests, and which of its keys is not known."""
        return [each.figures() | each.labels.figures(self._keys_for(each)) for each in self.workers.values()]
