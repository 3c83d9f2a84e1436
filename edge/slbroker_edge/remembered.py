"""What handlers have decided, said again by the edge: docs/remember.md has the promise.

A worker says with an answer by what it went (`bus.memo`); until it expires, requests that are alike in that are
answered here and reach no worker. Pure: `now` (seconds, monotonic) is an argument.
"""

from __future__ import annotations

import logging
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgpack

from slbroker.bus.envelope import unpack_request
from slbroker.bus.memo import WANTED, Memo, unpack_memo
from slbroker.errors import EnvelopeError
from slbroker.proxy.decision import read_forward
from slbroker.sip.grammar import METHODS
from slbroker.sip.reply import join_reply
from slbroker.totag import TAG_LENGTH
from slbroker_edge.outbox import match_status_line
from slbroker_edge.recall import Recall, Table, pack_decision, pack_onward

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator

    from slbroker.bus.envelope import Answer
    from slbroker.bus.jobs import Job
    from slbroker.sip.reading import Dialog
    from slbroker.stats import Fates
    from slbroker.totag import Mac
    from slbroker_edge.repeats import Repeats

logger = logging.getLogger(__name__)

MAX_ENTRIES: Final = 65_536  # decisions that are remembered at once, of all pools
MAX_BYTES: Final = 32 * 1024 * 1024  # of their values and replies; Python's part comes to about 150 bytes for each
MAX_REPLY: Final = 4_096  # bytes of a reply that is remembered, without what it echoes
MAX_TABLES: Final = 8  # sets of fields for one method of a pool
MAX_POOLS: Final = 64  # of which something is remembered
MAX_METHODS: Final = 32  # of a pool; those that there are have a place, what peers make up may find none
TELL_AGAIN: Final = 60.0  # seconds between two lines about memos of a pool that cannot be understood
# Requests a second that workers are to look at more closely (that costs them some microseconds) though nobody like them
# was here lately, and how many at once. Who was here is looked at in any case.
WANTED_A_SECOND: Final = 100.0
WANTED_AT_ONCE: Final = 100.0


class Remembered:
    """The memory of one edge process."""

    def __init__(self, fates: Fates) -> None:
        """`fates` counts what is said again."""
        self.pools: dict[str, Recall] = {}
        self.evicted = 0  # decisions that made room for others
        self.refused = 0  # memos that could not be understood, or did not fit what came with them
        self.onward: list[tuple[Job, dict[Any, Any]]] = []  # requests that go on, and how: for whoever sends them
        self._fates = fates
        self._generations: dict[str, frozenset[str]] = {}  # of the workers that were in a pool last
        self._deserted: dict[str, None] = {}  # pools whose workers have all gone, first those where that is longest ago
        self._missed = 0  # in pools of which nothing is remembered any more
        self._forgotten: dict[str | None, float] = {}  # when that was done of a pool, or of all (None)
        self._told: dict[str, tuple[float, int]] = {}  # when a line was last about memos of a pool, and how many since
        self._young = 0  # entries in the young generation, and their bytes
        self._young_bytes = 0
        self._filled = 0.0  # when tokens were given out last

    # Saying again -----------------------------------------------------------------------------------------------

    def say(
        self,
        pool: str,
        jobs: list[Job],
        now: float,
        mac: Mac,
        repeats: Repeats[Job] | None,
        outbox: dict[Any, list[tuple[bytes, Any]]],
        arming: dict[Any, list[Dialog]],
        tally: array[int] | None = None,
    ) -> list[Job]:
        """Do as `Recall.say` for requests that a pool is to have; those that go on come to `onward`."""
        recall = self.pools.get(pool)
        if recall is None:
            return jobs
        if now > self._filled:
            self._fill(now)
        replied, dropped = recall.replied, recall.dropped
        rest = recall.say(jobs, now, mac, repeats, outbox, arming, tally)
        if rest is not jobs:
            replied, dropped = recall.replied - replied, recall.dropped - dropped
            self._fates.replied += replied
            self._fates.remembered += replied + dropped + len(recall.onward)
            if recall.onward:
                self.onward += [(job, _words(packed)) for job, packed in recall.onward]
                recall.onward = []
            if dropped:
                self._fates.drop("handler", dropped)
        if recall.moved_bytes:
            self._young += recall.moved
            self._young_bytes += recall.moved_bytes
            recall.moved = recall.moved_bytes = 0
        return rest

    def _fill(self, now: float) -> None:
        more = (now - self._filled) * WANTED_A_SECOND
        self._filled = now
        for recall in self.pools.values():
            recall.tokens = min(recall.tokens + more, WANTED_AT_ONCE)

    def mark(self, pool: str) -> None:
        """Mark those of the requests that were just submitted, what is decided of which is worth remembering."""
        recall = self.pools.get(pool)
        if recall is not None and recall.wanted:
            for job in recall.wanted:
                job.number |= WANTED
            recall.wanted = []

    # Learning ---------------------------------------------------------------------------------------------------

    def learn(self, pool: str, job: Job, answer: Answer, packed: bytes, now: float) -> None:
        """Remember what a worker of `pool` has answered, if its memo is in order.

        What it was given before all was forgotten it may have decided by what was so then.
        """
        recall = self.pools.get(pool)
        if recall is None or not job.number & WANTED or job.asks or job.given < self._forgotten_at(pool):
            return
        method = job.reading.method
        if method not in METHODS and method not in recall.tables and len(recall.tables) >= MAX_METHODS:
            return
        try:
            memo = unpack_memo(packed)
            decision = _decision(job, answer, memo, now)
            table = self._table_of(recall, method, tuple(sorted(set(memo.fields))))
        except (EnvelopeError, ValueError) as error:
            self._complain(pool, error, now)
            return
        key = table.key_of(job)
        if key is not None:
            recall.expect(table, job)
            self._keep(table, key, decision)

    def _table_of(self, recall: Recall, method: bytes, fields: tuple[str, ...]) -> Table:
        """Return the table of decisions that went by these fields; the one that was used least makes room for one."""
        tables = recall.tables.get(method, [])
        for table in tables:
            if table.fields == fields:
                return table
        table = Table(fields)
        recall.tables[method] = tables
        if len(tables) >= MAX_TABLES:
            least = min(tables, key=lambda table: table.said)
            tables.remove(least)
            self.evicted += len(least.young) + len(least.old)
        tables.append(table)
        return table

    def _forgotten_at(self, pool: str) -> float:
        return max(self._forgotten.get(pool, -math.inf), self._forgotten.get(None, -math.inf))

    def _complain(self, pool: str, error: Exception, now: float) -> None:
        self.refused += 1
        then, more = self._told.get(pool, (-TELL_AGAIN, 0))
        if now - then < TELL_AGAIN:
            self._told[pool] = then, more + 1
            return
        if len(self._told) >= MAX_POOLS:
            self._told.clear()
        self._told[pool] = now, 0
        since = f" ({more} more since the last line)" if more else ""
        logger.warning("pool %.80r: a decision cannot be remembered: %.200s%s", pool, error, since)

    def _keep(self, table: Table, key: bytes, decision: bytes) -> None:
        table.old.pop(key, None)
        before = table.young.get(key)
        if before is not None:
            self._young -= 1
            self._young_bytes -= len(key) + len(before)
        table.young[key] = decision
        self._young += 1
        self._young_bytes += len(key) + len(decision)
        if self._is_full():
            self._count_again()
            if self._is_full():
                self._age()

    def _is_full(self) -> bool:
        return 2 * self._young >= MAX_ENTRIES or 2 * self._young_bytes >= MAX_BYTES

    def _count_again(self) -> None:
        """Count what is in the young generation; some of it was forgotten."""
        self._young = sum(len(table.young) for table in self._tables())
        kept = (each for table in self._tables() for each in table.young.items())
        self._young_bytes = sum(len(key) + len(decision) for key, decision in kept)

    def _age(self) -> None:
        """Let the young generation be the old one, and forget what was that: nobody has asked for it since."""
        for recall in self.pools.values():
            recall.grow_old()
            for method, tables in list(recall.tables.items()):
                for table in tables:
                    self.evicted += len(table.old)
                    table.old, table.young = table.young, {}
                tables.sort(key=lambda table: -table.said)
                for table in tables:
                    table.said //= 2
                kept = [table for table in tables if table.old]
                if kept:
                    recall.tables[method] = kept
                else:
                    del recall.tables[method]
        self._young = self._young_bytes = 0

    def _tables(self) -> Iterator[Table]:
        return (table for recall in self.pools.values() for some in recall.tables.values() for table in some)

    # Forgetting -------------------------------------------------------------------------------------------------

    def staff(self, pool: str, generations: Iterable[str], methods: Iterable[bytes], now: float) -> None:
        """Take note of who is in a pool, and of which methods its workers have decisions remembered.

        What was remembered goes when another generation of workers has come, or one of several has left. It stays when
        all have: then it is all that is left of them.
        """
        present, methods = frozenset(generations), frozenset(methods)
        if not present:
            if pool in self.pools:
                self._deserted[pool] = None
            return
        self._deserted.pop(pool, None)
        before = self._generations.get(pool)
        if before is not None and before != present:
            self.forget(now, pool)
        if methods or pool in self.pools:
            if pool not in self.pools and len(self.pools) >= MAX_POOLS:
                if not self._deserted:
                    return
                self._close(next(iter(self._deserted)))
            self._generations[pool] = present
            self.pools.setdefault(pool, Recall()).methods = methods
            if not methods:
                self._close(pool)

    def _close(self, pool: str) -> None:
        """Remember nothing of a pool any more."""
        recall = self.pools.pop(pool)
        self._missed += recall.missed
        del self._generations[pool]
        self._deserted.pop(pool, None)
        self._forgotten.pop(pool, None)

    def forget(self, now: float, pool: str | None = None) -> int:
        """Forget what is remembered of a pool, or of all; return how many decisions that were."""
        forgotten = 0
        if pool is None or pool in self.pools:
            self._forgotten[pool] = now
        for recall in [self.pools[pool]] if pool in self.pools else [] if pool else self.pools.values():
            for tables in recall.tables.values():
                forgotten += sum(len(table.young) + len(table.old) for table in tables)
            recall.tables = {}
        return forgotten

    def figures(self) -> dict[str, int]:
        """Return what the statistics show."""
        return {
            "entries": sum(len(table.young) + len(table.old) for table in self._tables()),
            "hits": self._fates.remembered,
            "misses": self._missed + sum(recall.missed for recall in self.pools.values()),
            "evictions": self.evicted,
        }


@lru_cache(maxsize=512)
def _words(packed: bytes) -> dict[Any, Any]:
    words: dict[Any, Any] = msgpack.unpackb(packed, use_list=False)
    return words


def _decision(job: Job, answer: Answer, memo: Memo, now: float) -> bytes:
    """Return the decision that an answer holds; raise ValueError unless it would give the same answer again."""
    expires = now + memo.seconds
    if answer is None:
        return pack_decision(expires, b"", b"")
    if isinstance(answer, dict):
        read_forward(answer)
        words: bytes = msgpack.packb(answer)
        if len(words) > MAX_REPLY:
            raise ValueError(f"its decision has more than {MAX_REPLY} bytes")
        return pack_onward(expires, words)
    if type(answer) is not bytes or not match_status_line(answer):
        raise ValueError("the answer is not one reply")
    line, tail = answer[: answer.index(b"\r\n")], answer[-memo.tail :] if memo.tail else b""
    if len(line) + len(tail) > MAX_REPLY or not tail:
        raise ValueError(f"its reply has more than {MAX_REPLY} bytes of its own, or none")
    # The tag is the worker's, whose key need not be the one that we sign with.
    mark = b"\0" * TAG_LENGTH
    message, status = unpack_request(job.reading.packed)[0], int(line[8:11])
    tag = b"" if status <= 100 or message.to_tag else mark
    built = join_reply(line, message.headers, status, tag, tail)
    if tag:
        at = built.index(mark)
        built = built[:at] + answer[at : at + TAG_LENGTH] + built[at + TAG_LENGTH :]
    if built != answer:
        raise ValueError("the answer is more than its status line, what it echoes and what it says to everybody")
    return pack_decision(expires, line, tail)
