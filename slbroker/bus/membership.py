"""The worker's end of the bus: its standing at one edge, from HELLO to GOODBYE.

Pure: envelopes and `now` (seconds, monotonic) come in, envelopes go out. A worker has one membership for each edge.
"""

from __future__ import annotations

import logging
import math
from enum import Enum
from typing import TYPE_CHECKING, Any

from slbroker.bus import envelope, keycheck
from slbroker.bus.envelope import MAX_BATCH, MAX_ENVELOPE, Answer, Answered, Kind, without_close
from slbroker.errors import EnvelopeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from slbroker.bus.items import Item

logger = logging.getLogger(__name__)

HELLO_INTERVAL = 0.25  # seconds between two HELLOs to an edge that has not said WELCOME
HEARTBEAT = 0.25  # seconds between two signs of life
EDGE_LIVENESS = 2.0  # seconds; an edge says something every 0.25 s, so one that is silent for so long has gone
HANDLER_TIMEOUT = 5.0  # seconds after which an edge that does not say gives an open request to another worker
LONGEST_TIMEOUT = 3_600.0  # seconds; an edge that says more is not believed
LEAVES = "leaves"  # what is said of an edge that says GOODBYE
DISPENSABLE = ("log", "handlers")  # what figures are told without, where they are more than an edge listens to
UNFIT = b""  # what an answer that the bus cannot carry is replaced by; the edge replies 500


class Standing(Enum):
    """Where a worker stands with an edge."""

    GREETING = "greeting"
    MEMBER = "member"
    LEAVING = "leaving"
    LEFT = "left"


class Membership:
    """One worker at one edge."""

    def __init__(self, hello: dict[str, Any]) -> None:
        """`hello` is the map of HELLO: name, pool, credit, takes. After a change of it say `offer`."""
        self.standing = Standing.GREETING
        self.edge: dict[str, Any] = {}  # the map of the edge's WELCOME
        self.garbage = 0
        self.parted = ""  # why the edge that had welcomed us does not know us any more: for the log, which clears it
        self.is_asked = False  # for our figures; `tell` answers
        self.is_followed = False  # another edge takes the place of this one, and is greeted on a connection of its own
        self.hears_itself = False  # a HELLO came, which workers say: we are connected to ourselves
        self._understands_close = False  # whether the edge takes answers that close a connection
        self._hello = hello
        self._batches: dict[int, bytes] = {}  # open requests, and the ids of the batches they came in
        self._repeated: dict[int, list[bytes]] = {}  # further batches of requests that came again meanwhile
        self._answers: dict[bytes, list[Answered]] = {}
        self._outgoing: list[list[bytes]] = []
        self._unsent: list[list[bytes]] = []  # answers that the socket had no room for
        self._offer_is_due = False  # the edge that knows us is to hear HELLO again
        self._next_word = -math.inf  # when to say HELLO or HEARTBEAT
        self._last_hello = -math.inf
        self._edge_heard = -math.inf

    @property
    def open(self) -> int:
        """Return how many requests are taken and not answered."""
        return len(self._batches)

    @property
    def handler_timeout(self) -> float:
        """Return after how many seconds the edge gives an open request to another worker."""
        said = self.edge.get("handler_timeout")
        return min(float(said), LONGEST_TIMEOUT) if isinstance(said, int | float) and said > 0 else HANDLER_TIMEOUT

    @property
    def forwards(self) -> bool:
        """Return whether the edge takes the answer that a request goes on."""
        return self.edge.get("forwards") is True

    @property
    def edge_keys(self) -> frozenset[str] | None:
        """Return the labels of the keys that the edge knows, None when it does not tell, or nonsense."""
        try:
            return keycheck.read_labels(self.edge, "keys")
        except EnvelopeError:
            return None

    # What comes from the edge -----------------------------------------------------------------------------------

    def receive(self, frames: Sequence[bytes], now: float) -> list[Item]:
        """Take one envelope from the edge; return the requests in it. Garbage is counted and changes nothing else."""
        try:
            head = envelope.decode_head(frames)
            self._edge_heard = now
            if head.kind is Kind.REQUESTS:
                items = envelope.decode_requests(frames[1])
                if head.batch_id:
                    self._note_batch(items, head.batch_id)
                else:
                    self._batches.update(dict.fromkeys([item.number for item in items], b""))
                return items
            self._control(head.kind, frames[1])
        except EnvelopeError:
            self.garbage += 1
        return []

    def _note_batch(self, items: list[Item], batch_id: bytes) -> None:
        """Keep the batch of each request. A broker may give us one again, in another batch, while we still have it."""
        for number in [item.number for item in items]:
            if self._batches.setdefault(number, batch_id) != batch_id:
                self._repeated.setdefault(number, []).append(batch_id)

    def _control(self, kind: Kind, body: bytes) -> None:
        if kind is Kind.WELCOME:
            self.edge = envelope.decode_info(body)
            self._understands_close = self.edge.get("closes") is True
            if self.standing is Standing.GREETING:
                self.standing = Standing.MEMBER
        elif kind is Kind.WHO:
            self._unsent.clear()  # the edge has restarted: nobody waits for these answers
            if self.standing is Standing.LEAVING or self.is_followed:
                self._batches.clear()
                self._repeated.clear()
            self._part("was started again, or had lost us", self._last_hello + HELLO_INTERVAL)  # no faster than ever
        elif kind is Kind.STATS:
            self.is_asked = True
        elif kind is Kind.HELLO:
            self.hears_itself = True
        elif kind is Kind.GOODBYE:  # one that comes back under its address hears us
            self._part(LEAVES, self._edge_heard + HELLO_INTERVAL)

    def _part(self, why: str, next_word: float) -> None:
        """Note that the edge does not know us any more, `why` in words: greet it, from `next_word` on, or have left."""
        if self.standing is Standing.MEMBER:
            self.parted = why
            self.standing = Standing.LEFT if self.is_followed else Standing.GREETING
            self._next_word = next_word
        elif self.standing is Standing.LEAVING:
            self.standing = Standing.LEFT

    # What goes to the edge --------------------------------------------------------------------------------------

    def offer(self) -> None:
        """Say HELLO again to an edge that knows us: the map has changed. One that does not is greeted in any case."""
        self._offer_is_due = True

    def tell(self, figures: dict[str, Any]) -> None:
        """Answer an edge that has asked for our figures."""
        self.is_asked = False
        if self.standing is Standing.MEMBER:
            frames = envelope.encode(Kind.FIGURES, figures)
            for part in DISPENSABLE:
                if len(frames[1]) > envelope.MAX_TOLD:
                    figures = {key: value for key, value in figures.items() if key != part}
                    frames = envelope.encode(Kind.FIGURES, figures)
            self._outgoing.append(frames)

    def answer(self, number: int, answer: Answer, *memo: bytes) -> None:
        """Answer one request; `send` puts the answers of a turn into one envelope, or few.

        A `memo` says to whom else the edge may give it.
        """
        batch_id = self._batches.pop(number, None)
        if batch_id is None:
            return
        self._answers.setdefault(batch_id, []).append((number, answer, *memo))  # type: ignore[arg-type]
        if self._repeated and (further := self._repeated.pop(number, None)):
            self._batches[number] = further.pop()
            if further:
                self._repeated[number] = further

    def answer_all(self, answers: Iterable[Answered]) -> None:
        """Answer several requests: what `answer` does, without its cost for each."""
        if self._repeated:
            for answered in answers:
                self.answer(*answered)
            return
        last: bytes | None = None
        together: list[Answered] = []
        for pair in answers:
            batch_id = self._batches.pop(pair[0], None)
            if batch_id is not None:
                if batch_id != last:
                    last, together = batch_id, self._answers.setdefault(batch_id, [])
                together.append(pair)

    def strip_memos(self) -> None:
        """Have nothing remembered of what is answered and has not left yet: another version decides from now on."""
        self._answers = {
            batch_id: [(each[0], each[1]) for each in answers] for batch_id, answers in self._answers.items()
        }
        unsent = []
        for frames in self._unsent:
            answers = [(answered[0], answered[1]) for answered in envelope.decode_replies(frames[1])]
            unsent.append(envelope.encode_replies(answers, envelope.decode_head(frames).batch_id))
        self._unsent = unsent

    def send(self, now: float) -> list[list[bytes]]:
        """Return the envelopes to send now: answers, and a HELLO or HEARTBEAT when one is due."""
        outgoing, self._outgoing = self._outgoing, []
        if self._unsent:
            outgoing[:0] = self._unsent
            self._unsent = []
        if self._offer_is_due and self.standing is Standing.MEMBER:
            self._offer_is_due = False
            outgoing.insert(0, envelope.encode(Kind.HELLO, self._hello))  # a lower credit, before answers give it back
        if self._answers:
            for batch_id, answers in self._answers.items():
                outgoing += _replies(answers if self._understands_close else _for_older(answers), batch_id)
            self._answers.clear()
        if now >= self._next_word:
            outgoing += self._word_of(now)
        return outgoing

    def take_back(self, refused: list[list[bytes]]) -> None:
        """Keep what the socket refused for the next `send`: answers and an offer; other words are due again at once."""
        kinds = [envelope.decode_head(frames).kind for frames in refused]
        if self.standing is not Standing.LEFT and not {Kind.HELLO, Kind.HEARTBEAT, Kind.GOODBYE}.isdisjoint(kinds):
            self._next_word = -math.inf  # nobody is there: who comes is greeted as soon as the socket takes it
            self._last_hello = -math.inf
        if self.standing in (Standing.MEMBER, Standing.LEAVING):
            self._unsent = [frames for frames, kind in zip(refused, kinds, strict=True) if kind is Kind.REPLIES]
            self._offer_is_due |= Kind.HELLO in kinds

    def _word_of(self, now: float) -> list[list[bytes]]:
        if now - self._edge_heard > EDGE_LIVENESS:
            self._unsent.clear()
            self._part(f"is silent for {EDGE_LIVENESS:g} s", now)
        match self.standing:
            case Standing.GREETING:
                self._offer_is_due = False
                self._last_hello = now
                self._next_word = now + HELLO_INTERVAL
                return [envelope.encode(Kind.HELLO, self._hello)]
            case Standing.LEFT if not self._batches:
                return []
            case Standing.LEAVING:
                word = Kind.GOODBYE  # again: an envelope can get lost with a connection
            case _:
                word = Kind.HEARTBEAT
        self._next_word = now + HEARTBEAT
        return [envelope.encode(word)]

    def make_up(self, pause: float) -> None:
        """Let a pause of ours, in seconds, have been none for the edge: who does not run hears nobody."""
        self._edge_heard += pause

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
        nothing_said = not self._answers and not self._outgoing and not self._unsent
        return self.standing is Standing.LEFT and not self._batches and nothing_said


def _for_older(answers: list[Answered]) -> list[Answered]:
    """Return `answers` for an edge that knows of no closing: it would take the batch for garbage."""
    return [
        (answered[0], without_close(answered[1])) if type(answered[1]) is tuple else answered for answered in answers
    ]


def _replies(answers: list[Answered], batch_id: bytes) -> Iterator[list[bytes]]:
    """Yield the envelopes that carry `answers`: batches of a size that the edge takes."""
    for start in range(0, len(answers), MAX_BATCH):
        batch = answers[start : start + MAX_BATCH]
        frames = envelope.encode_replies(batch, batch_id)
        if len(frames[1]) <= MAX_ENVELOPE:
            yield frames
        elif len(batch) > 1:
            yield from _replies(batch[: len(batch) // 2], batch_id)
            yield from _replies(batch[len(batch) // 2 :], batch_id)
        else:
            logger.error("an answer of %d bytes is more than the bus carries; the edge replies 500", len(frames[1]))
            yield envelope.encode_replies([(batch[0][0], UNFIT)], batch_id)
