"""The way of a request through edge and worker with nothing between them: no sockets, no ZeroMQ, no clock.

What is left is our own code, so that its cost can be measured where whole processes are too noisy. The requests are
those of sipload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker.bus import envelope
from slbroker.bus.dispatcher import Dispatcher
from slbroker.bus.membership import Membership
from slbroker.bus.memo import Kept
from slbroker.keys import Key, KeyRing
from slbroker.plugin.responder import Responder
from slbroker.settings.dispatch import USUAL_POLICIES, DispatchSettings
from slbroker.sip.message import Source
from slbroker.totag import Signer
from slbroker_edge.ackfilter import AckFilter
from slbroker_edge.edge import Edge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slbroker import Handlers
    from slbroker.bus.envelope import Answer, Answered
    from slbroker.bus.jobs import Job
    from slbroker.sip.reading import Address

PEER: Final = ("127.0.0.1", 34_567)
SOURCE: Final = Source(*PEER, "udp:127.0.0.1:5060")
NOW: Final = 1_000.0  # seconds on a clock that stands still
CREDIT: Final = 128  # what a worker offers unless it is told otherwise


def request(method: str, to_tag: bytes = b"", headers: Sequence[str] = (), body: bytes = b"") -> bytes:
    """Return a request as sipload writes it, with further header lines and a body."""
    head = [
        f"{method} sip:bob@127.0.0.1:5060 SIP/2.0",
        "Via: SIP/2.0/UDP 127.0.0.1:34567;rport;branch=z9hG4bK-5f3a09c1-0001-0000002a",
        "Max-Forwards: 70",
        'From: "load" <sip:load@127.0.0.1:34567>;tag=5f3a09c1-0001-0000002a',
        f"To: <sip:bob@127.0.0.1:5060>{';tag=' if to_tag else ''}{to_tag.decode()}",
        "Call-ID: 5f3a09c1-0001-0000002a@sipload",
        f"CSeq: 1 {method}",
        "Contact: <sip:load@127.0.0.1:34567>",
        "User-Agent: sipload",
        *headers,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join((*head, "", "")).encode() + body


def ring(keys: int = 2) -> KeyRing:
    """Return a key ring that is always the same, with so many keys."""
    made = [Key(b"%04x" % number, number.to_bytes(32, "big")) for number in range(1, keys + 1)]
    earlier = tuple(Key(key.id, key.secret, retired_at=0.0) for key in made[2:])
    return KeyRing(made[0], made[1], earlier)


def signer(keys: int = 2) -> Signer:
    """Return what signs and verifies with `ring`."""
    fixed = ring(keys)
    return Signer(fixed.current, fixed.accepted(0.0))


def responder(app: Handlers) -> Responder:
    """Return a worker's own part, with the keys of `signer`."""
    return Responder(app, signer())


OPTIONS: Final = request("OPTIONS")
INVITE: Final = request("INVITE")
ACK: Final = request("ACK", to_tag=signer().sign(b"5f3a09c1-0001-0000002a@sipload", b"5f3a09c1-0001-0000002a", 1))


def different(data: bytes, count: int) -> list[bytes]:
    """Return so many requests like `data`, each in a transaction of its own: an edge knows repeats."""
    return [
        data.replace(b"branch=z9hG4bK-5f3a09c1-0001-", b"branch=z9hG4bK-5f3a09c1-%04x-" % at) for at in range(count)
    ]


class Sink:
    """A listener whose replies go nowhere."""

    name = SOURCE.listen
    connection = b""
    stands = True

    def __init__(self) -> None:
        self.replies = 0

    def send(self, replies: Sequence[tuple[bytes, Address]]) -> int:
        """Count them."""
        self.replies += len(replies)
        return len(replies)

    def finish(self) -> None:
        """There is no connection to close."""


class InProcess:
    """An edge, and as many workers as wanted, whose envelopes are handed over at once."""

    def __init__(self, app: Handlers, workers: int = 1, credit: int = CREDIT) -> None:
        self.dispatcher: Dispatcher[Job] = Dispatcher("edge", 7_000_000, DispatchSettings())
        self.edge = Edge(self.dispatcher, AckFilter(signer()), USUAL_POLICIES)
        self.sink = Sink()
        self._workers: dict[bytes, tuple[Membership, Responder]] = {}
        for number in range(workers):
            name = f"worker {number}"
            hello = {"name": name, "pool": "default", "credit": credit, "takes": app.takes}
            if app.remembered_methods:
                hello |= {"remembers": app.remembered_methods, "generation": "1"}
            self._workers[name.encode()] = Membership(hello), responder(app)
        self._carry(self._workers)

    def exchange(self, datagrams: Sequence[bytes]) -> None:
        """Take datagrams in, and carry everything on until the replies have left."""
        self.edge.take([(data, PEER) for data in datagrams], self.sink, NOW)
        self.edge.flush(NOW)  # what it has answered by itself
        self._carry(self._hand_out())

    def dispatch(self, jobs: list[Job], answer: Answer) -> None:
        """Let jobs go to the workers, and `answer` come back for each: the edge's end of the bus alone."""
        self.dispatcher.submit_all(jobs, NOW)
        numbers = [job.number for job in jobs]
        self.dispatcher.send(NOW)
        replies = envelope.encode_replies([(number, answer) for number in numbers])
        self.dispatcher.receive(next(iter(self._workers)), replies, NOW)

    def _carry(self, speaking: Iterable[bytes]) -> None:
        """Carry what these workers have to say, and what is said to them in turn, until there is silence."""
        while speaking:
            for identity in speaking:
                for frames in self._workers[identity][0].send(NOW):
                    self.edge.answer(identity, frames, NOW)
            self.edge.flush(NOW)
            speaking = self._hand_out()

    def _hand_out(self) -> dict[bytes, None]:
        """Let the workers do what the edge has for them; return which of them."""
        outgoing = self.dispatcher.send(NOW)
        for identity, frames in outgoing:
            self._work(identity, frames)
        return dict.fromkeys(identity for identity, _ in outgoing)

    def _work(self, identity: bytes, frames: list[bytes]) -> None:
        membership, its_responder = self._workers[identity]
        answers: list[Answered] = []
        for item in membership.receive(frames, NOW):
            answer = its_responder.answer(item)
            if isinstance(answer, (bytes, tuple)) or answer is None:
                answers.append((item.number, answer))
            else:
                assert isinstance(answer, Kept)
                answers.append((item.number, *answer.words))
        membership.answer_all(answers)
