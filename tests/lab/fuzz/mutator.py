"""A plain mutator: the same seed gives the same inputs on every machine.

It drives the targets where atheris is not installed, the short run among the tests, and the million mutants.
"""

from __future__ import annotations

import ast
import random
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FOLDER: Final = Path(__file__).parent
MAX_SIZE: Final = 65_507  # bytes that a UDP datagram carries over IPv4
MAX_RUN: Final = 4_096  # bytes of one repeated; rare, or nothing but long inputs would come
STRANGE: Final = b"\x00\t\n\x0b\r \"%'()*+,/:;<=>?@[\\]`{}\x7f\x80\x85\xa0\xff"
NUMBERS: Final = (
    b"0", b"-1", b"00", b"1", b"69", b"255", b"256", b"65535", b"65536", b"2147483647", b"2147483648", b"4294967296",
    b"18446744073709551616", b"9" * 4_301,
)  # fmt: skip


def read_dictionary(file: Path) -> list[bytes]:
    """The words of a libFuzzer dictionary: lines of `name="value"`, with \\xAB, \\\\ and \\" for what is special."""
    words = []
    for line in file.read_text(encoding="ascii").splitlines():
        if line and not line.startswith("#"):
            literal = line.partition("=")[2]
            word: bytes = ast.literal_eval("b" + literal)
            words.append(word)
    return words


class Mutator:
    """Makes inputs by changing seeds a few times each; `next` goes on for ever."""

    def __init__(self, seeds: Sequence[bytes], words: Sequence[bytes], number: int) -> None:
        """`number` decides all that follows: equal ones give equal inputs."""
        self._seeds = seeds
        self._words = words
        self._random = random.Random(number)
        self._changes: tuple[Callable[[bytes], bytes], ...] = (
            self._flip, self._strange, self._strange, self._insert_word, self._insert_word, self._overwrite,
            self._delete, self._double, self._number, self._cut, self._splice, self._case, self._run,
            self._drop_line, self._double_line, self._swap_lines, self._move_line,
        )  # fmt: skip

    def next(self) -> bytes:
        """One more input: a seed with one to eight changes, few more often than many."""
        data = self._random.choice(self._seeds)
        for _ in range(1 + min(int(self._random.expovariate(0.7)), 7)):
            data = self._random.choice(self._changes)(data)
        return data[:MAX_SIZE]

    def change(self, data: bytes, number: int) -> bytes:
        """`data` with one change, which depends on `number`; for an engine with a corpus of its own."""
        self._random.seed(number)
        return self._random.choice(self._changes)(data)

    # Bytes ------------------------------------------------------------------------------------------------------

    def _at(self, data: bytes) -> int:
        return int(self._random.random() * (len(data) + 1))

    def _span(self, data: bytes) -> tuple[int, int]:
        start = self._at(data)
        return start, min(start + int(self._random.expovariate(0.1)), len(data))

    def _flip(self, data: bytes) -> bytes:
        if not data:
            return b"\x00"
        at = self._random.randrange(len(data))
        return b"%b%c%b" % (data[:at], data[at] ^ 1 << self._random.randrange(8), data[at + 1 :])

    def _strange(self, data: bytes) -> bytes:
        at = self._at(data)
        return b"%b%c%b" % (data[:at], self._random.choice(STRANGE), data[at + self._random.randrange(2) :])

    def _insert_word(self, data: bytes) -> bytes:
        at = self._at(data)
        return data[:at] + self._random.choice(self._words) + data[at:]

    def _overwrite(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + self._random.choice(self._words) + data[end:]

    def _delete(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[end:]

    def _double(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:end] + data[start:]

    def _cut(self, data: bytes) -> bytes:
        return data[: self._at(data)] if self._random.random() < 0.3 else data

    def _splice(self, data: bytes) -> bytes:
        other = self._random.choice(self._seeds)
        return data[: self._at(data)] + other[self._at(other) :]

    def _case(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[start:end].swapcase() + data[end:]

    def _run(self, data: bytes) -> bytes:
        if self._random.random() < 0.9:
            return data
        at = self._at(data)
        run = self._random.choice([data[at : at + 1], *self._words]) * self._random.randrange(MAX_RUN)
        return data[:at] + run[:MAX_SIZE] + data[at:]

    def _number(self, data: bytes) -> bytes:
        """Write another number in place of one."""
        at = start = self._at(data)
        while start < len(data) and not data[start : start + 1].isdigit():
            start += 1
        end = start
        while end < len(data) and data[end : end + 1].isdigit():
            end += 1
        return data[: start if end > start else at] + self._random.choice(NUMBERS) + data[end if end > start else at :]

    # Lines ------------------------------------------------------------------------------------------------------

    def _drop_line(self, data: bytes) -> bytes:
        lines = data.split(b"\r\n")
        del lines[self._random.randrange(len(lines))]
        return b"\r\n".join(lines)

    def _double_line(self, data: bytes) -> bytes:
        lines = data.split(b"\r\n")
        lines.insert(self._random.randrange(len(lines)), self._random.choice(lines))
        return b"\r\n".join(lines)

    def _swap_lines(self, data: bytes) -> bytes:
        lines = data.split(b"\r\n")
        first, second = self._random.randrange(len(lines)), self._random.randrange(len(lines))
        lines[first], lines[second] = lines[second], lines[first]
        return b"\r\n".join(lines)

    def _move_line(self, data: bytes) -> bytes:
        """Take a line from another seed."""
        lines = data.split(b"\r\n")
        lines.insert(
            self._random.randrange(len(lines)), self._random.choice(self._random.choice(self._seeds).split(b"\r\n"))
        )
        return b"\r\n".join(lines)
