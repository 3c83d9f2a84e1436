"""What a single large message may cost the edge, what many bad ones may leave behind, and two edges face to face."""

from __future__ import annotations

import gc
import sys
from time import process_time
from typing import TYPE_CHECKING, Final

import pytest

from slbroker_handlers.bundled import app
from tests.lab.fuzz.mutator import FOLDER, Mutator, read_dictionary
from tests.support.edge import PEER, Rig
from tests.support.sip import request
from tests.support.timing import within
from tests.torture.corpus import CASES

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DATAGRAM: Final = 65_507
BUDGET: Final = 0.005  # seconds for one message on a machine of our own; see `slowness`
DIGITS: Final = "1" * 4_301  # int() raises beyond 4,300


def spaces(size: int) -> str:
    return " " * size


# A builder of a message of about so many bytes, for each thing that could be slow.
LARGE: Final[dict[str, Callable[[int], bytes]]] = {
    "6,000 headers": lambda size: request(lines=[b"Q: 1"] * (size // 10)),
    "headers of different names": lambda size: request(lines=[b"Q%d: 1" % number for number in range(size // 12)]),
    "long names": lambda size: request(
        lines=[b"N%d" % number + b"x" * (size // 210) + b": 1" for number in range(200)]
    ),
    "34 Vias": lambda size: request(via=["SIP/2.0/UDP h;branch=" + "x" * (size // 36)] * 34),
    "Vias in a list": lambda size: request(via=",".join(["SIP/2.0/UDP h"] * (size // 14))),
    "parameters of Via": lambda size: request(via="SIP/2.0/UDP h" + ";a" * (size // 2)),
    "rports": lambda size: request(via="SIP/2.0/UDP h" + ";rport" * (size // 6)),
    "quotes in Via": lambda size: request(via="SIP/2.0/UDP h" + ';a="b"' * (size // 6)),
    "nothing in Via": lambda size: request(via="SIP/2.0/UDP h" + ";" * size),
    "spaces in Via": lambda size: request(via=f"SIP/2.0/UDP h{spaces(size)}!"),
    "folds in Via": lambda size: request(via="SIP/2.0/UDP h" + "\r\n ;a" * (size // 5)),
    "60,000 spaces before the colon": lambda size: request(lines=[f"Subject{spaces(size)}: x".encode()]),
    "spaces in a value": lambda size: request(subject=f"x{spaces(size)}y"),
    "spaces in the request line": lambda size: request(uri=f"sip:h{spaces(size)}"),
    "spaces in CSeq": lambda size: request(cseq=f"1{spaces(size)}!"),
    "spaces in From": lambda size: request(from_=f"<sip:a@b>{spaces(size)};tag=1{spaces(9)}!"),
    "words in From": lambda size: request(from_="x " * (size // 2) + "<sip:a@b>;tag=1"),
    "parameters of From": lambda size: request(from_="<sip:a@b>" + ";a" * (size // 2)),
    "an open quote in From": lambda size: request(from_='"' + '\\"' * (size // 2) + " <sip:a@b>;tag=1"),
    "brackets in From": lambda size: request(from_="<" * size),
    "addresses in To": lambda size: request(to="<sip:a@b>," * (size // 10)),
    "a long tag": lambda size: request(to="<sip:a@b>;tag=" + "x" * size),
    "a long Call-ID": lambda size: request(call_id="x" * size),
    "a long method": lambda size: request("M" * (size // 2)),
    "a long host": lambda size: request(uri="sip:" + "a" * size),
    "escapes in the URI": lambda size: request(uri="sip:" + "%41" * (size // 3) + "@h"),
    "at signs in the URI": lambda size: request(uri="sip:" + "@" * size),
    "parameters of the URI": lambda size: request(uri="sip:h" + ";a" * (size // 2)),
    "colons in the URI": lambda size: request(uri="sip:[" + ":" * size + "]"),
    "option tags": lambda size: request(require=",".join("a" * (size // 2))),
    "folds": lambda size: request(subject="x" + "\r\n " * (size // 3) + "x"),
    "line ends in front": lambda size: b"\r\n" * (size // 2) + request(),
    "line feeds": lambda size: b"\n" * size,
    "NULs": lambda size: b"\x00" * size,
    "no line end": lambda size: b"OPTIONS " + b"x" * size,
    "a body": lambda size: request(body=b"x" * size),
    "a 4,301-digit CSeq": lambda _size: request(cseq=f"{DIGITS} OPTIONS"),
    "a 4,301-digit Content-Length": lambda _size: request(content_length=DIGITS),
    "a 4,301-digit Max-Forwards": lambda _size: request(max_forwards=DIGITS),
    "4,301-digit ports": lambda _size: request(uri=f"sip:h:{DIGITS}", via=f"SIP/2.0/UDP h:{DIGITS}"),
}


def seconds_on_the_edge(data: bytes) -> float:
    """The least time of five that an edge needs from the datagram to the bus, or to its own reply."""
    rig = Rig()
    rig.join(app)
    times = []
    for _ in range(5):
        started = process_time()
        rig.edge.take([(data, PEER)], rig.listener, rig.now)
        rig.edge.flush(rig.now)
        times.append(process_time() - started)
        rig.turn()
    rig.receive(request())
    assert rig.replies[-1].startswith(b"SIP/2.0 200 ")
    return min(times)


def slowness() -> float:
    """How much longer than the machine of the budget, which takes 1 ms for this, the present one takes; at least 1."""
    times = []
    for _ in range(5):
        started = process_time()
        sum(len(b"%d" % number) for number in range(5_000))
        times.append(process_time() - started)
    return max(1.0, min(times) / 0.001)


@pytest.mark.parametrize("build", LARGE.values(), ids=LARGE)
def test_one_large_message_takes_little_time_and_no_more_than_its_length_explains(
    build: Callable[[int], bytes],
) -> None:
    large, small = build(60_000)[:MAX_DATAGRAM], build(6_000)
    seconds = seconds_on_the_edge(large)
    assert seconds < within(BUDGET) * slowness()
    # Ten times the length: a quadratic way would take a hundred times as long.
    assert seconds < 30 * seconds_on_the_edge(small) + within(0.0005)


def mutants(number: int) -> Mutator:
    return Mutator([case.data for case in CASES.values()], read_dictionary(FOLDER / "sip.dict"), number)


def test_mutants_leave_nothing_behind() -> None:
    """Blocks of memory in use, once the bounded caches have had time to fill."""
    rig, mutator = Rig(), mutants(1)
    rig.join(app)

    def take(count: int) -> int:
        for _ in range(count):
            rig.receive(mutator.next())
            rig.listener.sent.clear()
        gc.collect()
        return sys.getallocatedblocks()

    before = take(6_000)
    after = take(3_000)
    assert after - before < 1_500
    assert rig.edge.in_flight == 0
    assert rig.fates.received == 9_000


def test_two_edges_exchange_one_reply_at_most() -> None:
    """What the first answers to a mutant, the second has to leave unanswered: it is a response."""
    first, second = Rig(), Rig()
    first.join(app)
    second.join(app)
    mutator = mutants(2)
    for _ in range(3_000):
        first.listener.sent.clear()
        first.receive(mutator.next())
        assert len(first.replies) <= 1
        second.receive(*first.replies)
    assert second.replies == []
    assert set(second.fates.dropped) == {"response"}
