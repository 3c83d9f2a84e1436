"""When a peer that was turned away may come again: Retry-After (RFC 3261 20.33), not the same for all of them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from zlib import crc32

MOST: Final = 86_400  # seconds; whoever is away for longer than a day says so in other ways
OFF: Final = "off"

_match_range = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII).fullmatch


class RetryAfter(NamedTuple):
    """Seconds from `low` to `high`, both included; 0 and 0 for no header at all.

    Clients obey it to the letter: with one figure for all, those that were turned away together come back together.
    """

    low: int = 5
    high: int = 30

    @classmethod
    def read(cls, text: str) -> RetryAfter:
        """Return what `text` writes: "5-30", "10" or "off"; raise ValueError for what is none."""
        if text == OFF:
            return cls(0, 0)
        found = _match_range(text)
        low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= low <= high <= MOST:
            raise ValueError(f"{text!r}: write seconds such as 10, a range such as 5-30 ({MOST} at most), or {OFF}")
        return cls(low, high)

    def __str__(self) -> str:
        return OFF if not self.high else str(self.low) if self.low == self.high else f"{self.low}-{self.high}"

    def seconds(self, call_id: bytes) -> int:
        """Return the seconds for a call: any within the range, and for a repeat, on every host, the same again."""
        return self.low + crc32(call_id) % (self.high - self.low + 1)

    def line(self, call_id: bytes) -> bytes:
        """Return the header with a CRLF before it; b"" where there is to be none."""
        return b"\r\nRetry-After: %d" % self.seconds(call_id) if self.high else b""


USUAL: Final = RetryAfter()
