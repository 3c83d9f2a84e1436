"""Costs measured in this process, by its own CPU clock: our code alone, with neither sockets nor ZeroMQ around it.

Whole processes are too noisy for these: what is looked for is a few microseconds.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Final

from slbroker import Handlers
from slbroker.sip.parser import parse
from slbroker.sip.validate import USUAL
from slbroker.sip.via import stamp_top
from slbroker_edge.ackfilter import AckFilter
from slbroker_edge.reader import read
from slbroker_handlers.bundled import app
from tests.lab.bench.curves import Curve
from tests.lab.bench.inprocess import NOW, OPTIONS, PEER, SOURCE, InProcess, request, responder, signer

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.sip.message import Message, Source

REPEATS: Final = 5
TURN: Final = 128  # requests that arrive together
TURNS: Final = 4
OWN_HEADERS: Final = 9  # of a request of `inprocess.request`, Content-Length included
IN_PROCESS: Final = "in process"


def lowest_us(work: Callable[[], object], requests: int) -> float:
    """Return the CPU microseconds of a request, the lowest of some runs: whatever disturbs one only adds to it."""
    seconds = []
    work()
    gc.collect()
    gc.disable()
    try:
        for _ in range(REPEATS):
            begun = time.process_time()
            work()
            seconds.append(time.process_time() - begun)
    finally:
        gc.enable()
    return 1e6 * min(seconds) / requests


def through_all(data: bytes, workers: int = 1) -> float:
    """Return what `data` costs edge and worker together."""
    path = InProcess(app, workers)
    datagrams = [data] * TURN

    def work() -> None:
        for _ in range(TURNS):
            path.exchange(datagrams)

    return lowest_us(work, TURNS * TURN)


def by_headers(number: int) -> float:
    """Return the cost of a request with so many headers."""
    return through_all(request("OPTIONS", headers=[f"X-Header-{at}: value {at}" for at in range(number - OWN_HEADERS)]))


def by_body(size: int) -> float:
    """Return the cost of a request with a body of so many bytes."""
    return through_all(request("OPTIONS", body=b"a" * size))


def by_workers(number: int) -> float:
    """Return the cost of a request when so many workers share the batches."""
    return through_all(OPTIONS, number)


def by_keys(number: int) -> float:
    """Return the cost of signing a tag and of knowing its ACK again with so many keys in the ring."""
    sign, ack_filter = signer(number).sign, AckFilter(signer(number))
    invite = parse(request("INVITE"))
    dialog = (invite.call_id, invite.from_tag, invite.cseq)
    data = request("ACK", to_tag=sign(*dialog))
    ack = read(data, PEER, SOURCE.listen, USUAL)
    ack_filter.arm([invite], NOW)
    assert ack_filter.absorbs(ack, NOW)
    return lowest_us(lambda: [(sign(*dialog), ack_filter.absorbs(ack, NOW)) for _ in range(2_000)], 2_000)


def by_routes(number: int, pattern: str) -> float:
    """Return the cost of an answer by the last of so many routes of a plugin, each for a user of its own."""
    respond, message = last_route(number, pattern)
    calls = max(20, 200_000 // (number + 100))
    return lowest_us(lambda: [respond(message, SOURCE) for _ in range(calls)], calls)


def last_route(number: int, pattern: str) -> tuple[Callable[[Message, Source], object], Message]:
    """Return what answers for a plugin of so many routes, and a request for the last; its reason is that number."""
    plugin = Handlers()
    for at in range(number):
        plugin.on("OPTIONS", user=pattern.format(at))(lambda request, at=at: request.reply(404, str(at)))
    message = parse(OPTIONS.replace(b"sip:bob@", b"sip:%07d@" % (number - 1)))
    assert isinstance(message.headers, list)
    stamp_top(message.headers, *PEER)
    return responder(plugin).respond, message


def inside_curves() -> list[Curve]:
    """Return the curves that are measured in this process."""
    tens = (1, 10, 100, 1_000, 10_000)
    return [
        Curve("headers of a request", IN_PROCESS, (10, 20, 50, 100, 150, 200), by_headers,
              "each is read once, crosses the bus and is looked at by the reply builder"),
        Curve("bytes of a body", IN_PROCESS, (0, 1_000, 4_000, 16_000, 32_000, 60_000), by_body,
              "it is copied: into the request, into the batch, out of it"),
        Curve("workers", IN_PROCESS, (1, 2, 4, 8, 16, 32, 64), by_workers,
              f"{TURN} requests that arrive together go out in more and smaller batches"),
        Curve("routes of a plugin", "in process, exact users", tens, lambda size: by_routes(size, "{:07d}"),
              "a table: one look, however many there are"),
        Curve("routes of a plugin", "in process, shell patterns", tens[:4], lambda size: by_routes(size, "{:07d}*"),
              "the first that matches counts, so patterns are tried one by one"),
        Curve("keys in the ring", "in process, sign a tag and check its ACK", (2, 10, 100, 1_000), by_keys,
              "a tag names its key"),
    ]  # fmt: skip
