"""Both ends of the bus and a fake link between them: no sockets, and time goes by when a test says so.

`Desk` is the edge's end alone, for what a worker says out of turn; `Link` has both:

link = Link()
worker = link.join("w1", credit=4)
link.submit(2)
link.roundtrip()
worker.answer()
link.roundtrip()
assert len(link.answered) == 2
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING

import msgpack

from slbroker.bus import envelope
from slbroker.bus.choice import ANY, Choice
from slbroker.bus.dispatcher import Cause, Dispatcher
from slbroker.bus.envelope import Answer, Kind, pack_request
from slbroker.bus.jobs import Job
from slbroker.bus.membership import Membership
from slbroker.settings.dispatch import DispatchSettings
from slbroker.sip.message import Message, Source
from slbroker.sip.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slbroker.bus.items import Item

HEADERS = (b"from", b"<sip:a@example.com>;tag=1", b"to", b"<sip:bob@example.com>", b"call-id", b"c1")
MESSAGE = Message(b"OPTIONS", b"sip:bob@example.com", HEADERS, b"", call_id=b"c1", from_tag=b"1", to_tag=b"", cseq=7)
SOURCE = Source("192.0.2.1", 5060, "udp:192.0.2.7:5060")
READING = Reading(b"OPTIONS", b"sip:bob@example.com", b"c1", b"1", b"", 7, pack_request(MESSAGE, SOURCE), 5060)
ANSWER = b"SIP/2.0 200 OK\r\n\r\n"
FIRST_ID = 1_000
START = 5_000.0  # seconds on the fake clock
STEP = 0.05  # seconds between two looks at what time brings, as at the edge


def job(asks: bytes = b"", choice: Choice = ANY, size: int = 0) -> Job:
    """A job whose message does not matter."""
    return Job(READING, asks, choice, size)


def hello(name: str = "w1", credit: int = 4, takes: Sequence[bytes] = (), pool: str = "default") -> dict[str, object]:
    """The map of a HELLO."""
    return {"name": name, "pool": pool, "credit": credit, "takes": takes}


def waiting(dispatcher: Dispatcher[Job]) -> list[Job]:
    """The jobs that wait for credit, in the order in which they would go out, pool by pool."""
    return [job for pool in dispatcher.pools.values() for queue in (pool.picky, pool.waiting) for job in queue]


def encode_packed(items: Sequence[tuple[int, bytes]], batch_id: bytes = b"") -> list[bytes]:
    """The frames of one batch of requests that are packed already, as docs/bus.md has them; ids are below 2**64."""
    packer = msgpack.Packer()
    parts = [packer.pack_array_header(len(items))]
    for number, packed in items:
        parts += (struct.pack(">BBQ", 0x93, 0xCF, number), packed)
    return [msgpack.packb((envelope.VERSION, 3, batch_id, len(items))), b"".join(parts)]


def encode_requests(items: Iterable[tuple[int, Message, Source]], batch_id: bytes = b"") -> list[bytes]:
    """The frames of one batch of requests."""
    return encode_packed([(number, pack_request(message, source)) for number, message, source in items], batch_id)


def kind_of(frames: Sequence[bytes]) -> Kind:
    """What an envelope says."""
    return envelope.decode_head(frames).kind


def ids_of(frames: Sequence[bytes]) -> list[int]:
    """The ids in a batch of requests."""
    assert kind_of(frames) is Kind.REQUESTS
    return [number for number, _message, _source in envelope.decode_requests(frames[1])]


class FakeWorker:
    """The worker's end: takes what comes and answers when it is told to."""

    def __init__(self, name: str, credit: int, takes: Sequence[bytes]) -> None:
        self.credit = credit
        self.membership = Membership(hello(name, credit, takes))
        self.identity = b""  # what the edge's socket calls the connection; b"" while there is none
        self.held: list[Item] = []  # taken and not answered, the oldest first
        self.frozen = False  # as by SIGSTOP: connected, but it neither reads nor writes
        self.inbox: deque[list[bytes]] = deque()
        self.last_batch: list[int] = []

    def answer(self, count: int | None = None, answer: Answer = ANSWER) -> None:
        """Answer the oldest `count` requests, or all."""
        count = len(self.held) if count is None else count
        for number, _message, _source in self.held[:count]:
            self.membership.answer(number, answer)
        del self.held[:count]

    def read(self, now: float) -> None:
        """Take what has arrived."""
        while self.inbox:
            items = self.membership.receive(self.inbox.popleft(), now)
            self.held += items
            self.last_batch = [number for number, _message, _source in items] or self.last_batch


class Link:
    """An edge's dispatcher, workers, and their connections, which can break."""

    def __init__(self, settings: DispatchSettings | None = None) -> None:
        self.now = START
        self.settings = settings or DispatchSettings()
        self.dispatcher: Dispatcher[Job] = Dispatcher("edge", FIRST_ID, self.settings)
        self.workers: list[FakeWorker] = []
        self.submitted: list[Job] = []
        self.answered: list[tuple[Job, Answer]] = []
        self.ended: list[tuple[Job, Cause]] = []
        self._connections = 0

    # What a test does -------------------------------------------------------------------------------------------

    def join(self, name: str, credit: int = 4, takes: Sequence[bytes] = ()) -> FakeWorker:
        """Connect a new worker and let it be welcomed."""
        worker = FakeWorker(name, credit, takes)
        self.workers.append(worker)
        self.connect(worker)
        self.roundtrip()
        return worker

    def connect(self, worker: FakeWorker) -> None:
        """Connect, again or for the first time: each connection has an identity of its own."""
        self._connections += 1
        worker.identity = b"connection %d" % self._connections

    def cut(self, *workers: FakeWorker) -> None:
        """Break the connections; what the edge sent there and nobody has read is gone."""
        for worker in workers:
            worker.identity = b""
            worker.inbox.clear()

    def restart_edge(self) -> None:
        """A new edge comes up under the address, with nothing of the old one; the workers reconnect."""
        self.cut(*self.workers)
        self.dispatcher = Dispatcher("edge", FIRST_ID + 1_000_000, self.settings)
        self.submitted, self.answered, self.ended = [], [], []
        for worker in self.workers:
            self.connect(worker)

    def submit(self, count: int = 1, asks: bytes = b"") -> list[Job]:
        """Let requests arrive at the edge."""
        jobs = [job(asks) for _ in range(count)]
        for each in jobs:
            self.dispatcher.submit(each, self.now)
        self.submitted += jobs
        return jobs

    def roundtrip(self) -> None:
        """Carry what the workers say to the edge, and what the edge says to the workers, until there is silence."""
        while self._to_edge() + self._to_workers():
            pass

    def drop(self) -> None:
        """Lose all that both ends are about to say."""
        self.dispatcher.send(self.now)
        for worker in self.workers:
            worker.membership.send(self.now)

    def advance(self, seconds: float) -> None:
        """Let time go by, both ends doing what is due."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + STEP)
            self.dispatcher.expire(self.now)
            self.roundtrip()

    # What it looks at -------------------------------------------------------------------------------------------

    @property
    def met_their_fate(self) -> int:
        """How many jobs have been answered or given up."""
        return len(self.answered) + len(self.ended)

    def causes(self) -> list[Cause]:
        """Why jobs have ended unanswered."""
        return [cause for _job, cause in self.ended]

    # How it works -----------------------------------------------------------------------------------------------

    def _to_workers(self) -> int:
        by_identity = {worker.identity: worker for worker in self.workers if worker.identity}
        sent = self.dispatcher.send(self.now)
        for identity, frames in sent:
            worker = by_identity.get(identity)
            if worker is None:
                self.dispatcher.refuse(identity, self.now)  # as the edge does when ZeroMQ refuses the message
            else:
                worker.inbox.append(frames)
        for worker in self.workers:
            if not worker.frozen:
                worker.read(self.now)
        return len(sent)

    def _to_edge(self) -> int:
        awake = [worker for worker in self.workers if not worker.frozen]
        said = [(worker.identity, frames) for worker in awake for frames in worker.membership.send(self.now)]
        for identity, frames in said:
            if identity:
                self.answered += self.dispatcher.receive(identity, frames, self.now)
        self.ended += self.dispatcher.ended
        self.dispatcher.ended.clear()
        return len(said)


class Desk:
    """A dispatcher with the hands of a test: short names, one clock."""

    def __init__(self, settings: DispatchSettings | None = None) -> None:
        self.now = START
        self.dispatcher: Dispatcher[Job] = Dispatcher(
            "edge", FIRST_ID, settings or DispatchSettings(), {"processes": 2}
        )

    def say(self, name: str, kind: Kind, info: dict[str, object] | None = None) -> None:
        assert self.receive(name, envelope.encode(kind, info)) == []

    def receive(self, name: str, frames: list[bytes]) -> list[tuple[Job, Answer]]:
        return self.dispatcher.receive(name.encode(), frames, self.now)

    def join(self, name: str, credit: int = 4, takes: tuple[bytes, ...] = (), pool: str = "default") -> None:
        self.say(name, Kind.HELLO, hello(name, credit, takes, pool))
        assert self.kinds() == {name: [Kind.WELCOME]}

    def submit(self, count: int = 1, asks: bytes = b"", choice: Choice = ANY, size: int = 0) -> list[Job]:
        jobs = [job(asks, choice, size) for _ in range(count)]
        for each in jobs:
            self.dispatcher.submit(each, self.now)
        return jobs

    def kinds(self) -> dict[str, list[Kind]]:
        """What is said to each worker now."""
        kinds: dict[str, list[Kind]] = {}
        for identity, frames in self.dispatcher.send(self.now):
            kinds.setdefault(identity.decode(), []).append(kind_of(frames))
        return kinds

    def given(self) -> dict[str, list[int]]:
        """The ids that each worker gets now; nothing else is said, but for HEARTBEAT."""
        ids: dict[str, list[int]] = {}
        for identity, frames in self.dispatcher.send(self.now):
            if kind_of(frames) is not Kind.HEARTBEAT:
                ids.setdefault(identity.decode(), []).extend(ids_of(frames))
        return ids

    def shares(self) -> dict[str, int]:
        """How many requests each worker gets now."""
        return {name: len(ids) for name, ids in self.given().items()}

    def answer(self, name: str, *ids: int) -> list[Job]:
        """A worker answers; the jobs that end by it."""
        ended = self.receive(name, envelope.encode_replies([(number, ANSWER) for number in ids]))
        assert all(answer == ANSWER for _job, answer in ended)
        return [each for each, _answer in ended]

    def expire_alone(self, seconds: float) -> None:
        """Let time go by at once, and nothing be said."""
        self.now += seconds
        self.dispatcher.expire(self.now)

    def expire(self, seconds: float = 0.0) -> dict[str, list[Kind]]:
        """Let time go by at once; what is said then, but for HEARTBEAT."""
        self.expire_alone(seconds)
        said = self.kinds()
        for kinds in said.values():
            kinds[:] = filter(Kind.HEARTBEAT.__ne__, kinds)
        return {name: kinds for name, kinds in said.items() if kinds}

    def beat(self, name: str, seconds: float) -> None:
        """Let time go by while one worker shows signs of life and nothing is sent."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.25)
            self.say(name, Kind.HEARTBEAT)

    def ended(self) -> list[Cause]:
        """Why jobs have ended since the last look."""
        causes = [cause for _job, cause in self.dispatcher.ended]
        self.dispatcher.ended.clear()
        return causes
