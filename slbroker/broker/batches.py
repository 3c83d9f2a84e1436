"""A batch on its way through a broker, unopened; the edge's connection that it came by, the worker that holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgpack

from slbroker.bus.account import Account
from slbroker.bus.envelope import VERSION, Kind
from slbroker.errors import EnvelopeError

if TYPE_CHECKING:
    from slbroker.bus.account import Offer
    from slbroker.bus.envelope import Head


class Batch:
    """Requests that an edge sent in one envelope. `left` of them are not answered."""

    __slots__ = ("account", "body", "edge_id", "id", "left", "link", "queued")

    def __init__(self, link: EdgeLink, edge_id: bytes, body: bytes, size: int, now: float) -> None:
        self.link: EdgeLink | None = link  # None: the edge has gone, nobody waits for the answers
        self.edge_id = edge_id  # what the edge calls it
        self.body = body  # b"" once a worker has it: should that one die, the edge has the requests
        self.left = size
        self.queued = now
        self.id = b""  # what the worker calls it
        self.account: BatchAccount | None = None  # of the worker that holds it


class EdgeLink:
    """The connection over which an edge process reaches one pool."""

    __slots__ = (
        "closes", "edge", "forwards", "heard", "held", "identity", "is_member", "is_parting", "keys", "most", "open",
        "pool", "told",
    )  # fmt: skip

    def __init__(self, identity: bytes, edge: str, pool: str, now: float) -> None:
        self.identity = identity
        self.edge = edge
        self.pool = pool
        self.heard = now
        self.open: dict[bytes, Batch] = {}  # by the ids that the edge knows them by
        self.held = 0  # requests in them that are not answered
        self.told: Offer | None = None  # what the edge was last told that we offer
        self.most = 0  # the greatest credit that it was ever told
        self.is_member = False  # the edge has an account for us
        self.is_parting = False  # we have said GOODBYE and wait for the edge's
        self.keys: frozenset[str] | None = None  # labels of the edge's keys, if it has told them
        # Whether the edge takes answers that close a connection, and such as let a request go on; or has not said so.
        self.closes = self.forwards = True

    def figures(self) -> dict[str, Any]:
        """Return what the statistics show of it."""
        return {
            "name": self.edge,
            "pool": self.pool,
            "credit": self.told.credit if self.told else 0,
            "open": self.held,
        }


class BatchAccount(Account):
    """A worker of a broker, and the batches it holds, by the ids that it knows them by."""

    __slots__ = ("held",)
    open: dict[bytes, Batch]
    held: int  # requests in them that are not answered

    def __init__(self, identity: bytes, offer: Offer, now: float) -> None:
        super().__init__(identity, offer, now)
        self.held = 0


def count_items(head: Head, body: bytes) -> int:
    """Return how many items a batch has; raise EnvelopeError unless its head and its body's first bytes agree on it."""
    first = body[0] if body else 0
    if 0x90 <= first <= 0x9F:  # msgpack: an array of up to 15 elements, of 16-bit and of 32-bit length
        count = first & 0x0F
    elif first in (0xDC, 0xDD):
        count = int.from_bytes(body[1 : 3 if first == 0xDC else 5], "big")
    else:
        raise EnvelopeError("the body is not an array")
    if not 0 < count == head.size:
        raise EnvelopeError(f"a batch of {count}, said to be one of {head.size}")
    return count


def encode_batch(kind: Kind, batch_id: bytes, size: int, body: bytes) -> list[bytes]:
    """Return the frames of a batch that goes on under another id."""
    return [msgpack.packb((VERSION, int(kind), batch_id, size)), body]
