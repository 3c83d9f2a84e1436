"""Edges, brokers and workers with no sockets between them: the real code of all three, and time that a test makes pass.

rig = Rig(brokers=2)
worker = rig.join("w1", credit=4)
rig.submit(2)
rig.roundtrip()
worker.answer()
rig.roundtrip()
assert len(rig.answered) == 2

Connections break like ZeroMQ's: what is sent on one that is gone is refused, and a new one has another identity. After
each envelope the books of every broker are looked at.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from slbroker.broker.relay import Relay
from slbroker.bus.dispatcher import Cause, Dispatcher
from slbroker.bus.envelope import Answer, Kind
from slbroker.bus.membership import Membership
from slbroker.settings.broker import RelaySettings
from slbroker.settings.dispatch import DispatchSettings
from tests.support.bus import ANSWER, START, STEP, hello, job, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slbroker.bus.items import Item
    from slbroker.bus.jobs import Job

Frames: TypeAlias = list[bytes]


class Broker:
    """A relay, and the connections to it."""

    def __init__(self, rig: Rig, number: int) -> None:
        self.rig = rig
        self.number = number
        self.lives = 0
        self.pipes: dict[bytes, Pipe] = {}
        self.frozen = False
        self.revive()

    def revive(self) -> None:
        """Be a new process under the address."""
        self.lives += 1
        self.alive = True
        self.relay = Relay(f"broker {self.number}", self.lives * 10**9, self.rig.relay_settings)

    def kill(self) -> None:
        """Be gone, as by SIGKILL."""
        self.alive = False
        for pipe in list(self.pipes.values()):
            pipe.cut()

    def restart(self) -> None:
        """Be killed and started again; those who were connected are so again."""
        self.kill()
        self.revive()

    def speak(self) -> int:
        """Put on the connections what is to go out."""
        if not self.alive or self.frozen:
            return 0
        to_edges, to_workers = self.relay.send(self.rig.now)
        self.relay.refused_by_workers([each for each in to_workers if not self._carry(*each)], self.rig.now)
        self.relay.refused_by_edges([each for each in to_edges if not self._carry(*each)], self.rig.now)
        self.rig.check()
        return len(to_edges) + len(to_workers)

    def _carry(self, identity: bytes, frames: Frames) -> bool:
        pipe = self.pipes.get(identity)
        if pipe is not None:
            self.rig.carry(frames, pipe, lambda: pipe.to_client(frames))
        return pipe is not None


class Pipe:
    """A connection from an edge or a worker to a broker; a cut one comes back under another identity."""

    def __init__(self, broker: Broker, to_client: Callable[[Frames], None], *, from_edge: bool) -> None:
        self.broker = broker
        self.identity = b""
        self.severed = False  # for good
        self.to_client = to_client
        self.inbox: deque[Frames] = deque()  # what a broker that is frozen has not read
        self._from_edge = from_edge

    def connect(self) -> bool:
        """Be connected if the broker is there; return whether we are."""
        if not self.identity and self.broker.alive and not self.severed:
            self.identity = b"connection %d" % self.broker.rig.next_number()
            self.broker.pipes[self.identity] = self
        return bool(self.identity)

    def cut(self) -> None:
        """Break; what was not read is gone."""
        self.broker.pipes.pop(self.identity, None)
        self.identity = b""
        self.inbox.clear()

    def send(self, frames: Frames) -> bool:
        """Send to the broker; return whether there is a connection."""
        if not self.connect():
            return False
        self.broker.rig.carry(frames, self, lambda: self.inbox.append(frames))
        self.read()
        return True

    def read(self) -> None:
        """Let the broker read what has come."""
        broker = self.broker
        while self.inbox and not broker.frozen:
            take = broker.relay.from_edge if self._from_edge else broker.relay.from_worker
            take(self.identity, self.inbox.popleft(), broker.rig.now)
            broker.rig.check()


class EdgeNode:
    """An edge's dispatcher with a link for each broker and pool."""

    def __init__(self, rig: Rig, number: int, pools: Sequence[str]) -> None:
        self.rig = rig
        self.dispatcher: Dispatcher[Job] = Dispatcher(f"edge {number}", number * 10**6, rig.dispatch_settings)
        self.pipes: dict[bytes, Pipe] = {}
        self.submitted: list[Job] = []
        self.answered: list[tuple[Job, Answer]] = []
        self.ended: list[tuple[Job, Cause]] = []
        self.frozen = False
        self.unread: deque[tuple[bytes, Frames]] = deque()
        for broker in rig.brokers:
            for pool in pools:
                self._link(f"link {number} {broker.number} {pool}".encode(), broker, pool)

    def _link(self, identity: bytes, broker: Broker, pool: str) -> None:
        self.pipes[identity] = Pipe(broker, lambda frames: self._hear(identity, frames), from_edge=True)
        self.dispatcher.meet(identity, pool)

    def _hear(self, identity: bytes, frames: Frames) -> None:
        self.unread.append((identity, frames))
        while self.unread and not self.frozen:
            identity, frames = self.unread.popleft()
            if kind_of(frames) is Kind.WHO:
                self.dispatcher.lose(identity, self.rig.now)  # as the edge's service does
            else:
                self.answered += self.dispatcher.receive(identity, frames, self.rig.now)
            self.ended += self.dispatcher.ended
            self.dispatcher.ended.clear()

    def speak(self) -> int:
        """Put on the links what is to go out."""
        if self.frozen:
            return 0
        sent = self.dispatcher.send(self.rig.now)
        for identity, frames in sent:
            if not self.pipes[identity].send(frames):
                self.dispatcher.lose(identity, self.rig.now)
        return len(sent)


class WorkerNode:
    """A worker with a membership at each broker; it answers when it is told to."""

    def __init__(self, rig: Rig, name: str, credit: int, pool: str, takes: Sequence[bytes]) -> None:
        self.name = name
        self.rig = rig
        self.held: list[tuple[Membership, Item]] = []
        self.frozen = False
        self.unread: deque[tuple[Membership, Frames]] = deque()
        self.members: list[tuple[Membership, Pipe]] = []
        for broker in rig.brokers:
            self._join(broker, Membership({**hello(name, credit, takes), "pool": pool}))

    def _join(self, broker: Broker, member: Membership) -> None:
        self.members.append((member, Pipe(broker, lambda frames: self._hear(member, frames), from_edge=False)))

    def _hear(self, member: Membership, frames: Frames) -> None:
        self.unread.append((member, frames))
        while self.unread and not self.frozen:
            member, frames = self.unread.popleft()
            self.held += [(member, item) for item in member.receive(frames, self.rig.now)]

    def answer(self, count: int | None = None, answer: Answer = ANSWER) -> None:
        """Answer the oldest `count` requests, or all."""
        for member, (number, _message, _source) in self.held[:count]:
            member.answer(number, answer)
        del self.held[:count]

    def leave(self) -> None:
        """Say GOODBYE to all brokers."""
        for member, _pipe in self.members:
            member.leave()

    def cut(self) -> None:
        """Lose all connections, which come back."""
        for _member, pipe in self.members:
            pipe.cut()

    def kill(self) -> None:
        """Be gone, as by SIGKILL."""
        self.rig.workers.remove(self)
        self.held.clear()
        for _member, pipe in self.members:
            pipe.cut()
            pipe.severed = True

    def speak(self) -> int:
        """Put on the connections what is to go out."""
        said = 0
        for member, pipe in self.members if not self.frozen else ():
            words = member.send(self.rig.now)
            said += len(words)
            for frames in words:
                pipe.send(frames)
        return said


class Rig:
    """A number of each, all edges and workers connected to all brokers."""

    def __init__(
        self,
        brokers: int = 1,
        edges: int = 1,
        pools: Sequence[str] = ("default",),
        relay: RelaySettings | None = None,
        dispatch: DispatchSettings | None = None,
    ) -> None:
        self.now = START
        self.relay_settings = relay or RelaySettings()
        self.dispatch_settings = dispatch or DispatchSettings()
        self.carried = 0
        self.disturb: Callable[[int, Pipe, Callable[[], None]], None] | None = None
        self.later: list[tuple[float, Pipe, bytes, Callable[[], None]]] = []
        self.workers: list[WorkerNode] = []
        self._numbers = 0
        self.brokers = [Broker(self, number) for number in range(1, brokers + 1)]
        self.edges = [EdgeNode(self, number, pools) for number in range(1, edges + 1)]
        self._pools = pools

    # What a test does -------------------------------------------------------------------------------------------

    @property
    def edge(self) -> EdgeNode:
        """The first edge."""
        return self.edges[0]

    @property
    def relay(self) -> Relay:
        """The first broker's."""
        return self.brokers[0].relay

    @property
    def answered(self) -> list[tuple[Job, Answer]]:
        """What the edges' requests were answered with."""
        return [each for edge in self.edges for each in edge.answered]

    def unanswered(self) -> int:
        """How many requests have no answer."""
        return sum(len(edge.submitted) for edge in self.edges) - len(self.answered)

    def join(self, name: str, credit: int = 4, pool: str = "default", takes: Sequence[bytes] = ()) -> WorkerNode:
        """Connect a new worker, and let the edges know of it."""
        worker = WorkerNode(self, name, credit, pool, takes)
        self.workers.append(worker)
        self.advance(0.3)  # as long as it takes until the edges greet next
        return worker

    def submit(self, count: int = 1, edge: EdgeNode | None = None) -> list[Job]:
        """Let requests arrive at an edge."""
        edge = edge or self.edge
        jobs = [job() for _ in range(count)]
        for each in jobs:
            edge.dispatcher.submit(each, self.now)
        edge.submitted += jobs
        return jobs

    def restart_edge(self) -> None:
        """A new first edge comes up, with nothing of the old one."""
        for pipe in self.edge.pipes.values():
            pipe.cut()
        self.edges[0] = EdgeNode(self, len(self.edges) + self.next_number(), self._pools)

    def roundtrip(self) -> None:
        """Carry envelopes to and fro until there is silence."""
        nodes: list[EdgeNode | Broker | WorkerNode] = [*self.edges, *self.brokers, *self.workers]
        while sum([node.speak() for node in nodes]):
            pass

    def advance(self, seconds: float) -> None:
        """Let time go by, everybody doing what is due."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + STEP)
            self._deliver_late()
            for edge in self.edges:
                if not edge.frozen:
                    edge.dispatcher.expire(self.now)
                    edge.ended += edge.dispatcher.ended
                    edge.dispatcher.ended.clear()
            for broker in self.brokers:
                if broker.alive and not broker.frozen:
                    broker.relay.expire(self.now)
                    self.check()
            self.roundtrip()

    def thaw(self, broker: Broker) -> None:
        """Let a frozen broker read what has come meanwhile."""
        broker.frozen = False
        for pipe in list(broker.pipes.values()):
            pipe.read()

    # What it looks at -------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Look at the books of every broker."""
        for broker in self.brokers:
            relay = broker.relay
            assert relay.statistics()["unaccounted"] == 0
            for link in relay.edges.links.values():
                assert link.held == sum(batch.left for batch in link.open.values())
            for worker in relay.workers.values():
                assert worker.held == sum(batch.left for batch in worker.open.values())
                assert worker.held <= worker.credit

    # How it works -----------------------------------------------------------------------------------------------

    def next_number(self) -> int:
        """A number that nobody else has."""
        self._numbers += 1
        return self._numbers

    def carry(self, frames: Frames, pipe: Pipe, deliver: Callable[[], None]) -> None:
        """Deliver, unless the test has other ideas about this envelope."""
        if self.disturb is None or kind_of(frames) is Kind.HEARTBEAT:
            deliver()
            return
        self.carried += 1
        self.disturb(self.carried, pipe, deliver)

    def delay(self, seconds: float, pipe: Pipe, deliver: Callable[[], None]) -> None:
        """Deliver later, if the connection lasts so long."""
        self.later.append((self.now + seconds, pipe, pipe.identity, deliver))

    def _deliver_late(self) -> None:
        due = [each for each in self.later if each[0] <= self.now]
        self.later = [each for each in self.later if each[0] > self.now]
        for _when, pipe, identity, deliver in due:
            if pipe.identity == identity:
                deliver()
                pipe.read()
