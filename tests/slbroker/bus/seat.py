"""A worker's membership with a clock, for tests that play the edge."""

from __future__ import annotations

from slbroker.bus import envelope
from slbroker.bus.envelope import Answer, Kind
from slbroker.bus.membership import Membership, Standing
from tests.support.bus import MESSAGE, SOURCE, START, encode_requests, hello, kind_of

WELCOME = envelope.encode(Kind.WELCOME, {"edge": "e1", "heartbeat": 0.25, "processes": 2})


class Seat:
    """A membership and its clock."""

    def __init__(self) -> None:
        self.now = START
        self.offer = hello("w1", 8, [b"ACK"])
        self.membership = Membership(self.offer)

    def hear(self, frames: list[bytes]) -> list[int]:
        """Let the edge say something; the ids of the requests in it."""
        return [number for number, _message, _source in self.membership.receive(frames, self.now)]

    def take(self, *ids: int, route: bytes = b"") -> None:
        """Let the edge give a batch."""
        batch = encode_requests([(number, MESSAGE, SOURCE) for number in ids], route)
        assert self.hear(batch) == list(ids)

    def says(self, seconds: float = 0.0) -> list[Kind]:
        """What the worker says after so many seconds."""
        self.now += seconds
        return [kind_of(frames) for frames in self.membership.send(self.now)]

    def words(self, seconds: float) -> list[Kind]:
        """All that the worker says in so many seconds."""
        return [kind for _ in range(round(seconds / 0.05)) for kind in self.says(0.05)]

    def standing(self) -> Standing:
        return self.membership.standing

    def is_over(self) -> bool:
        return self.membership.is_over


def replies(frames: list[bytes]) -> tuple[bytes, list[tuple[int, Answer]]]:
    """Route and answers of a batch of answers."""
    head = envelope.decode_head(frames)
    assert head.kind is Kind.REPLIES
    answers = envelope.decode_replies(frames[1])
    assert head.size == len(answers)
    return head.batch_id, answers
