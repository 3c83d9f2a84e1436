"""Fuzz target: an edge and its dispatcher, fed with garbage by its workers. The input is read as a script of steps.

Invariant: nothing that workers say, in any order, late, twice or in nobody's name, raises or spoils the accounts
(`Pair.turn`, after each step). When they fall silent, every request has ended with a reply of its own or in silence,
and a good worker that comes then answers a good OPTIONS.

Allowed exceptions: none.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from slbroker.bus import envelope
from slbroker.bus.envelope import Kind
from slbroker.settings.dispatch import DispatchSettings
from tests.lab.fuzz.pair import Pair
from tests.lab.fuzz.plugin import app
from tests.lab.fuzz.targets.bus import SEEDS as FRAMES
from tests.lab.fuzz.targets.exchange import GOOD, check_good
from tests.support.sip import PHONE_INVITE, SIPP_ACK, SIPP_INVITE, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.envelope import Answer

ROUNDS = 3_000
DICTIONARY = "bus.dict"

SETTINGS: Final = DispatchSettings(max_waiting=8)
REQUESTS: Final = (
    GOOD,
    SIPP_INVITE,
    PHONE_INVITE,
    SIPP_ACK,
    request("CANCEL"),
    request("INVITE", to="<sip:b@c>;tag=1"),
)
WORKERS: Final = (b"", b"\x00a", b"\x00b", b"\x00c", b"\xff" * 255)
ANSWERS: Final[tuple[Answer, ...]] = (
    None, b"", b"SIP/2.0 200 OK\r\n\r\n", b"SIP/2.0 2", b"SIP/2.0 099 No\r\n\r\n", b"INVITE sip:a SIP/2.0\r\n\r\n",
    (), (b"SIP/2.0 100 Trying\r\n\r\n", b"SIP/2.0 486 Busy\r\n\r\n"), (b"SIP/2.0 100 Trying\r\n\r\n", b"\x00"),
    b"SIP/2.0 200 OK\r\n\r\n" + b"a" * 65_507,
)  # fmt: skip
MAX_STEPS: Final = 64


class Script:
    """The input, taken a byte or a string at a time; zeros when it has ended."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at >= len(self._data)

    def number(self, below: int) -> int:
        """A number from 0 to below - 1, at most 255."""
        self._at += 1
        return self._data[self._at - 1] % below if self._at <= len(self._data) else 0

    def string(self) -> bytes:
        """A string whose length is the next byte."""
        start = self._at + 1
        self._at = start + self.number(256)
        return self._data[start : self._at]


def check(data: bytes) -> None:
    """Assert the invariant for one script."""
    script, pair = Script(data), Pair(joined=False, settings=SETTINGS, others=WORKERS)
    for _ in range(MAX_STEPS):
        if script.ended:
            break
        STEPS[script.number(len(STEPS))](script, pair)
    for _ in range(8):  # longer than any worker may be silent
        pair.wait(2.6)
    assert pair.edge.in_flight == 0
    assert not pair.edge.dispatcher.workers
    pair.join(app)
    check_good(pair)


def worker(script: Script) -> bytes:
    return WORKERS[script.number(len(WORKERS))]


def take(script: Script, pair: Pair) -> None:
    """Some requests come in at once."""
    some = [REQUESTS[script.number(len(REQUESTS))] for _ in range(1 + script.number(4))]
    pair.take(*some)


def hello(script: Script, pair: Pair) -> None:
    """A worker introduces itself, perhaps under another one's name."""
    takes = [[], [b"ACK"], [b"ACK", b"CANCEL"]][script.number(3)]
    name = "abc"[script.number(3)]
    info = {"name": name, "pool": "default", "credit": 1 + script.number(6), "takes": takes}
    pair.say(worker(script), envelope.encode(Kind.HELLO, info))


def answer(script: Script, pair: Pair) -> None:
    """Answers to requests that are open, to some of them, or to none; from the one who has them or from another."""
    numbers = [number for account in pair.edge.dispatcher.workers.values() for number in account.open] or [0]
    first = numbers[0] + script.number(4) - 1
    some: list[tuple[int, Answer]] = [
        (first + at * script.number(2), ANSWERS[script.number(len(ANSWERS))]) for at in range(script.number(5))
    ]
    pair.say(worker(script), envelope.encode_replies(some, script.string()))


def control(script: Script, pair: Pair) -> None:
    """Any kind of envelope with a map in it."""
    pair.say(worker(script), envelope.encode(Kind(1 + script.number(len(Kind))), {}))


def garbage(script: Script, pair: Pair) -> None:
    """Frames of any content and number."""
    identity = worker(script)
    pair.say(identity, [script.string() for _ in range(script.number(4))])


def forged(script: Script, pair: Pair) -> None:
    """A good head before any body."""
    kind, size, identity = Kind(1 + script.number(len(Kind))), script.number(3), worker(script)
    head = envelope.encode(kind)[0][:-1] + bytes([size])
    pair.say(identity, [head, script.string()])


def wait(script: Script, pair: Pair) -> None:
    """Time passes: a tenth of a second to 25 s."""
    pair.wait(script.number(256) / 10)


def lose(script: Script, pair: Pair) -> None:
    """The socket finds that a worker has gone."""
    pair.edge.dispatcher.lose(worker(script), pair.now)
    pair.wait(0.0)


STEPS: Final[tuple[Callable[[Script, Pair], None], ...]] = (
    take, hello, answer, control, garbage, forged, wait, lose, take, answer,
)  # fmt: skip
_HELLO_A, _TAKE, _ANSWER = b"\x01\x00\x00\x05\x01", b"\x00\x02\x00\x01\x02", b"\x02\x01\x02\x01\x02\x01\x05\x01\x00"


def _string(data: bytes) -> bytes:
    """As `Script.string` reads it."""
    return bytes([min(len(data), 255)]) + data[:255]


SEEDS: Final = (
    _HELLO_A + _TAKE + _ANSWER,
    _TAKE + _HELLO_A + _ANSWER + b"\x06\x10" + _ANSWER,
    _HELLO_A + b"\x01\x02\x01\x05\x02" + _TAKE * 4 + b"\x07\x01" + b"\x06\x40" + _ANSWER * 2,
    _HELLO_A + _TAKE * 2 + b"\x03\x05\x01" + _ANSWER * 3 + b"\x06\xff",
    b"\x01\x02\x00\x05\x01"
    + b"\x00\x03\x03\x04\x00\x03"
    + _ANSWER
    + b"\x06\x33"
    + _ANSWER,  # it takes ACK and CANCEL too
    *(b"\x04\x01\x02" + _string(head) + _string(body) for head, body in pairwise(FRAMES)),
    *(_HELLO_A + _TAKE + b"\x05%c\x01\x01%b" % (at, _string(body)) for at, body in enumerate(FRAMES)),
)
