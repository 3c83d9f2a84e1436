"""What the dispatcher knows of one worker, and the job it keeps for each request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from slbroker.errors import EnvelopeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slbroker.bus.envelope import Answer
    from slbroker.sip.message import Message, Source

MAX_CREDIT = 65_536  # requests one worker may hold
MAX_NAME = 256  # characters of a worker's name and pool together; bytes of the methods it asks for


class Job:
    """One request from its arrival to its end. An edge makes a subclass that remembers where the reply goes."""

    __slots__ = ("asks", "given", "last_worker", "message", "number", "queued", "source", "tries")

    def __init__(self, message: Message, source: Source, asks: bytes = b"") -> None:
        """`asks` is the method when only workers that asked for it may have the job (ACK, CANCEL), else b""."""
        self.message = message
        self.source = source
        self.asks = asks
        self.number = 0
        self.queued = 0.0
        self.given = 0.0
        self.tries = 0
        self.last_worker: Account[Any] | None = None


JobT = TypeVar("JobT", bound=Job)


class Account(Generic[JobT]):
    """One worker: its credit and the jobs it holds, the oldest first."""

    __slots__ = (
        "answered", "credit", "heard", "identity", "leaving", "name", "open", "overdue", "pool", "takes", "turn",
    )  # fmt: skip

    def __init__(self, identity: bytes, name: str, pool: str, credit: int, takes: frozenset[bytes], now: float) -> None:
        self.identity = identity
        self.name = name
        self.pool = pool
        self.credit = credit
        self.takes = takes
        self.heard = now
        self.open: dict[int, JobT] = {}
        self.overdue: set[int] = set()  # taken away, but the worker may still be busy with them
        self.answered = 0
        self.turn = 0
        self.leaving = False

    @classmethod
    def from_hello(cls, identity: bytes, info: dict[str, Any], now: float) -> Account[JobT]:
        """Open an account from the map of a HELLO; raise EnvelopeError when that is not in order."""
        name, pool, credit, takes = (info.get(key) for key in ("name", "pool", "credit", "takes"))
        if not (isinstance(name, str) and name and isinstance(pool, str) and len(name) + len(pool) <= MAX_NAME):
            raise EnvelopeError("HELLO names no worker and pool")
        if type(credit) is not int or not 0 < credit <= MAX_CREDIT:
            raise EnvelopeError(f"HELLO offers a credit of {credit!r:.40}")
        if not isinstance(takes, list | tuple) or not all(isinstance(method, bytes) for method in takes):
            raise EnvelopeError("HELLO's methods are no array of bytes")
        if sum(map(len, takes)) > MAX_NAME:
            raise EnvelopeError("HELLO asks for too many methods")
        return cls(identity, name, pool, credit, frozenset(takes), now)

    @property
    def free(self) -> int:
        """Return how many more requests the worker may be given."""
        return 0 if self.leaving else self.credit - len(self.open) - len(self.overdue)

    def give(self, jobs: Iterable[JobT], now: float, turn: int) -> None:
        """Note that the worker has been given `jobs`."""
        self.turn = turn
        for job in jobs:
            job.given = now
            job.tries += 1
            job.last_worker = self
            self.open[job.number] = job

    def settle(self, answers: Sequence[tuple[int, Answer]], now: float) -> list[tuple[JobT, Answer]]:
        """Return the jobs that `answers` end; answers to anything else are left out."""
        self.heard = now
        ended = []
        for number, answer in answers:
            job = self.open.pop(number, None)
            if job is None:
                self.overdue.discard(number)
            else:
                ended.append((job, answer))
        self.answered += len(ended)
        return ended

    def take_overdue(self, given_before: float) -> list[JobT]:
        """Take away and return the jobs given before that moment; their credit is not free until they are answered."""
        late: list[JobT] = []
        for job in self.open.values():
            if job.given >= given_before:
                break
            late.append(job)
        for job in late:
            del self.open[job.number]
            self.overdue.add(job.number)
        return late

    def figures(self) -> dict[str, Any]:
        """Return what the statistics show of the worker."""
        return {
            "name": self.name,
            "pool": self.pool,
            "credit": self.credit,
            "open": len(self.open) + len(self.overdue),
            "answered": self.answered,
        }
