"""What is remembered of one pool, and how a request is answered by it: the hot part of `remembered`.

A decision lies in a table of those that went by the same fields, under the values of these. Any that is found is right:
whoever decides looks at one thing after the other, and who is alike in all of them gets the same.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from slbroker.bus.envelope import unpack_request
from slbroker.bus.fields import LEADS, key_of, lead_of, reader_of
from slbroker.bus.memo import MAX_FIELDS, MAX_KEY
from slbroker.sip.reply import join_reply
from slbroker.twins import compiled_or_pure
from slbroker_edge.outbox import post

if TYPE_CHECKING:
    from array import array

    from slbroker.bus.jobs import Job
    from slbroker.sip.message import Message, Source
    from slbroker.sip.reading import Dialog
    from slbroker.totag import Mac
    from slbroker_edge.repeats import Repeats

SEEN: Final = 65_536  # values that were looked for in vain lately: who comes again is worth remembering
MARKS: Final = (
    262_144  # places for what the decisions of a pool lead with: of a full table one stranger in five hits one
)
AGES: Final = 255  # generations before a mark's number comes again
_head: Final = struct.Struct("=dH")  # in front of a decision: until when it is good, and how long its status line is
HEAD: Final = _head.size
GOES_ON: Final = 0xFFFF  # in the place of the length: behind it is no reply, but how the request goes on


def pack_decision(expires: float, line: bytes, tail: bytes) -> bytes:
    """Return a decision as it is kept: status line and what follows the echoed headers; both b"" for silence."""
    return _head.pack(expires, len(line)) + line + tail


def pack_onward(expires: float, words: bytes) -> bytes:
    """Return the decision that requests go on, as it is kept; `words` are packed as they came over the bus."""
    return _head.pack(expires, GOES_ON) + words


def unpack_decision(kept: bytes) -> tuple[float, bytes, bytes]:
    """Return what `pack_decision` was given."""
    expires, length = _head.unpack_from(kept)
    return expires, kept[HEAD : HEAD + length], kept[HEAD + length :]


@compiled_or_pure("slbroker_edge._recall")
class Table:
    """Decisions that went by the same fields, in two generations; one that is used moves into the young one."""

    __slots__ = ("fields", "lead", "old", "said", "young")

    def __init__(self, fields: tuple[str, ...]) -> None:
        """Raise ValueError for more than `MAX_FIELDS`, and for what is no field."""
        if len(fields) > MAX_FIELDS:
            raise ValueError("more fields than a decision can go by")
        for field in fields:
            reader_of(field)
        self.fields = fields
        self.lead = next((field for field in LEADS if field in fields), "")
        self.young: dict[bytes, bytes] = {}
        self.old: dict[bytes, bytes] = {}
        self.said = 0  # how often one was said again, lately

    def key_of(self, job: Job) -> bytes | None:
        """Return under which values a request's decision lies; None for one that has none."""
        key = key_of(self.fields, *unpack_request(job.reading.packed))
        return None if key is None or len(key) > MAX_KEY else key


@compiled_or_pure("slbroker_edge._recall")
class Recall:
    """What is remembered of one pool."""

    def __init__(self) -> None:
        self.tables: dict[bytes, list[Table]] = {}  # by method
        self.methods: frozenset[bytes] = frozenset()  # of which workers have decisions remembered; b"" for all
        self.tokens = 0.0  # how many more requests may be marked as wanted, though nobody like them was here lately
        self.wanted: list[Job] = []  # what was decided of these is worth remembering
        self.onward: list[tuple[Job, bytes]] = []  # requests that go on, and how
        self.replied = 0
        self.dropped = 0
        self.missed = 0  # requests of these methods for which nothing is remembered
        self.moved = self.moved_bytes = 0  # decisions by which the young generation has grown, and their bytes
        self._seen = [0] * SEEN
        # A stranger costs little: most are known by one value, to lead with which no decision has been kept. By the
        # hash of such values: the generation in which one was kept, or has become young again.
        self._marks = bytearray(MARKS)
        self._age = 1

    def grow_old(self) -> None:
        """Take note that the young generation of the tables is the old one now."""
        self._age = self._age % AGES + 1

    def expect(self, table: Table, job: Job) -> None:
        """Take note that a decision about `job` is kept in the young generation of `table`."""
        if table.lead:
            lead = lead_of(table.lead, job.reading.uri)
            if lead is None:
                lead = reader_of(table.lead)(*unpack_request(job.reading.packed))
            self._marks[hash(lead) % MARKS] = self._age

    def say(
        self,
        jobs: list[Job],
        now: float,
        mac: Mac,
        repeats: Repeats[Job] | None,
        outbox: dict[Any, list[tuple[bytes, Any]]],
        arming: dict[Any, list[Dialog]],
        tally: array[int] | None = None,
    ) -> list[Job]:
        """Answer those of `jobs` for which a decision is remembered, as `outbox.post_replies` does; return the others.

        They are `jobs` itself where none is. One that repeats a request in flight (of `repeats`) is among them.
        """
        rest = [job for job in jobs if not self._say_one(job, now, mac, repeats, outbox, arming, tally)]
        return jobs if len(rest) == len(jobs) else rest

    def _say_one(
        self, job: Job, now: float, mac: Mac, repeats: Repeats[Job] | None, outbox: Any, arming: Any, tally: Any
    ) -> bool:
        reading, tables = job.reading, self.tables.get(job.reading.method, ())
        request: tuple[Message, Source] | None = None
        seen = 0
        for table in tables:
            lead = lead_of(table.lead, reading.uri) if table.lead else None
            if lead is not None and not self._may_have(lead):
                seen = hash(lead) or 1
                continue
            if request is None:
                request = unpack_request(reading.packed)
            key = key_of(table.fields, *request)
            if key is None or len(key) > MAX_KEY:
                continue
            kept = self._kept(table, key, job, now)
            if kept is None:
                seen = hash(key) ^ len(table.fields) or 1
                continue
            _expires, line, tail = unpack_decision(kept)
            if repeats is not None and repeats.has(job):
                return False
            table.said += 1
            if _head.unpack_from(kept)[1] == GOES_ON:
                self.onward.append((job, kept[HEAD:]))
                return True
            if not line:
                self.dropped += 1
                return True
            message, status = request[0], int(line[8:11])
            has_tag = status <= 100 or message.to_tag
            tag = b"" if has_tag else mac.tag(reading.call_id, reading.from_tag, reading.cseq)
            reply = join_reply(line, message.headers, status, tag, tail)
            post(reading, job.listener, job.reply_to, reply, outbox, arming, tally)
            self.replied += 1
            return True
        self._miss(job, seen)
        return False

    def _kept(self, table: Table, key: bytes, job: Job, now: float) -> bytes | None:
        """Return what a table has for `job`, which is young from now on; None where it has nothing that is good."""
        kept = table.young.get(key)
        if kept is None and (kept := table.old.pop(key, None)) is not None:
            table.young[key] = kept
            self.expect(table, job)
            self.moved += 1
            self.moved_bytes += len(key) + len(kept)
        if kept is not None and unpack_decision(kept)[0] <= now:
            del table.young[key]
            self.moved -= 1
            self.moved_bytes -= len(key) + len(kept)
            return None
        return kept

    def _may_have(self, lead: bytes) -> bool:
        """Return whether a decision may lead with a value."""
        mark = self._marks[hash(lead) % MARKS]
        return mark == self._age or (mark > 0 and mark % AGES + 1 == self._age)

    def _miss(self, job: Job, seen: int) -> None:
        methods = self.methods
        if job.reading.method not in methods and b"" not in methods:
            return
        self.missed += 1
        if self.tokens >= 1:
            self.tokens -= 1
            self.wanted.append(job)
        elif seen:
            place = seen % SEEN
            if self._seen[place] == seen:
                self.wanted.append(job)
            else:
                self._seen[place] = seen
