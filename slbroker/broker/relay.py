"""The broker without its sockets: batches from edges to workers, and the answers back; bodies stay unopened.

    edge -> from_edge -> a pool's least loaded worker -> (bus) -> from_worker -> edge

Pure: envelopes and `now` (seconds, monotonic) come in, `send` returns what goes out. The edge keeps every request until
it is answered, so a broker that dies takes nothing with it, and one that loses a worker only has to say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from slbroker.broker.batches import BatchAccount, count_items, encode_batch
from slbroker.broker.batchpool import BatchPool
from slbroker.broker.edges import Edges
from slbroker.broker.table import Table
from slbroker.bus import envelope
from slbroker.bus.envelope import Kind
from slbroker.bus.roster import Outgoing, Roster
from slbroker.errors import EnvelopeError
from slbroker.settings.broker import RelaySettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from slbroker.broker.batches import Batch
    from slbroker.bus.account import Offer
    from slbroker.bus.envelope import Head


class Sent(NamedTuple):
    """What goes out by the one socket and by the other."""

    to_edges: Outgoing
    to_workers: Outgoing


class Relay(Roster[BatchAccount, BatchPool, None]):
    """One broker process without its sockets: to its workers an edge, to its edges (`Edges`) a worker."""

    def __init__(
        self, name: str, first_id: int, settings: RelaySettings | None = None, life: Callable[[], dict[str, Any]] = dict
    ) -> None:
        """`first_id` (below 2^63) should be random, so that an answer to a broker's former life matches nothing.

        `life` is asked for what statistics say of the process.
        """
        self.life = life
        self.settings = settings or RelaySettings()
        self.edges = Edges(self._offer_of)
        self.table = Table(first_id)
        self._unplaced: list[Batch] = []  # go back with the next tick: an edge may send them again at once
        self._is_parting = False
        terms = self.edges.terms()
        super().__init__(name, self.settings, "at all edges", BatchAccount, BatchPool, processes=1, **terms)

    # Batches come from edges ------------------------------------------------------------------------------------

    def from_edge(self, identity: bytes, frames: Sequence[bytes], now: float) -> None:
        """Take one envelope from an edge. Garbage is counted, nothing more."""
        try:
            head = envelope.decode_head(frames)
            if head.kind is Kind.REQUESTS:
                self._accept(identity, head, frames[1], now)
                return
            info = envelope.decode_info(frames[1])
            if head.kind is Kind.BAD:
                self._bad(identity, sorted(envelope.read_batches(info)), now)
            elif head.kind is Kind.STATS:
                self.edges.say(identity, Kind.FIGURES, self.statistics())
                self._ask_workers(now)
            else:
                self.edges.hear(head.kind, identity, info, now)
                self.announce(now, **self.edges.terms())
        except EnvelopeError:
            self.edges.garbage += 1

    def _accept(self, identity: bytes, head: Head, body: bytes, now: float) -> None:
        size = count_items(head, body)
        link = self.edges.recognise(identity, now)
        if link is None:
            return  # the edge has an account with the broker that was here before; WHO ends it
        batch = self.table.enter(link, head.batch_id, body, size, now)
        pool = self.pools.get(link.pool)
        if pool is None or link.held > link.most or not self._has_place(pool, batch):
            batch.body = b""
            self._unplaced.append(batch)
        else:
            pool.put(batch)
            self._assign(pool)

    def _has_place(self, pool: BatchPool, batch: Batch) -> bool:
        """Return whether a batch can go to a worker now, or wait for one that could take it."""
        if batch.left > pool.largest:
            return False
        if not pool.waiting and pool.least_loaded(batch.left) is not None:
            return True
        waiting = sum(each.waiting_bytes for each in self.pools.values())
        return waiting + len(batch.body) <= self.settings.max_waiting_bytes

    # Batches go to workers --------------------------------------------------------------------------------------

    def _assign(self, pool: BatchPool) -> None:
        """Give away what waits, in its order, as far as there is credit."""
        while pool.waiting:
            first = pool.waiting[0]
            if first.link is None:
                self._end([pool.pop()])
                continue
            account = pool.least_loaded(first.left)
            if account is None:
                return
            batch = pool.pop()
            self.table.begin(batch)
            pool.give(account, batch)
            frames = encode_batch(Kind.REQUESTS, batch.id, batch.left, batch.body)
            batch.body = b""
            self.outgoing.append((account.identity, frames))

    # Answers come from workers ----------------------------------------------------------------------------------

    def from_worker(self, identity: bytes, frames: Sequence[bytes], now: float) -> None:
        """Take one envelope from a worker. Garbage closes its account, and nothing more is heard on its connection."""
        self.receive(identity, frames, now)
        while self.asked:
            self.tell(self.asked.pop(), self.statistics())

    def _replies(self, identity: bytes, head: Head, body: bytes, now: float) -> list[None]:
        size = count_items(head, body)
        account = self._recognise(identity, now)
        batch = self.table.held_by(account, head.batch_id, size) if account is not None else None
        if account is None or batch is None:
            self.late += size
            if account is not None:
                account.strikes += size
                self._judge(account, now)
            return []
        link = self.table.settle(batch, size)
        if link is not None:
            self.edges.outgoing.append((link.identity, encode_batch(Kind.REPLIES, batch.edge_id, size, body)))
        pool = self.pools[account.pool]
        pool.refresh(account)
        self._assign(pool)
        self._close_if_done(account)
        return []

    def _bad(self, identity: bytes, ids: list[bytes], now: float) -> None:
        """Close the accounts of the workers whose answers an edge could not read."""
        link = self.edges.recognise(identity, now)
        if link is None:
            return
        finished = [each for each in ids if each not in link.open]
        for batch_id in ids:
            account = self.workers.get(self.table.worker_of(link, batch_id))
            if account is not None:
                self.garbage += 1
                self._shun(account, "an edge cannot read its answers", now)
        self.edges.say_lost(identity, finished, begun=True)

    # Batches that are not answered ------------------------------------------------------------------------------

    def _bereaved(self, account: BatchAccount) -> str:
        return f"{account.held} requests go back to their edges"

    def _see_to(self, account: BatchAccount, _now: float, cause: str) -> None:
        self._end(account.open.values(), begun=True, by={"worker": account.name, "cause": cause})

    def _end(self, batches: Iterable[Batch], *, begun: bool = False, by: Mapping[str, str] | None = None) -> None:
        """Give back to the edges what no worker has had, or what was begun `by` one that has gone."""
        for identity, ids in self.table.end(batches, begun=begun).items():
            self.edges.say_lost(identity, ids, begun=begun, by=by)

    def refused_by_workers(self, refused: Outgoing, now: float) -> None:
        """Take back what could not be sent: these workers have gone. A batch that none has got goes to another one."""
        for identity, frames in refused:
            account = self.workers.get(identity)
            batch = self.table.take_back(envelope.decode_head(frames).batch_id, account)
            if batch is not None and account is not None:
                batch.body = frames[1]
                self.pools[account.pool].take_back(account, batch)
        for identity, _frames in refused:
            self.lose(identity, now)

    def refused_by_edges(self, refused: Outgoing, now: float) -> None:
        """Take back what could not be sent: these edges have gone."""
        for identity, frames in refused:
            head = envelope.decode_head(frames)
            if head.kind is Kind.REPLIES:
                self.table.unsettle(head.size)
            self.edges.lose(identity, now)

    # Time -------------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Do what is due at `now`: heartbeats, those that are silent, batches that wait for too long."""
        super().expire(now)
        unplaced, self._unplaced = self._unplaced, []
        self._end(unplaced)
        for pool in self.pools.values():
            self._end(pool.take_aged(now - self.settings.max_wait))
            self._assign(pool)

    def _beat(self, now: float) -> None:
        self.edges.beat(now, self.settings.liveness)
        super()._beat(now)

    def make_up(self, pause: float, now: float) -> None:
        """Let a pause of ours, in seconds, have been none for edges, workers and what waits."""
        super().make_up(pause, now)
        for link in self.edges.links.values():
            link.heard = min(link.heard + pause, now)

    def send(self, now: float) -> Sent:
        """Return what to put on the two sockets now."""
        if changed := [pool for pool in self.pools.values() if pool.has_changed]:
            for pool in changed:
                self._end(pool.take_hopeless())
                self._assign(pool)
            self.edges.offer_all({pool.name for pool in changed if self._may_tell_of(pool, now)})
        while self.edges.rekeyed:
            name = self.edges.rekeyed.pop()
            self.use_keys(self.edges.keys_of(name), now, name)
        sent = Sent(self.edges.outgoing, self.outgoing)
        self.edges.outgoing, self.outgoing = [], []
        return sent

    def _may_tell_of(self, pool: BatchPool, now: float) -> bool:
        """Return whether edges are to be told of a change: of each pool not too often. Forget one that has nobody."""
        if not pool.accounts and not pool.waiting:
            del self.pools[pool.name]
        elif now < pool.next_offer:
            return False
        pool.has_changed = False
        pool.next_offer = now + self.settings.offer_interval
        return True

    def _offer_of(self, name: str) -> Offer | None:
        pool = self.pools.get(name)
        return pool.offer(self.name) if pool is not None and not self._is_parting else None

    # Ending -----------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Say GOODBYE to all edges; what they have sent, and what is on its way, is still seen to."""
        self._is_parting = True
        self.edges.offer_all({link.pool for link in self.edges.links.values()})

    def is_done(self) -> bool:
        """Return whether nothing more comes from the edges, and nothing is owed to them."""
        return not self.in_flight and not any(link.is_parting for link in self.edges.links.values())

    # What others may know ---------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Return how many requests wait, for a worker or to go back."""
        return sum(batch.left for batch in self._unplaced) + sum(pool.waiting_size for pool in self.pools.values())

    @property
    def in_flight(self) -> int:
        """Return how many requests wait, or are at a worker."""
        return self.waiting + sum(account.held for account in self.workers.values())

    def statistics(self) -> dict[str, Any]:
        """Return the statistics."""
        return {
            "name": self.name,
            "kind": "broker",
            **self.life(),
            **self.table.figures(self.in_flight),
            "waiting": self.waiting,
            "late_answers": self.late,
            "garbage": self.garbage + self.edges.garbage,
            "edges": [link.figures() for link in self.edges.links.values()],
            "workers": self.figures(),
        }
