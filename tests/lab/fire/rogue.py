"""A worker that means no good: a bare DEALER that says what it likes, and a thread of its own to say it in."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Self

import zmq

from slbroker.bus import envelope
from slbroker.bus.envelope import Kind
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.sip.message import Message

FORGED = b"SIP/2.0 299 Forged\r\n"  # what nobody must ever see


class Rogue:
    """One connection to an edge's bus."""

    def __init__(self, bus: str) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.name = f"rogue-{secrets.token_hex(4)}"
        self.given: list[tuple[int, Message]] = []  # requests, as far as it reads
        self._dealer = self._context.socket(zmq.DEALER)
        self._dealer.set(zmq.LINGER, 0)
        self._dealer.set(zmq.SNDTIMEO, 200)
        self._dealer.connect(bus)

    def say(self, kind: Kind, info: dict[str, object] | None = None) -> bool:
        """Say one word; return whether the edge's end has room for it."""
        return self.send(envelope.encode(kind, info))

    def send(self, frames: Sequence[bytes]) -> bool:
        """Send any frames."""
        try:
            self._dealer.send_multipart(frames)
        except zmq.Again:
            return False
        return True

    def hello(self, credit: int) -> None:
        """Offer to take so many requests."""
        self.say(Kind.HELLO, {"name": self.name, "pool": "default", "credit": credit, "takes": []})

    def read(self, seconds: float, enough: int = 1_000_000) -> list[Kind]:
        """Take what comes in that time, or until so many requests are held; return the kinds of envelopes."""
        kinds, end = [], time.monotonic() + seconds
        while len(self.given) < enough and (left := end - time.monotonic()) > 0:
            if not self._dealer.poll(int(left * 1000) + 1):
                break
            frames = self._dealer.recv_multipart()
            kinds.append(envelope.decode_head(frames).kind)
            if kinds[-1] is Kind.REQUESTS:
                self.given += [(number, message) for number, message, _source in envelope.decode_requests(frames[1])]
        return kinds

    def settle(self) -> None:
        """Wait until the edge has dealt with all that was said: it reads each connection in order."""
        self.say(Kind.STATS)
        end = time.monotonic() + within(5.0)
        while Kind.FIGURES not in self.read(0.1):
            assert time.monotonic() < end, "the edge does not answer"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._dealer.close()
        self._context.term()


def good_answer(message: Message) -> bytes:
    """A 200 as a worker might write it."""
    headers = dict(zip(message.headers[::2], message.headers[1::2], strict=True))
    return b"\r\n".join(
        [
            b"SIP/2.0 200 OK",
            *(b"%b: %b" % (name.title(), headers[name]) for name in (b"via", b"from", b"to", b"call-id", b"cseq")),
            b"Content-Length: 0\r\n\r\n",
        ]
    )


def forged(message: Message) -> bytes:
    """The same with a status that gives it away."""
    return good_answer(message).replace(b"SIP/2.0 200 OK\r\n", FORGED)
