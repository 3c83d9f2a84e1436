"""What rogues do, an act each: it gets a connection of its own to the edge's bus, and returns what it saw."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from slbroker.bus import envelope
from slbroker.bus.account import MAX_CREDIT
from slbroker.bus.envelope import MAX_BATCH, MAX_ENVELOPE, Kind
from slbroker.bus.roster import MAX_STRIKES
from tests.lab.fire.rogue import FORGED, Rogue, forged, good_answer
from tests.lab.fire.site import after, seconds

if TYPE_CHECKING:
    from collections.abc import Callable

Frames: TypeAlias = list[bytes]

HANDLER_TIMEOUT: Final = 1.0  # seconds; what a rogue holds is answered by somebody else after it
LASTS: Final = seconds(2.0, 0.5)  # seconds of an act


@dataclass
class Seen:
    """What an act has to tell: requests that the rogue had and did not answer, answers that it made up or repeated."""

    held: int
    made_up: int = 0
    again: int = 0  # requests that it was given when it should have had none
    envelopes: int = 0  # that a flood was made of


Act: TypeAlias = "Callable[[Rogue], Seen]"


def garbage(make: Callable[[int], Frames]) -> Act:
    """It answers what it was given with something else, and would like to have more."""

    def act(rogue: Rogue) -> Seen:
        rogue.hello(credit=1_000)
        rogue.read(2.0, enough=1)
        for number, _message in rogue.given:
            rogue.send(make(number))
        rogue.read(0.1)  # what was on its way
        held = len(rogue.given)
        rogue.hello(credit=1_000)
        rogue.read(0.3)
        return Seen(held, again=len(rogue.given) - held)

    return act


def invents(rogue: Rogue) -> Seen:
    """It answers its own, and their neighbours: ids are handed out in order, so these are open at other workers."""
    rogue.hello(credit=1_000)
    end, made_up, own = time.monotonic() + LASTS, 0, set[int]()
    while time.monotonic() < end and made_up < MAX_STRIKES:  # then it is sent away, and not heard any more
        rogue.read(0.1, enough=1)
        own |= {number for number, _message in rogue.given}
        for number, message in rogue.given:
            others = {number - distance for distance in range(1, 6)} - own
            rogue.send(envelope.encode_replies([(other, forged(message)) for other in others]))
            rogue.send(envelope.encode_replies([(number, good_answer(message))]))
            made_up += len(others)
        rogue.given.clear()
    rogue.settle()
    return Seen(len(rogue.given), made_up)


def repeats(rogue: Rogue) -> Seen:
    """It answers each request three times, twice of it in one envelope."""
    rogue.hello(credit=1_000)
    end, made_up = time.monotonic() + LASTS, 0
    while time.monotonic() < end and made_up < MAX_STRIKES:  # then it is sent away, as above
        rogue.read(0.1, enough=1)
        for number, message in rogue.given:
            once = (number, good_answer(message))
            rogue.send(envelope.encode_replies([once, (number, forged(message))]))
            rogue.send(envelope.encode_replies([once]))
            made_up += 2
        rogue.given.clear()
    rogue.settle()
    return Seen(len(rogue.given), made_up)


def flood(*wave: Frames) -> Act:
    """It says the same things over and over, as fast as it can, and reads nothing."""

    def act(rogue: Rogue) -> Seen:
        rogue.hello(credit=1)
        after(0.05)
        end, count = time.monotonic() + LASTS, 0
        for frames in cycle(wave):
            count += rogue.send(frames)
            if time.monotonic() > end:
                break
        return Seen(held=1, envelopes=count)

    return act


def boasts(rogue: Rogue) -> Seen:
    """It names a credit that nobody can have."""
    for credit in (2**31, 2**63, -1, 0):
        rogue.hello(credit)
    rogue.read(0.3)
    return Seen(held=0, again=len(rogue.given))


def takes_all(*, reads: bool) -> Act:
    """It offers as much credit as there can be, and answers nothing."""

    def act(rogue: Rogue) -> Seen:
        rogue.hello(MAX_CREDIT)
        end = time.monotonic() + LASTS + HANDLER_TIMEOUT
        while time.monotonic() < end:
            rogue.read(0.1) if reads else after(0.1)
            rogue.say(Kind.HEARTBEAT)
        rogue.read(0.1)
        return Seen(held=len(rogue.given))

    return act


def _replies(number: int, answer: Any) -> Frames:
    return envelope.encode_replies([(number, answer)])


def _hello(number: int) -> Frames:
    pool = "default" if number % 2 else f"rogue-{number}"
    offer = {"name": f"rogue-{number}", "pool": pool, "credit": number % 500 + 1, "takes": [b"ACK"]}
    return envelope.encode(Kind.HELLO, offer)


ACTS: Final[dict[str, Act]] = {
    "garbage: no msgpack": garbage(lambda _number: [b"\xc1\xc1", b"\xc1"]),
    "garbage: a batch cut short": garbage(
        lambda number: [envelope.encode_replies([(number, b"")])[0], b"\x91\x92\x01"]
    ),
    "garbage: a number for an answer": garbage(lambda number: _replies(number, 7)),
    "garbage: three frames": garbage(lambda number: [*_replies(number, b""), b""]),
    "invents": invents,
    "repeats": repeats,
    "floods: heartbeats": flood(envelope.encode(Kind.HEARTBEAT)),
    "floods: large heartbeats": flood(envelope.encode(Kind.HEARTBEAT, {"": bytes(MAX_ENVELOPE - 64)})),
    "floods: answers": flood(envelope.encode_replies([(number, FORGED) for number in range(MAX_BATCH)])),
    "floods: large answers": flood(envelope.encode_replies([(1, FORGED + bytes(MAX_ENVELOPE - 64))])),
    "floods: questions": flood(envelope.encode(Kind.STATS)),
    "floods: offers": flood(*map(_hello, range(5_000))),
    "boasts": boasts,
    "takes all, reads": takes_all(reads=True),
    "takes all, reads nothing": takes_all(reads=False),
}
