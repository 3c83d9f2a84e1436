"""Fuzz target: what is remembered of handlers' decisions, `Remembered` over both kinds of `Recall` and `Table`.

An input is a worker's memo, what it answered, and datagrams: the first is answered so, then all are asked for, again
when the generations have changed, and once more when all has expired.

Invariant: both kinds take the same values out of every datagram, answer the same ones with the same bytes, and have the
same in their tables and counters afterwards. Nothing is said again but a reply that a worker would build.

Allowed exceptions: none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from slbroker.bus.envelope import unpack_request
from slbroker.bus.fields import URI_PARTS
from slbroker.bus.memo import WANTED, Memo, pack_memo, unpack_memo
from slbroker.errors import EnvelopeError
from slbroker.sip.reply import join_reply
from slbroker.sip.validate import USUAL
from slbroker.stats import Fates
from slbroker.twins import definition
from slbroker_edge import remembered
from slbroker_edge.reader import is_repeat, read_turn
from slbroker_edge.recall import Recall, Table
from slbroker_edge.remembered import Remembered
from slbroker_edge.repeats import Repeats
from tests.lab.fuzz.seeds import MESSAGES
from tests.support.edge import SIGNER, FakeListener
from tests.support.sip import PHONE_INVITE, SIPP_INVITE, request

if TYPE_CHECKING:
    from slbroker.bus.jobs import Job

ROUNDS = 600
DICTIONARY = "sip.dict"

BETWEEN: Final = b"\n--\n"
NOW: Final = 1_000.0
POOL: Final = "default"
KINDS: Final = ((Recall, Table), (definition(Recall), definition(Table)))
LISTENERS: Final = tuple(map(FakeListener, ("udp:192.0.2.7:5060", "tls:[2001:db8::7]:5061 advertise gw.example.com")))
SOURCES: Final = (
    ("192.0.2.77", 40_077), ("192.0.2.1", 5060), ("2001:db8::9", 5060, 0, 0), ("fe80::1%eth0", 9, 0, 2),
)  # fmt: skip
FIELDS: Final = (
    "uri", "initial", "body", "source.host", "source.transport", "source.listen",
    "source.in:192.0.2.0/26,2001:db8::/32",
    "header:subject", "header:contact", "header:user-agent", "header:to", "header:x-none",
    *(f"uri.{part}" for part in URI_PARTS),
    *(f"{name}.{part}" for name in ("from", "to") for part in ("uri", "display", *URI_PARTS)),
)  # fmt: skip
ANSWER: Final = b"SIP/2.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_SHORT: Final = [data for data in MESSAGES if len(data) < 2_000]
SEEDS = (
    *(
        BETWEEN.join(
            (pack_memo(Memo(60.0, FIELDS[at % 30 : at % 30 + 1 + at % 4], 23)), ANSWER, data, SIPP_INVITE, data)
        )
        for at, data in enumerate(_SHORT)
    ),
    *(BETWEEN.join((pack_memo(Memo(9.0, (field,), 23)), ANSWER, PHONE_INVITE, SIPP_INVITE)) for field in FIELDS),
    BETWEEN.join((pack_memo(Memo(0.5, (), 0)), b"", request(), request(), request("INVITE", subject=["1", "2"]))),
    BETWEEN.join((pack_memo(Memo(3_600.0, FIELDS[:16], 23)), b"SIP/2.0 100 Trying\r\n\r\n", request(timestamp="7"))),
    BETWEEN.join((b"\x80", b"SIP/2.0 486", request("INVITE", to="<sip:b@h>;tag=theirs"))),
)


def check(data: bytes) -> None:
    """Assert the invariant for one memo, answer and some datagrams."""
    memo, answer, datagrams = (*data.split(BETWEEN, 2), b"", b"")[:3]
    jobs = jobs_of(datagrams.split(BETWEEN)[:16])
    seen = [outcome(jobs, memo, answer, *kind) for kind in KINDS]
    assert seen[0] == seen[1]


def jobs_of(datagrams: list[bytes]) -> list[Job]:
    """What an edge makes of datagrams, each from another source than the one before."""
    jobs: list[Job] = []
    for at, data in enumerate(datagrams):
        listener = LISTENERS[at % 3 == 2]
        jobs += read_turn([(data, SOURCES[(at + len(data)) % len(SOURCES)])], listener, USUAL)[0]
    return jobs


def outcome(jobs: list[Job], memo: bytes, answer: bytes, recall: Any, table: Any) -> list[object]:
    """What one kind does."""
    vars(remembered).update(Recall=recall, Table=table)
    try:
        keys = [table((field,)).key_of(job) for field in FIELDS for job in jobs]
        return [keys, *said(jobs, memo, answer)]
    finally:
        vars(remembered).update(Recall=Recall, Table=Table)


def said(jobs: list[Job], packed: bytes, answer: bytes) -> list[Any]:
    """What is answered out of the memory, and what is in it then."""
    memory = Remembered(Fates())
    memory.staff(POOL, ["one"], [b""], NOW)
    repeats: Repeats[Job] = Repeats(is_repeat)
    known: list[Any] = []
    for number, job in enumerate(jobs):
        job.number = number
    for again, now in enumerate((NOW, NOW + 0.4, NOW + 0.4, NOW + 3_601.0)):
        outbox: dict[Any, Any] = {}
        arming: dict[Any, Any] = {}
        rest = memory.say(POOL, jobs, now, SIGNER.mac, repeats if again == 2 else None, outbox, arming)
        memory.mark(POOL)
        known += [[job.number % WANTED for job in rest], outbox, arming, state(memory)]
        for reply, _address in (pair for box in outbox.values() for pair in box):
            assert reply.startswith(b"SIP/2.0 ")
            assert b"\r\n\r\n" in reply or not answer.endswith(b"\r\n\r\n")
        if again == 0 and jobs:
            memory.learn(POOL, jobs[0], answer, packed, now)
            for job in jobs[::2]:
                memory.learn(POOL, job, *built(job, packed, answer), now)
        elif again == 1:
            memory._age()
            repeats.admit(jobs[:1])
    repeats.end_all([(job, None) for job in jobs[:1]])
    return known


def built(job: Job, packed: bytes, answer: bytes) -> tuple[bytes | None, bytes]:
    """What a worker says whose reply is of this status line and end; and its memo."""
    try:
        memo = unpack_memo(packed)
    except EnvelopeError:
        memo = Memo(5.0, ("uri.host", "from.user"), 1)
    line, newline, rest = answer.partition(b"\r\n")
    if not newline:
        return None, pack_memo(memo._replace(tail=0))
    tail, message = newline + rest, unpack_request(job.reading.packed)[0]
    if not (line.startswith(b"SIP/2.0 ") and line[8:11].isdigit() and len(line[8:11]) == 3):
        line = b"SIP/2.0 200 OK"
    has_tag = line[8:11] <= b"100" or message.to_tag
    tag = b"" if has_tag else SIGNER.mac.tag(message.call_id, message.from_tag, message.cseq)
    return join_reply(line, message.headers, int(line[8:11]), tag, tail), pack_memo(memo._replace(tail=len(tail)))


def state(memory: Remembered) -> list[object]:
    """Counters and tables."""
    known: list[object] = [memory.evicted, memory.refused, memory.figures()]
    for recall in memory.pools.values():
        known += [recall.replied, recall.dropped, recall.missed, recall.moved, recall.moved_bytes, recall.tokens]
        known += [
            (method, table.fields, table.said, list(table.young.items()), list(table.old.items()))
            for method, tables in recall.tables.items()
            for table in tables
        ]
    return known
