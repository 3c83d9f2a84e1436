"""A slow and simple reading of a request's head, which shares no code with slbroker: what a reply has to repeat."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_LONG: Final = {b"v": b"via", b"f": b"from", b"t": b"to", b"i": b"call-id"}
MAX_LINES: Final = 256  # header lines that are read; a request with more is refused, and repeats the ones before


@dataclass(frozen=True)
class Head:
    """A start line, and (lower-case long name, value) for each line that is a header."""

    start: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    def all(self, name: bytes) -> list[bytes]:
        """The values of all headers called `name`, in order."""
        return [value for candidate, value in self.headers if candidate == name]

    @property
    def says_ack(self) -> bool:
        """Whether the request line or a CSeq names the method ACK: such a request is never answered."""
        methods = [self.start.split(b" ")[0], *(value.split()[-1] for value in self.all(b"cseq") if value.split())]
        return b"ACK" in methods


def read_head(data: bytes) -> Head:
    """Read a head as RFC 3261 7.3.1 says: folded lines joined by one blank, blanks around values left out."""
    data = data.lstrip(b"\x00\r\n \t")
    text = re.sub(rb"\r\n[ \t]+", b" ", data.split(b"\r\n\r\n")[0])
    start, *lines = text.split(b"\r\n")
    headers = []
    for line in lines[:MAX_LINES]:
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t").lower()
        if colon and re.fullmatch(rb"[a-z0-9.!%*_+`'~-]+", name):
            headers.append((_LONG.get(name, name), value.strip(b" \t")))
    return Head(start, tuple(headers))


def split_outside_quotes(value: bytes, separator: int, *, angles: bool = False) -> list[bytes]:
    """Split at a byte where it stands outside quoted strings, character by character; the pieces are stripped.

    With `angles`, what stands inside <> is not split either.
    """
    pieces, quoted, escaped, inside = [bytearray()], False, False, False
    for char in value:
        if char == separator and not quoted and not inside:
            pieces.append(bytearray())
            continue
        pieces[-1].append(char)
        if char == ord('"') and not escaped:
            quoted = not quoted
        elif angles and not quoted and char in b"<>":
            inside = char == ord("<")
        escaped = quoted and char == ord("\\") and not escaped
    return [bytes(piece).strip(b" \t") for piece in pieces]


def without_stamp(via: bytes) -> list[bytes]:
    """The parts of one Via without those that a server writes into it (received, rport), and without empty ones."""
    sent_by, *params = split_outside_quotes(via, ord(";"))
    named = [(param.partition(b"=")[0].rstrip(b" \t").lower(), param) for param in params if param]
    return [sent_by, *(param for name, param in named if name not in (b"received", b"rport"))]
