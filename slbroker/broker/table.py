"""The batches in a broker's hands, and the law that none of their requests vanishes.

taken = answered + lost + returned + orphaned + in flight        (requests, at any instant)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from slbroker.broker.batches import Batch
from slbroker.errors import EnvelopeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slbroker.broker.batches import BatchAccount, EdgeLink

REMEMBERED: Final = 4_096  # finished batches in each of two generations: an edge reads an answer within milliseconds


class Table:
    """Who sent each batch, who holds it, and the count of what has become of their requests."""

    def __init__(self, first_id: int) -> None:
        self.taken = 0  # requests from edges
        self.answered = 0  # answers handed on
        self.lost = 0  # at a worker that has gone; the edge was told
        self.returned = 0  # no worker took them in time; the edge was told
        self.orphaned = 0  # their edge has gone
        self._open: dict[bytes, Batch] = {}  # at workers, by the ids that they know
        self._next_id = first_id
        # Identity of an edge's link, and the edge's id of a batch; who answered. For an edge that cannot read that.
        self._young: dict[tuple[bytes, bytes], bytes] = {}
        self._old: dict[tuple[bytes, bytes], bytes] = {}

    # A batch comes, and goes to a worker ------------------------------------------------------------------------

    def enter(self, link: EdgeLink, edge_id: bytes, body: bytes, size: int, now: float) -> Batch:
        """Take on a batch of `size` requests; raise EnvelopeError for a second one under an id."""
        if edge_id in link.open:
            raise EnvelopeError("a second batch under one id")
        batch = link.open[edge_id] = Batch(link, edge_id, body, size, now)
        link.held += size
        self.taken += size
        return batch

    def begin(self, batch: Batch) -> None:
        """Give a batch the id that its worker is to know it by."""
        batch.id = self._next_id.to_bytes(8, "big")
        self._next_id += 1
        self._open[batch.id] = batch

    def take_back(self, batch_id: bytes, account: BatchAccount | None) -> Batch | None:
        """Return the batch that could not be sent to a worker, if there is one and it holds it; it is to wait again."""
        batch = self._open.get(batch_id)
        return self._open.pop(batch_id) if batch is not None and batch.account is account else None

    # It is answered ---------------------------------------------------------------------------------------------

    def held_by(self, account: BatchAccount, batch_id: bytes, size: int) -> Batch | None:
        """Return the batch of which a worker answers `size` requests; None when it has ended, or never was.

        Raises EnvelopeError when it is another worker's, or not so large.
        """
        batch = self._open.get(batch_id)
        if batch is not None and (batch.account is not account or size > batch.left):
            raise EnvelopeError("answers to what this worker does not hold")
        return batch

    def settle(self, batch: Batch, size: int) -> EdgeLink | None:
        """Note `size` answers; return who waits for them, None when the edge has gone."""
        link, account = batch.link, batch.account
        assert account is not None
        batch.left -= size
        account.held -= size
        account.answered += size
        if not batch.left:
            del self._open[batch.id], account.open[batch.id]
        if link is None:
            self.orphaned += size
            return None
        self.answered += size
        link.held -= size
        if not batch.left:
            del link.open[batch.edge_id]
            self._remember(link, batch.edge_id, account.identity)
        return link

    def unsettle(self, size: int) -> None:
        """Note that `size` answers could not be handed on: the edge has gone."""
        self.answered -= size
        self.orphaned += size

    def _remember(self, link: EdgeLink, edge_id: bytes, worker: bytes) -> None:
        if len(self._young) >= REMEMBERED:
            self._old, self._young = self._young, {}
        self._young[link.identity, edge_id] = worker

    def worker_of(self, link: EdgeLink, edge_id: bytes) -> bytes:
        """Return the identity of the worker that a batch of `link` is or was at, b"" when that is not known."""
        batch = link.open.get(edge_id)
        if batch is not None:
            return batch.account.identity if batch.account is not None else b""
        key = link.identity, edge_id
        return self._young.get(key) or self._old.get(key, b"")

    # It is not --------------------------------------------------------------------------------------------------

    def end(self, batches: Iterable[Batch], *, begun: bool) -> dict[bytes, list[bytes]]:
        """End batches whose worker has gone (`begun`), or that none has had.

        Return, by the links' identities, the ids of those that an edge waits for.
        """
        wanted: dict[bytes, list[bytes]] = {}
        for batch in batches:
            self._open.pop(batch.id, None)
            link = batch.link
            if link is None:
                self.orphaned += batch.left
                continue
            del link.open[batch.edge_id]
            link.held -= batch.left
            self.lost += batch.left if begun else 0
            self.returned += 0 if begun else batch.left
            wanted.setdefault(link.identity, []).append(batch.edge_id)
        return wanted

    # What became of them ----------------------------------------------------------------------------------------

    def figures(self, in_flight: int) -> dict[str, Any]:
        """Return the counters by name. `unaccounted` is 0, or one of the others lies: a bug that nobody should hide."""
        return {
            "taken": self.taken,
            "answered": self.answered,
            "lost": self.lost,
            "returned": self.returned,
            "orphaned": self.orphaned,
            "in_flight": in_flight,
            "unaccounted": self.taken - self.answered - self.lost - self.returned - self.orphaned - in_flight,
        }
