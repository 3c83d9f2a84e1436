"""The broker without its sockets: batches from edges to workers, and the answers back; bodies stay unopened.

    edge -> from_edge -> a team's least loaded worker -> (bus) -> from_worker -> edge

Pure: envelopes and `now` (seconds, monotonic) come in, `send` returns what goes out. The edge keeps every request until
it is answered, so a broker that dies takes nothing with it, and one that loses a worker only has to say so.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from slbroker.broker.batches import count_items, encode_batch
from slbroker.broker.edges import Edges
from slbroker.broker.table import Table
from slbroker.broker.workers import Workers
from slbroker.bus import envelope
from slbroker.bus.envelope import Kind
from slbroker.config import RelaySettings
from slbroker.errors import EnvelopeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slbroker.broker.batches import Batch
    from slbroker.broker.team import Team
    from slbroker.bus.account import Offer
    from slbroker.bus.envelope import Head

# (identity of the connection, frames)
Outgoing: TypeAlias = list[tuple[bytes, list[bytes]]]


class Sent(NamedTuple):
    """What goes out by the one socket and by the other."""

    to_edges: Outgoing
    to_workers: Outgoing


class Relay:
    """One broker process without its sockets."""

    def __init__(self, name: str, first_route: int, settings: RelaySettings | None = None) -> None:
        """`first_route` (below 2^63) should be random, so that an answer to a broker's former life matches nothing."""
        self.name = name
        self.settings = settings or RelaySettings()
        self.workers = Workers(name, self.settings.heartbeat)
        self.edges = Edges(self._offer_of)
        self.table = Table(first_route)
        self._unplaced: list[Batch] = []  # go back with the next tick: an edge may send them again at once
        self._next_beat = -math.inf
        self._leaving = False

    # Batches come from edges ------------------------------------------------------------------------------------

    def from_edge(self, identity: bytes, frames: Sequence[bytes], now: float) -> None:
        """Take one envelope from an edge. Garbage is counted, nothing more."""
        try:
            head = envelope.decode_head(frames)
            if head.kind is Kind.REQUESTS:
                self._take(identity, head, frames[1], now)
                return
            info = envelope.decode_info(frames[1])
            if head.kind is Kind.BAD:
                self._bad(identity, sorted(envelope.read_batches(info)), now)
            elif head.kind is Kind.STATS:
                self.edges.say(identity, Kind.FIGURES, self.figures())
            else:
                self.edges.hear(head.kind, identity, info, now)
                self.workers.learn(self.edges.handler_timeout, closes=self.edges.closes)
        except EnvelopeError:
            self.edges.garbage += 1

    def _take(self, identity: bytes, head: Head, body: bytes, now: float) -> None:
        size = count_items(head, body)
        link = self.edges.recognise(identity, now)
        if link is None:
            return  # the edge has an account with the broker that was here before; WHO ends it
        batch = self.table.take(link, head.route, body, size, now)
        team = self.workers.teams.get(link.pool)
        if team is None or link.held > link.most or not self._has_place(team, batch):
            batch.body = b""
            self._unplaced.append(batch)
        else:
            team.put(batch)
            self._assign(team)

    def _has_place(self, team: Team, batch: Batch) -> bool:
        """Return whether a batch can go to a worker now, or wait for one that could take it."""
        size = batch.left
        if size > team.largest:
            return False
        if not team.waiting and team.least_loaded(size) is not None:
            return True
        waiting = sum(each.waiting_bytes for each in self.workers.teams.values())
        return waiting + len(batch.body) <= self.settings.max_waiting_bytes

    # Batches go to workers --------------------------------------------------------------------------------------

    def _assign(self, team: Team) -> None:
        """Give away what waits, in its order, as far as there is credit."""
        while team.waiting:
            first = team.waiting[0]
            if first.link is None:
                self._return([team.pop()])
                continue
            worker = team.least_loaded(first.left)
            if worker is None:
                return
            batch = team.pop()
            self.table.begin(batch)
            team.give(worker, batch)
            frames = encode_batch(Kind.REQUESTS, batch.route, batch.left, batch.body)
            batch.body = b""
            self.workers.outgoing.append((worker.identity, frames))

    # Answers come from workers ----------------------------------------------------------------------------------

    def from_worker(self, identity: bytes, frames: Sequence[bytes], now: float) -> None:
        """Take one envelope from a worker. Garbage closes its account, and nothing more is heard on its connection."""
        if identity in self.workers.ignored:
            return
        try:
            head = envelope.decode_head(frames)
            if head.kind is Kind.REPLIES:
                self._answer(identity, head, frames[1], now)
                return
            info = envelope.decode_info(frames[1])
            if head.kind is Kind.STATS:
                self.workers.say(identity, Kind.FIGURES, self.figures())
            else:
                self.workers.hear(head.kind, identity, info, now)
        except EnvelopeError as error:
            self.workers.close_as_garbage(identity, str(error))
        self._give_up()

    def _answer(self, identity: bytes, head: Head, body: bytes, now: float) -> None:
        size = count_items(head, body)
        worker = self.workers.recognise(identity, now)
        batch = self.table.held_by(worker, head.route, size) if worker is not None else None
        if worker is None or batch is None:
            self.workers.strike(worker, size)
            return
        link = self.table.settle(batch, size)
        if link is not None:
            self.edges.outgoing.append((link.identity, encode_batch(Kind.REPLIES, batch.edge_route, size, body)))
        team = self.workers.teams[worker.offer.pool]
        team.refresh(worker)
        if team.waiting:
            self._assign(team)
        if worker.leaving:
            self.workers.close_if_done(worker)
            self._give_up()

    def _bad(self, identity: bytes, routes: list[bytes], now: float) -> None:
        """Close the accounts of the workers whose answers an edge could not read."""
        link = self.edges.recognise(identity, now)
        if link is None:
            return
        for route in routes:
            worker = self.table.worker_of(link, route)
            if worker in self.workers.by_identity:
                self.workers.close_as_garbage(worker, "an edge cannot read its answers")
        finished = [route for route in routes if route not in link.batches]
        self.edges.say_routes_lost(identity, finished, begun=True)
        self._give_up()

    # Batches that are not answered ------------------------------------------------------------------------------

    def _give_up(self) -> None:
        """Tell the edges of the batches whose worker has gone, and return those that wait for nobody now."""
        if self.workers.fallen:
            fallen, self.workers.fallen = self.workers.fallen, []
            self.edges.say_lost(self.table.give_up(fallen), begun=True)
        for pool in self.workers.changed:
            team = self.workers.teams.get(pool)
            if team is not None:
                self._return(team.take_hopeless())
                self._assign(team)
                self.workers.forget_empty(team)

    def _return(self, batches: Iterable[Batch]) -> None:
        """Give back to the edges what no worker has had."""
        self.edges.say_lost(self.table.give_back(batches), begun=False)

    # Connections break ------------------------------------------------------------------------------------------

    def lose_worker(self, identity: bytes) -> None:
        """Close the account of a worker that is not to be served any more."""
        self.workers.lose(identity)
        self._give_up()

    def refused_by_workers(self, refused: Outgoing) -> None:
        """Take back what could not be sent: these workers have gone. A batch that none has got goes to another one."""
        for identity, frames in refused:
            worker = self.workers.by_identity.get(identity)
            batch = self.table.take_back(envelope.decode_head(frames).route, worker)
            if batch is not None and worker is not None:
                batch.body = frames[1]
                team = self.workers.teams[worker.offer.pool]
                team.take_back(worker, batch)
                team.put(batch, first=True)
        for identity, _frames in refused:
            self.workers.lose(identity)
        self._give_up()

    def refused_by_edges(self, refused: Outgoing) -> None:
        """Take back what could not be sent: these edges have gone."""
        for identity, frames in refused:
            head = envelope.decode_head(frames)
            if head.kind is Kind.REPLIES:
                self.table.unsettle(head.size)
            self.edges.lose(identity)

    # Time -------------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Do what is due at `now`: heartbeats, those that are silent, batches that wait for too long."""
        settings = self.settings
        if now >= self._next_beat:
            self._next_beat = now + settings.heartbeat
            self.edges.beat(now - settings.liveness)
            self.workers.beat(now - settings.liveness)
            self._give_up()
        if self._unplaced:
            unplaced, self._unplaced = self._unplaced, []
            self._return(unplaced)
        for team in self.workers.teams.values():
            if team.waiting:
                self._return(team.take_aged(now - settings.max_wait))
                self._assign(team)

    def make_up(self, pause: float, now: float) -> None:
        """Let a pause of ours, in seconds, have been none for edges, workers and what waits."""
        for link in self.edges.links.values():
            link.heard = min(link.heard + pause, now)
        for worker in self.workers.by_identity.values():
            worker.heard = min(worker.heard + pause, now)
        for team in self.workers.teams.values():
            for batch in team.waiting:
                batch.queued = min(batch.queued + pause, now)

    def send(self, now: float) -> Sent:
        """Return what to put on the two sockets now."""
        if self.workers.changed:
            self._offer_changes(now)
        if self.edges.rekeyed:
            rekeyed, self.edges.rekeyed = self.edges.rekeyed, set()
            for pool in rekeyed:
                self.workers.learn_keys(pool, self.edges.keys_of(pool))
        sent = Sent(self.edges.outgoing, self.workers.outgoing)
        self.edges.outgoing, self.workers.outgoing = [], []
        return sent

    def _offer_changes(self, now: float) -> None:
        """Tell the edges what has changed, but of each pool not too often."""
        due = set()
        for pool in self.workers.changed:
            team = self.workers.teams.get(pool)
            if team is None:
                due.add(pool)
            elif now >= team.next_offer:
                due.add(pool)
                team.next_offer = now + self.settings.offer_interval
        self.workers.changed -= due
        self.edges.offer_all(due)

    def _offer_of(self, pool: str) -> Offer | None:
        team = self.workers.teams.get(pool)
        return team.offer(self.name) if team is not None and not self._leaving else None

    # Ending -----------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Say GOODBYE to all edges; what they have sent, and what is on its way, is still seen to."""
        self._leaving = True
        self.edges.offer_all({link.pool for link in self.edges.links.values()})

    def is_done(self) -> bool:
        """Return whether nothing more comes from the edges, and nothing is owed to them."""
        return not self.in_flight and not any(link.is_parting for link in self.edges.links.values())

    def dismiss(self) -> None:
        """Say GOODBYE to all workers, as the last word."""
        self.workers.dismiss()

    # What others may know ---------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Return how many requests wait, for a worker or to go back."""
        unplaced = sum(batch.left for batch in self._unplaced)
        return unplaced + sum(team.waiting_size for team in self.workers.teams.values())

    @property
    def in_flight(self) -> int:
        """Return how many requests wait, or are at a worker."""
        return self.waiting + sum(worker.used for worker in self.workers.by_identity.values())

    def figures(self) -> dict[str, Any]:
        """Return the statistics."""
        return {
            "name": self.name,
            "kind": "broker",
            **self.table.figures(self.in_flight),
            "waiting": self.waiting,
            "late_answers": self.workers.late,
            "garbage": self.workers.garbage + self.edges.garbage,
            "edges": [link.figures() for link in self.edges.links.values()],
            "workers": self.workers.figures(),
        }
