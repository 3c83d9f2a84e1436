"""One broker and what is said to it, envelope by envelope: `Counter` has short names for both sides and one clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slbroker.broker.relay import Relay
from slbroker.bus import envelope
from slbroker.bus.account import Offer
from slbroker.bus.envelope import Kind
from slbroker.settings.broker import RelaySettings
from tests.support.bus import MESSAGE, SOURCE, START, encode_requests, hello, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTINGS = RelaySettings()
FIRST_ROUTE = 2**40


class Counter:
    """A relay with the hands of a test. Each step checks the books."""

    def __init__(self, settings: RelaySettings = SETTINGS) -> None:
        self.now = START
        self.relay = Relay("b1", FIRST_ROUTE, settings)
        self.relay.expire(self.now)
        self._sent = 0

    # What edges say ---------------------------------------------------------------------------------------------

    def greet(self, edge: str = "e1", pool: str = "default") -> list[tuple[Kind, dict[str, Any]]]:
        """An edge looks for a pool; what it hears."""
        self.relay.from_edge(edge.encode(), envelope.encode(Kind.WHO, {"edge": edge, "pool": pool}), self.now)
        return self.to_edges().get(edge, [])

    def link(self, edge: str = "e1", pool: str = "default", timeout: float = 5.0) -> Offer:
        """An edge looks for a pool, hears HELLO, and says WELCOME; what it was offered."""
        ((kind, info),) = self.greet(edge, pool)
        assert kind is Kind.HELLO
        self.edge(edge, Kind.WELCOME, {"edge": edge, "heartbeat": 0.25, "handler_timeout": timeout})
        return Offer.read(info)

    def edge(self, edge: str, kind: Kind, info: dict[str, Any] | None = None) -> None:
        self.relay.from_edge(edge.encode(), envelope.encode(kind, info), self.now)
        self.check()

    def requests(self, edge: str, batch_id: bytes, size: int = 1, *, padding: int = 0) -> list[bytes]:
        """An edge sends a batch; its body."""
        message = MESSAGE._replace(body=b"x" * padding)
        frames = encode_requests([(number, message, SOURCE) for number in range(size)], batch_id)
        self.relay.from_edge(edge.encode(), frames, self.now)
        self.check()
        return frames

    # What workers say -------------------------------------------------------------------------------------------

    def worker(self, name: str, kind: Kind, info: dict[str, Any] | None = None) -> None:
        self.relay.from_worker(name.encode(), envelope.encode(kind, info), self.now)
        self.check()

    def join(self, name: str, credit: int = 4, pool: str = "default", takes: Sequence[bytes] = ()) -> None:
        self.worker(name, Kind.HELLO, {**hello(name, credit, takes), "pool": pool})

    def replies(self, name: str, batch_id: bytes, size: int = 1) -> list[bytes]:
        """A worker answers so many of a batch; the body."""
        frames = envelope.encode_replies([(number, b"SIP/2.0 200 OK\r\n\r\n") for number in range(size)], batch_id)
        self.relay.from_worker(name.encode(), frames, self.now)
        self.check()
        return frames

    # What they hear ---------------------------------------------------------------------------------------------

    def to_edges(self) -> dict[str, list[tuple[Kind, dict[str, Any]]]]:
        """What each edge is told now, in words; answers are an empty map."""
        return self._words(self.relay.send(self.now).to_edges)

    def to_workers(self) -> dict[str, list[tuple[Kind, dict[str, Any]]]]:
        return self._words(self.relay.send(self.now).to_workers)

    def batches(self) -> list[tuple[str, bytes, int, bytes]]:
        """Who gets which batch now: worker, batch id, size, body."""
        out = []
        for identity, frames in self.relay.send(self.now).to_workers:
            head = envelope.decode_head(frames)
            if head.kind is Kind.REQUESTS:
                out.append((identity.decode(), head.batch_id, head.size, frames[1]))
        return out

    def answers(self) -> list[tuple[str, bytes, int, bytes]]:
        """Which edge gets which answers now: edge, batch id, size, body."""
        out = []
        for identity, frames in self.relay.send(self.now).to_edges:
            head = envelope.decode_head(frames)
            if head.kind is Kind.REPLIES:
                out.append((identity.decode(), head.batch_id, head.size, frames[1]))
        return out

    @staticmethod
    def _words(outgoing: list[tuple[bytes, list[bytes]]]) -> dict[str, list[tuple[Kind, dict[str, Any]]]]:
        words: dict[str, list[tuple[Kind, dict[str, Any]]]] = {}
        for identity, frames in outgoing:
            kind = kind_of(frames)
            info = {} if kind in (Kind.REQUESTS, Kind.REPLIES) else envelope.decode_info(frames[1])
            if kind is Kind.LOST:  # to `blamed` belongs who it was, and why
                info = {key: value for key, value in info.items() if key not in ("worker", "cause")}
            if kind is not Kind.HEARTBEAT:
                words.setdefault(identity.decode(), []).append((kind, info))
        return words

    # Time -------------------------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time go by, at a tick as the service has it; everybody shows signs of life."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.05)
            for link in self.relay.edges.links.values():
                link.heard = self.now
            for worker in self.relay.workers.values():
                worker.heard = self.now
            self.relay.expire(self.now)
            self.check()

    def check(self) -> None:
        assert self.relay.statistics()["unaccounted"] == 0

    def fates(self) -> dict[str, int]:
        """What has become of requests, where it is not 0."""
        figures = self.relay.table.figures(self.relay.in_flight)
        return {name: value for name, value in figures.items() if value and name != "taken"}


def holding(counter: Counter, size: int = 2) -> bytes:
    """Let w1 and w2 join and w1 hold a batch; its id."""
    counter.join("w1", credit=8)
    counter.join("w2", credit=4)
    counter.link()
    counter.advance(0.1)
    counter.requests("e1", b"r", size)
    ((worker, batch_id, _, _),) = counter.batches()
    assert worker == "w1"
    counter.to_edges()
    return batch_id


def names(counter: Counter) -> list[str]:
    return [worker.name for worker in counter.relay.workers.values()]


def blamed(counter: Counter) -> list[tuple[str, str]]:
    """Which workers edges are told of as having lost a batch, and why."""
    infos = [envelope.decode_info(frames[1]) for _edge, frames in counter.relay.send(counter.now).to_edges
             if kind_of(frames) is Kind.LOST]  # fmt: skip
    return [(info["worker"], info["cause"]) for info in infos]


def lost(*routes: bytes, begun: bool) -> tuple[Kind, dict[str, Any]]:
    return Kind.LOST, {"batches": routes, "begun": begun}
