"""An edge with no sockets: a fake listener before it, the real bus protocol and real handlers behind it.

rig = Rig()
rig.join(app)
rig.receive(request("OPTIONS"))
assert read_reply(rig.replies[0]).status == 200

Each step checks that the fates add up to what was received.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from slbroker.bus.dispatcher import Dispatcher
from slbroker.bus.membership import Membership
from slbroker.bus.memo import Kept
from slbroker.keys import KeyRing
from slbroker.plugin.responder import Responder
from slbroker.settings.dispatch import USUAL_POLICIES, DispatchSettings, Policies
from slbroker.totag import Signer
from slbroker_edge.ackfilter import AckFilter
from slbroker_edge.edge import Edge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slbroker import Handlers
    from slbroker.bus.envelope import Answer
    from slbroker.bus.items import Item
    from slbroker.bus.jobs import Job
    from slbroker.sip.reading import Address
    from slbroker.stats import Fates

PEER: Address = ("192.0.2.1", 5060)
RING = KeyRing.generate()
SIGNER = Signer(RING.current, RING.accepted(0.0))
START = 1_000.0  # seconds on the rig's clock
STEP = 0.05  # seconds between two ticks, as in service


class FakeListener:
    """Keeps what would be sent, but for addresses that cannot be reached."""

    connection = b""
    stands = True

    def __init__(self, name: str = "udp:192.0.2.7:5060") -> None:
        self.name = name
        self.sent: list[tuple[bytes, Address]] = []
        self.unreachable: set[Address] = set()
        self.finished_after: list[int] = []  # how many had been sent each time that an answer closed it

    def send(self, replies: Sequence[tuple[bytes, Address]]) -> int:
        gone = [(reply, address) for reply, address in replies if address not in self.unreachable]
        self.sent += gone
        return len(gone)

    def finish(self) -> None:
        """Note that the connection, if this were one, is closed behind what was sent so far."""
        self.finished_after.append(len(self.sent))


class MemoryWorker:
    """A worker's membership and responder; what it is given it answers at once, unless it is frozen."""

    def __init__(self, app: Handlers, name: str, credit: int, pool: str = "default", generation: str = "one") -> None:
        self.hello = {"name": name, "pool": pool, "credit": credit, "takes": app.takes}
        if app.remembered_methods:
            self.hello |= {"remembers": app.remembered_methods, "generation": generation}
        self.membership = Membership(self.hello)
        self.responder = Responder(app, SIGNER)
        self.responder.serve_as(name)
        self.asked = 0  # requests that it was given
        self.memo = b""  # of the last answer
        self.frozen = False
        self.kept: list[list[bytes]] | None = None  # what it was given while it hangs, in a list
        self.respond: Callable[[Item], Answer] = self._respond

    def take(self, frames: list[bytes], now: float) -> None:
        if self.kept is not None:
            self.kept.append(frames)
            return
        items = self.membership.receive(frames, now)
        self.asked += len(items)
        self.membership.answer_all([(item.number, *self._with_memo(item)) for item in items])

    def _with_memo(self, item: Item) -> tuple[Answer] | tuple[Answer, bytes]:
        self.memo = b""
        answer = self.respond(item)
        return (answer, self.memo) if self.memo else (answer,)

    def _respond(self, item: Item) -> Answer:
        answer = self.responder.answering([item])(item)
        if isinstance(answer, Coroutine):
            answer = asyncio.run(answer)
        if isinstance(answer, Kept):
            answer, self.memo = answer.words
        return answer


class Rig:
    """An edge, its listener, its workers and a clock."""

    def __init__(
        self,
        settings: DispatchSettings | None = None,
        window: float = 32.0,
        policies: Policies = USUAL_POLICIES,
        make_edge: Callable[[Dispatcher[Job], AckFilter, Policies], Edge] = Edge,
    ) -> None:
        self.now = START
        self.dispatcher: Dispatcher[Job] = Dispatcher("edge", 7_000, settings or DispatchSettings())
        self.edge = make_edge(self.dispatcher, AckFilter(SIGNER, window), policies)
        self.listener = FakeListener()
        self.workers: dict[bytes, MemoryWorker] = {}
        self._connections = 0

    # What a test does -------------------------------------------------------------------------------------------

    def join(self, app: Handlers, credit: int = 128, pool: str = "default", generation: str = "one") -> MemoryWorker:
        """Connect a worker and let it be welcomed."""
        self._connections += 1
        name = f"worker {self._connections}"
        worker = self.workers[name.encode()] = MemoryWorker(app, name, credit, pool, generation)
        self.turn()
        return worker

    def receive(self, *datagrams: bytes, source: Address = PEER, listener: FakeListener | None = None) -> None:
        """Let datagrams arrive, and the replies to them leave."""
        self.edge.take([(datagram, source) for datagram in datagrams], listener or self.listener, self.now)
        self.turn()

    def hang(self) -> None:
        """Let all workers take what they are given and do nothing with it."""
        for worker in self.workers.values():
            worker.kept = []

    def recover(self) -> None:
        """Let the workers that hang go on."""
        for worker in self.workers.values():
            kept, worker.kept = worker.kept or [], None
            for frames in kept:
                worker.take(frames, self.now)
        self.turn()

    def kill(self, worker: MemoryWorker) -> None:
        """Let a worker vanish without a word."""
        self.workers = {identity: other for identity, other in self.workers.items() if other is not worker}

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + STEP)
            self.edge.expire(self.now)
            self.turn()

    # What it looks at -------------------------------------------------------------------------------------------

    @property
    def replies(self) -> list[bytes]:
        return [reply for reply, _address in self.listener.sent]

    @property
    def fates(self) -> Fates:
        return self.edge.fates

    def shown(self) -> dict[str, Any]:
        """The fates that are not 0, but for `received`."""
        figures = self.fates.figures(self.edge.in_flight)
        assert figures.pop("unaccounted") == 0
        return {name: value for name, value in figures.items() if value and name != "received"}

    # How it works -----------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Carry envelopes to and fro until there is silence."""
        while self._to_workers() + self._to_edge():
            pass
        self.shown()

    def _to_workers(self) -> int:
        self.edge.flush(self.now)
        sent = self.dispatcher.send(self.now)
        for identity, frames in sent:
            worker = self.workers.get(identity)
            if worker is None:
                self.dispatcher.lose(identity, self.now)  # as the service does when ZeroMQ refuses the message
            elif not worker.frozen:
                worker.take(frames, self.now)
            self.shown()
        return len(sent)

    def _to_edge(self) -> int:
        awake = [(identity, worker) for identity, worker in self.workers.items() if not worker.frozen]
        said = [(identity, frames) for identity, worker in awake for frames in worker.membership.send(self.now)]
        for identity, frames in said:
            self.edge.answer(identity, frames, self.now)
            self.shown()
        return len(said)
