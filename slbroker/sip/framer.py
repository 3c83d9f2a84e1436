"""Cutting a stream of bytes into SIP messages (RFC 3261 7.5, 18.3; RFC 5626 3.5.1, 4.4.1); no I/O, no clock.

    bytes of one connection -> feed -> whole messages, each with exactly the body that its Content-Length says
                                    -> pings            keepalives to be answered, each with PONG
                                    -> fault            what ends the connection: where the next message begins is lost

Every byte is looked at a bounded number of times, however the stream is cut.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from slbroker.errors import Reject
from slbroker.sip.grammar import GAP, MAX_DATAGRAM, is_digits, is_token, unfold

# Limits, each with its reason -----------------------------------------------------------------------------------

MAX_MESSAGE: Final = MAX_DATAGRAM  # so that a request that is served over one transport is served over all
MAX_HEAD: Final = 32_768  # 256 headers, which is all the parser takes, of 128 bytes each; no proxy makes such heads
# Bytes before a message in one piece of data that are none: keepalives come one or two at a time.
MAX_GAP: Final = 1_024

PONG: Final = b"\r\n"  # RFC 5626 3.5.1: the answer to a double CRLF
_PING_LENGTH: Final = len(b"\r\n\r\n")

_match_gap = re.compile(rb"[\r\n\x00 \t]*+").match
_find_line_ends = re.compile(rb"[\r\n]++").finditer
has_ping: Final = re.compile(rb"[\r\n]{4}").search  # for who has a gap whole
# RFC 3261 7.1, 7.2: a message begins with a method or "SIP", both tokens.
_STARTS: Final = frozenset(code for code in range(128) if is_token(bytes((code,))))

# RFC 3261 20.14, and "l", its compact form. The value goes to the next CRLF: a CR or LF alone is part of it, and bad.
# The name stands whole at the beginning of a line, white space before the colon is allowed (25.1, HCOLON).
_find_lengths = re.compile(
    rb"\r\n(?:[Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[Ll][Ee][Nn][Gg][Tt][Hh]|[Ll])[ \t]*+:([^\r]*+(?:\r(?!\n)[^\r]*+)*)"
).findall


class Fault(NamedTuple):
    """Why a stream cannot be read on. With a `status`, the sender is told; `head` is what can be echoed then."""

    status: int  # 400, 413, 513; 0 when what came is no SIP
    reason: str
    head: bytes


class Framer:
    """Reads one stream. Between messages it holds nothing."""

    __slots__ = ("_buffer", "_line_ends", "_searched", "_wanted", "begun", "fault", "pings")

    def __init__(self) -> None:
        self.begun: float | None = None  # when the message came that is still incomplete
        self.fault: Fault | None = None  # once set, nothing more is read
        self.pings = 0  # keepalives to be answered; whoever answers sets it to 0
        self._buffer: bytes | bytearray = b""  # the incomplete message
        self._searched = 0  # so much of it has been searched for the end of the head
        self._wanted = 0  # its length once that is known, else 0
        self._line_ends = 0  # bytes of a ping that has not come whole

    @property
    def held(self) -> int:
        """Return how many bytes of an incomplete message are kept."""
        return len(self._buffer)

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """Take what the connection brought at `now` (seconds, monotonic); return the messages that are now complete."""
        if self.fault is not None:
            return []
        buffer: bytes | bytearray = data
        if self._buffer:
            buffer = self._buffer
            buffer += data
        messages: list[bytes] = []
        at, size = 0, len(buffer)
        while at < size:
            if not self._wanted:
                at = self._begin(buffer, at)
                self._measure(buffer, at)
            if not 0 < self._wanted <= size - at:
                break
            messages.append(bytes(buffer[at : at + self._wanted]))
            at += self._wanted
            self._searched = self._wanted = 0
        self._keep(buffer, at, now, new=bool(messages))
        return messages

    def _begin(self, buffer: bytes | bytearray, at: int) -> int:
        """Return where a message begins: behind a gap (RFC 3261 7.5), in which pings may be (RFC 5626 3.5.1)."""
        first = buffer[at]
        if first in _STARTS:
            self._line_ends = 0
            return at
        if first not in GAP:
            self.fault = Fault(0, "Not SIP", b"")
            return at
        found = _match_gap(buffer, at)
        assert found is not None
        end = found.end()
        if end - at > MAX_GAP:
            self.fault = Fault(0, "Too Much Between Messages", b"")
            return end
        self._count_pings(buffer, at, end)
        return self._begin(buffer, end) if end < len(buffer) else end

    def _count_pings(self, buffer: bytes | bytearray, at: int, end: int) -> None:
        """Count the pings in a gap; what is no line end stands between two of them, and is in none."""
        begun = self._line_ends
        self._line_ends = 0
        for run in _find_line_ends(buffer, at, end):
            length = run.end() - run.start() + (begun if run.start() == at else 0)
            pings, rest = divmod(length, _PING_LENGTH)
            self.pings += pings
            self._line_ends = rest if run.end() == end else 0

    def _measure(self, buffer: bytes | bytearray, at: int) -> None:
        """Find out how long the message at `at` is, if its head is there."""
        if self.fault is not None:
            return
        end = buffer.find(b"\r\n\r\n", at + max(0, self._searched - 3))
        length = (len(buffer) if end < 0 else end) - at
        if length > MAX_HEAD:
            self.fault = Fault(513, "Message Too Large", _whole_lines(buffer[at : at + MAX_HEAD]))
        elif end < 0:
            self._searched = length
        else:
            try:
                self._wanted = length + 4 + _read_length(buffer, at, end)
                if self._wanted > MAX_MESSAGE:
                    raise Reject(413, "Request Entity Too Large")
            except Reject as reject:
                self._wanted = 0
                self.fault = Fault(reject.status, reject.reason, bytes(buffer[at : end + 4]))

    def _keep(self, buffer: bytes | bytearray, at: int, now: float, *, new: bool) -> None:
        """Keep what is behind `at`, the beginning of a message; `new` says that this one is not the one kept before."""
        if at >= len(buffer) or self.fault is not None:
            self._buffer = b""
            self.begun = None
            return
        if new or self.begun is None:
            self.begun = now
        if at or isinstance(buffer, bytes):
            buffer = bytearray(buffer[at:])
        self._buffer = buffer


def _read_length(buffer: bytes | bytearray, at: int, end: int) -> int:
    """Return the Content-Length in a head, read exactly as the parser will read it; raise Reject.

    On a stream it must be there (RFC 3261 18.3), a number, and one: on what else it is, two readers would disagree.
    """
    if buffer.find(b"\r\n ", at, end) >= 0 or buffer.find(b"\r\n\t", at, end) >= 0:
        values = _find_lengths(unfold(b" ", buffer[at:end]))
    else:
        values = _find_lengths(buffer, at, end)
    if not values:
        raise Reject(400, "Missing Content-Length Header")
    digits = values[0].strip(b" \t")
    if len(values) > 1 and any(value.strip(b" \t") != digits for value in values):
        raise Reject(400, "Repeated Content-Length Header")
    if not is_digits(digits):
        raise Reject(400, "Bad Content-Length Header")
    return int(digits)


def _whole_lines(part: bytes | bytearray) -> bytes:
    """Return `part` of a head without the line that was cut through."""
    return bytes(part[: max(part.rfind(b"\r\n"), 0)])
