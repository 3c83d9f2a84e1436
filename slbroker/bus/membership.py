"""The worker's end of the bus: its standing at one edge, from HELLO to GOODBYE.

Pure: envelopes and `now` (seconds, monotonic) come in, envelopes go out. A worker has one membership for each edge.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any

from slbroker.bus import envelope
from slbroker.bus.envelope import MAX_BATCH, Answer, Item, Kind
from slbroker.errors import EnvelopeError

if TYPE_CHECKING:
    from collections.abc import Sequence

HELLO_INTERVAL = 0.25  # seconds between two HELLOs to an edge that has not said WELCOME
HEARTBEAT = 0.25  # seconds between two signs of life
EDGE_LIVENESS = 2.0  # seconds; an edge says something every 0.25 s, so one that is silent for so long has gone


class Standing(Enum):
    """Where a worker stands with an edge."""

    GREETING = "greeting"
    MEMBER = "member"
    LEAVING = "leaving"
    LEFT = "left"


class Membership:
    """One worker at one edge."""

    def __init__(self, hello: dict[str, Any]) -> None:
        """`hello` is the map of HELLO: name, pool, credit, takes."""
        self.standing = Standing.GREETING
        self.edge: dict[str, Any] = {}  # the map of the edge's WELCOME
        self.garbage = 0
        self._hello = hello
        self._routes: dict[int, bytes] = {}  # open requests, and the route their answers take
        self._answers: dict[bytes, list[tuple[int, Answer]]] = {}
        self._outgoing: list[list[bytes]] = []
        self._next_word = -math.inf  # when to say HELLO or HEARTBEAT
        self._last_hello = -math.inf
        self._edge_heard = -math.inf

    @property
    def open(self) -> int:
        """Return how many requests are taken and not answered."""
        return len(self._routes)

    # What comes from the edge -----------------------------------------------------------------------------------

    def receive(self, frames: Sequence[bytes], now: float) -> list[Item]:
        """Take one envelope from the edge; return the requests in it. Garbage is counted and changes nothing else."""
        try:
            head = envelope.decode_head(frames)
            self._edge_heard = now
            if head.kind is Kind.REQUESTS:
                items = envelope.decode_requests(frames[1])
                self._routes.update(dict.fromkeys([item[0] for item in items], head.route))
                return items
            self._control(head.kind, frames[1])
        except EnvelopeError:
            self.garbage += 1
        return []

    def _control(self, kind: Kind, body: bytes) -> None:
        if kind is Kind.WELCOME:
            self.edge = envelope.decode_info(body)
            if self.standing is Standing.GREETING:
                self.standing = Standing.MEMBER
        elif kind is Kind.WHO:
            if self.standing is Standing.MEMBER:
                self.standing = Standing.GREETING
                self._next_word = self._last_hello + HELLO_INTERVAL  # at once, but no faster than ever
            elif self.standing is Standing.LEAVING:
                self._routes.clear()  # the edge has restarted: nobody waits for these answers
                self.standing = Standing.LEFT
        elif kind is Kind.GOODBYE:
            if self.standing is Standing.LEAVING:
                self.standing = Standing.LEFT
            elif self.standing is Standing.MEMBER:
                self.standing = Standing.GREETING  # the edge goes away; one that comes back under its address hears us
                self._next_word = self._edge_heard + HELLO_INTERVAL

    # What goes to the edge --------------------------------------------------------------------------------------

    def answer(self, number: int, answer: Answer) -> None:
        """Answer one request; `send` puts the answers of a turn into one envelope, or few."""
        route = self._routes.pop(number, None)
        if route is not None:
            self._answers.setdefault(route, []).append((number, answer))

    def send(self, now: float) -> list[list[bytes]]:
        """Return the envelopes to send now: answers, and a HELLO or HEARTBEAT when one is due."""
        outgoing, self._outgoing = self._outgoing, []
        if self._answers:
            for route, answers in self._answers.items():
                for start in range(0, len(answers), MAX_BATCH):
                    outgoing.append(envelope.encode_replies(answers[start : start + MAX_BATCH], route))
            self._answers.clear()
        if now >= self._next_word:
            outgoing += self._word_of(now)
        return outgoing

    def _word_of(self, now: float) -> list[list[bytes]]:
        edge_is_gone = now - self._edge_heard > EDGE_LIVENESS
        if self.standing is Standing.MEMBER and edge_is_gone:
            self.standing = Standing.GREETING
        elif self.standing is Standing.LEAVING and edge_is_gone:
            self.standing = Standing.LEFT
        match self.standing:
            case Standing.GREETING:
                self._last_hello = now
                self._next_word = now + HELLO_INTERVAL
                return [envelope.encode(Kind.HELLO, self._hello)]
            case Standing.LEFT if not self._routes:
                return []
            case Standing.LEAVING:
                word = Kind.GOODBYE  # again: an envelope can get lost with a connection
            case _:
                word = Kind.HEARTBEAT
        self._next_word = now + HEARTBEAT
        return [envelope.encode(word)]

    def leave(self) -> None:
        """Say GOODBYE; the membership is over when the edge has said it too and all requests are answered.

        An edge that has not welcomed us is not waited for: what it may have sent meanwhile, it gives to another worker.
        """
        if self.standing in (Standing.GREETING, Standing.MEMBER):
            self.standing = Standing.LEFT if self.standing is Standing.GREETING else Standing.LEAVING
            self._outgoing.append(envelope.encode(Kind.GOODBYE))

    @property
    def is_over(self) -> bool:
        """Return whether nothing more will come from this edge, nor is owed to it."""
        return self.standing is Standing.LEFT and not self._routes and not self._answers and not self._outgoing
