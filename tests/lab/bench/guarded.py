"""What `guard.py` runs under callgrind: each task on fixed input, between marks that callgrind sees.

Usage: guarded.py [TASK...]; it prints the name of each task as it begins. A mark is a call of
sys.setrecursionlimit, whose C function has a name of its own in every build: callgrind writes its counts down whenever
that is entered. The counts between two marks are those of FEW or MANY calls; their difference has neither start-up nor
loop set-up in it.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from slbroker import Handlers
from slbroker.bus import envelope
from slbroker.bus.choice import ANY
from slbroker.bus.jobs import Job
from slbroker.sip.parser import parse
from slbroker.sip.reply import build_reply
from slbroker.sip.validate import USUAL
from slbroker.sip.via import stamp, stamp_top
from slbroker_edge.reader import read, read_turn
from slbroker_handlers.bundled import app
from slbroker_handlers.kemi.script import load_script
from tests.lab.bench.inprocess import (
    ACK,
    INVITE,
    NOW,
    OPTIONS,
    PEER,
    SOURCE,
    InProcess,
    Sink,
    different,
    responder,
    signer,
)
from tests.support.bus import encode_packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from slbroker import Reply, Request
    from slbroker.sip.message import Message
    from slbroker.sip.reading import Ack, Address, Reading

FEW: Final = 128  # calls
MANY: Final = 640
WARM_UP: Final = 128  # calls before: caches are filled, and the interpreter has specialised its byte code
BATCH: Final = 64  # requests in an envelope

EXAMPLE: Final = Path(__file__).resolve().parents[3] / "handlers" / "examples" / "kemi_redirect.py"
TAG: Final = b"s1a1b2-000000000000000000000000"


class Task(NamedTuple):
    """`run` does `each` calls of what is counted."""

    run: Callable[[], object]
    each: int = 1


def read_one(data: bytes) -> Reading:
    """Read a datagram by the whole grammar."""
    return read(data, PEER, SOURCE.listen, USUAL)


def take_all(datagrams: list[tuple[bytes, Address]]) -> None:
    """Read what comes in one turn as the edge does."""
    read_turn(datagrams, Sink(), USUAL)


def parsed(data: bytes) -> Message:
    """Return a request as a worker has it: its Via is stamped."""
    message = parse(data)
    assert isinstance(message.headers, list)
    stamp_top(message.headers, *PEER)
    return message


def edge_tasks() -> dict[str, Task]:
    """Return what the edge does with one message."""
    message, via = parse(OPTIONS), parse(OPTIONS).first(b"via") or b""
    acks: list[Ack] = [(read_one(ACK), ACK, PEER)] * BATCH
    absorb = in_service().edge.ack_filter.absorb
    return {
        "take in OPTIONS": Task(lambda: take_all([(OPTIONS, PEER)] * BATCH), BATCH),
        "take in INVITE": Task(lambda: take_all([(INVITE, PEER)] * BATCH), BATCH),
        "take in ACK": Task(lambda: take_all([(ACK, PEER)] * BATCH), BATCH),
        "parse OPTIONS by the whole grammar": Task(lambda: parse(OPTIONS)),
        "stamp Via": Task(lambda: stamp(via, *PEER)),
        "pack request": Task(lambda: envelope.pack_request(message, SOURCE)),
        "decide ACK": Task(lambda: absorb(acks, NOW), BATCH),
    }


def worker_tasks() -> dict[str, Task]:
    """Return what a worker does with one request."""
    options, invite = parsed(OPTIONS), parsed(INVITE)
    answer, sign = responder(app).answer, signer().sign
    by_script = responder(load_script(f"kemi:{EXAMPLE}")).answer
    (item,) = envelope.decode_requests(encode_packed([(1, read_one(OPTIONS).packed)])[1])
    return {
        "sign tag": Task(lambda: sign(invite.call_id, invite.from_tag, invite.cseq)),
        "build reply": Task(lambda: build_reply(options, 200, "OK", TAG)),
        "answer, by the bundled plugin": Task(lambda: answer(item)),
        "answer, by a KEMI script": Task(lambda: by_script(item)),
    }


def bus_tasks() -> dict[str, Task]:
    """Return what both ends of the bus do with a batch."""
    numbers = range(1_000_000, 1_000_000 + BATCH)
    reply = build_reply(parsed(OPTIONS), 200, "OK", TAG)
    answers: list[tuple[int, envelope.Answer]] = [(number, reply) for number in numbers]
    packed = [(number, read_one(OPTIONS).packed) for number in numbers]
    requests, replies = encode_packed(packed)[1], envelope.encode_replies(answers)[1]
    path, reading = in_service(), read_one(OPTIONS)
    jobs = [Job(reading, b"", ANY, 0) for _ in numbers]
    for number, job in zip(numbers, jobs, strict=True):
        job.number = number
    return {
        "encode requests": Task(lambda: envelope.encode_jobs(jobs), BATCH),
        "decode requests": Task(lambda: envelope.decode_requests(requests), BATCH),
        "encode replies": Task(lambda: envelope.encode_replies(answers), BATCH),
        "decode replies": Task(lambda: envelope.decode_replies(replies), BATCH),
        "submit, send, receive": Task(
            lambda: path.dispatch([Job(reading, b"", ANY, 0) for _ in numbers], reply), BATCH
        ),
    }


def whole_tasks() -> dict[str, Task]:
    """Return the whole way of a request through edge and worker, sockets and ZeroMQ left out."""
    path = in_service()
    options, calls = different(OPTIONS, BATCH), different(INVITE, BATCH) + [ACK] * BATCH
    return {
        "edge and worker, a lone OPTIONS": Task(lambda: path.exchange(options[:1])),
        "edge and worker, OPTIONS": Task(lambda: path.exchange(options), BATCH),
        "edge and worker, INVITE and ACK": Task(lambda: path.exchange(calls), BATCH),
    }


def remembered_tasks() -> dict[str, Task]:
    """Return the way of a request where decisions are remembered: by the method alone, by a user and a header.

    What is not remembered goes on to a worker, as it always did, and now and then what is decided of it is learnt.
    """
    plain, close = remembering(lambda request: request.reply(404)), remembering(look_closely)
    missing, learning = remembering(look_closely), remembering(look_closely)
    forgetful = remembering(look_closely, seconds=0.0)
    options, invites = different(OPTIONS, BATCH), different(INVITE, BATCH)
    strangers, newcomers, others = ever_new(OPTIONS), ever_new(OPTIONS), ever_new(OPTIONS)
    return {
        "remembered OPTIONS": Task(lambda: plain.exchange(options), BATCH),
        "remembered OPTIONS, a lone one": Task(lambda: plain.exchange(options[:1])),
        "remembered INVITE and ACK": Task(lambda: plain.exchange(invites + [ACK] * BATCH), BATCH),
        "remembered INVITE, by user and header": Task(lambda: close.exchange(invites), BATCH),
        "OPTIONS of new users, nothing remembered": Task(lambda: forgetful.exchange(next(others)), BATCH),
        "OPTIONS of new users, none learnt": Task(lambda: exchange(missing, next(strangers), learnt=0), BATCH),
        "OPTIONS of new users, all learnt": Task(lambda: exchange(learning, next(newcomers), learnt=BATCH), BATCH),
    }


def ever_new(data: bytes) -> Iterator[list[bytes]]:
    """Return turns of requests like `data`, each of a user that was never here; made beforehand, so not counted."""
    calls = WARM_UP + FEW + MANY
    made = [data.replace(b"sip:bob@", b"sip:user%05d@" % at) for at in range(calls)]
    turns = [different_again(made[at : at + BATCH], at) for at in range(0, calls, BATCH)]
    return iter(turns)


def different_again(datagrams: list[bytes], first: int) -> list[bytes]:
    """Return the same requests, each in a transaction of its own."""
    return [data.replace(b"-0000002a", b"-%08x" % (first + at)) for at, data in enumerate(datagrams)]


def exchange(path: InProcess, turn: list[bytes], learnt: int) -> None:
    """Exchange a turn, of which the edge may learn so many: else it does a hundred a second, and no second passes."""
    assert path.edge.remembered is not None
    for recall in path.edge.remembered.pools.values():
        recall.tokens = float(learnt)
    path.exchange(turn)


def look_closely(request: Request) -> Reply:
    """Decide by what handlers usually decide by."""
    is_known = request.uri.user == "bob" and request.from_uri.host != "example.com"
    return request.reply(404 if is_known and request.user_agent != "x" else 480)


def remembering(handler: Callable[[Request], Reply], seconds: float = 3_600.0) -> InProcess:
    """Return an edge that has learnt what `handler` decides, for so many seconds; 0: it remembers nothing."""
    plugin = Handlers()
    plugin.on("OPTIONS", "INVITE", remember=seconds or None)(handler)
    path = InProcess(plugin)
    path.exchange([INVITE, OPTIONS])
    return path


def in_service() -> InProcess:
    """Return an edge with a worker whose filter is armed."""
    path = InProcess(app)
    path.exchange([INVITE])
    return path


def mark() -> None:
    """Let callgrind write down what it has counted."""
    sys.setrecursionlimit(sys.getrecursionlimit())


def call(task: Task, times: int) -> None:
    """Do so many calls of what is counted."""
    run = task.run
    for _ in range(times // task.each):
        run()


def main(names: list[str]) -> None:
    """Run the tasks, or those named, with three marks each: before, between and behind."""
    gc.disable()
    tasks = edge_tasks() | worker_tasks() | bus_tasks() | whole_tasks() | remembered_tasks()
    for name in names or tasks:
        print(name, flush=True)
        call(tasks[name], WARM_UP)
        mark()
        call(tasks[name], FEW)
        mark()
        call(tasks[name], MANY)
        mark()


if __name__ == "__main__":
    main(sys.argv[1:])
