"""What the ACK filters of one edge remember: the deadline that they share, and replies with the peer's own To-tag.

    deadline | a region for each process: rotation, counts, two generations of fingerprints

The memory is any buffer; where it is shared (`filterfile`) the processes of an edge know each other's replies. That
matters when one of them ends: the kernel then deals the flows of all of them anew (SO_REUSEPORT), so an ACK may come to
a process that has replied to nobody. Each process writes its own region alone, and reads all.
Pure: `now` (seconds, monotonic, the same clock in all processes) is an argument.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from slbroker.sip.reading import Dialog

MAX_REMEMBERED: Final = 100_000  # replies that a generation holds: 3,000 a second
KEY_SIZE: Final = 16

# A table is searched from where a fingerprint belongs to the next free slot; three in four are taken at most.
_SLOTS: Final = 1 << 17
_MASK: Final = _SLOTS - 1
_WORD: Final = 8
# Of a region, in words: when the generations change, which one is young, how many each has; then the tables.
_ROTATE_AT, _YOUNG, _COUNTS, _TABLES = 0, 1, 2, 4
_REGION: Final = _TABLES + 2 * _SLOTS


def size_for(processes: int) -> int:
    """Return how many bytes the memory of so many processes takes: 2 MiB each, which the system gives when used."""
    return _WORD * (1 + processes * _REGION)


class FilterMemory:
    """The memory of one process, and its view of the others'."""

    __slots__ = ("_base", "_bases", "_keyed", "_numbers", "_words")

    def __init__(self, buffer: memoryview | bytearray, process: int = 0, key: bytes = b"") -> None:
        """`buffer` has `size_for` so many bytes, all 0 at first; `process` says which region is this one's.

        `key`, of up to 64 bytes, is the same for all: without it nobody can aim at a clash.
        """
        self._words = memoryview(buffer).cast("B").cast("Q")
        self._numbers = memoryview(buffer).cast("B").cast("d")
        self._bases = range(1, len(self._words), _REGION)
        self._base = self._bases[process]
        self._keyed = hashlib.blake2b(key=key, digest_size=_WORD)

    @classmethod
    def of_one(cls, key: bytes = b"") -> FilterMemory:
        """Return a memory that no other process shares."""
        return cls(bytearray(size_for(1)), key=key)

    @property
    def deadline(self) -> float:
        """Until when ACKs are looked at."""
        return self._numbers[0]

    @deadline.setter
    def deadline(self, until: float) -> None:
        self._numbers[0] = until

    def add(self, request: Dialog, now: float, window: float) -> None:
        """Remember a reply to `request` for `window` seconds, and no more than three times as long."""
        self._rotate(now, window)
        base = self._base
        young = self._words[base + _YOUNG]
        at = self._find(base, young, mark := self._fingerprint(request))
        if self._words[at] != mark:
            self._words[at] = mark
            self._words[base + _COUNTS + young] += 1

    def has(self, request: Dialog, now: float, window: float) -> bool:
        """Return whether any process remembers a reply that `request`, an ACK, belongs to."""
        self._rotate(now, window)
        words, mark = self._words, 0
        for base in self._bases:
            if now >= self._numbers[base] + window:  # of a process that has ended
                continue
            for generation in (0, 1):
                if words[base + _COUNTS + generation]:
                    mark = mark or self._fingerprint(request)
                    if words[self._find(base, generation, mark)] == mark:
                        return True
        return False

    def _find(self, base: int, generation: int, mark: int) -> int:
        """Return where `mark` is in a table, or the free slot where it belongs."""
        words, table = self._words, base + _TABLES + generation * _SLOTS
        slot = mark & _MASK
        while words[table + slot] not in (0, mark):
            slot = (slot + 1) & _MASK
        return table + slot

    def _rotate(self, now: float, window: float) -> None:
        """Forget what is older than the window, a generation at a time; a full generation is closed early."""
        words, base = self._words, self._base
        rotate_at, young = self._numbers[base], words[base + _YOUNG]
        if now < rotate_at and words[base + _COUNTS + young] < MAX_REMEMBERED:
            return
        if now >= rotate_at + window:  # which is so at the start, too
            self._clear(young)
        self._clear(1 - young)
        words[base + _YOUNG] = 1 - young
        self._numbers[base] = now + window

    def _clear(self, generation: int) -> None:
        words, count = self._words, self._base + _COUNTS + generation
        if words[count]:
            table = self._base + _TABLES + generation * _SLOTS
            words[table : table + _SLOTS] = memoryview(bytes(_SLOTS * _WORD)).cast("Q")
            words[count] = 0

    def _fingerprint(self, request: Dialog) -> int:
        """Return a number for the transaction, never 0."""
        keyed = self._keyed.copy()
        for text in (request.call_id, request.from_tag, request.to_tag):
            keyed.update(b"%d:%b" % (len(text), text))
        keyed.update(b"%d" % request.cseq)
        return int.from_bytes(keyed.digest()) or 1
