"""A batch on its way through a broker: what is known of it while its body stays unopened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack

from slbroker.bus.envelope import VERSION, Kind
from slbroker.errors import EnvelopeError

if TYPE_CHECKING:
    from slbroker.broker.edges import Link
    from slbroker.broker.team import Worker
    from slbroker.bus.envelope import Head


class Batch:
    """Requests that an edge sent in one envelope. `left` of them are not answered."""

    __slots__ = ("body", "edge_route", "left", "link", "queued", "route", "worker")

    def __init__(self, link: Link, edge_route: bytes, body: bytes, size: int, now: float) -> None:
        self.link: Link | None = link  # None: the edge has gone, nobody waits for the answers
        self.edge_route = edge_route  # what the edge calls it
        self.body = body  # b"" once a worker has it: should that one die, the edge has the requests
        self.left = size
        self.queued = now
        self.route = b""  # what the worker calls it
        self.worker: Worker | None = None


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


def encode_batch(kind: Kind, route: bytes, size: int, body: bytes) -> list[bytes]:
    """Return the frames of a batch that goes on under another route."""
    return [msgpack.packb((VERSION, int(kind), route, size)), body]
