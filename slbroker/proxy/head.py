"""A message's head as lines that can be changed one by one, while all others stay byte for byte as they came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker.errors import Drop, Reject
from slbroker.sip.address import parse_address_list
from slbroker.sip.grammar import GAP, MAX_HEADERS, canonical_name, canonical_names, unfold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker.sip.address import Address
    from slbroker.sip.message import Message

CRLF: Final = b"\r\n"
START: Final = b""  # the name of the start line, and of what is no header (RFC 3261 8.2.2: ignored, and passed on)

# The usual ones, with the colon.
_NAMES: Final = {name + b":": canonical for name, canonical in canonical_names.items()}


class Head:
    """The start line and the headers of a message, and what stands behind the empty line, which is not cut to length.

    `lines` are without their CRLF; a header that goes on over lines is one of them, its line ends inside. `names` are
    canonical, one for each line, START where there is none.
    """

    __slots__ = ("lines", "names", "rest")

    def __init__(self, lines: list[bytes], names: list[bytes], rest: bytes) -> None:
        self.lines = lines
        self.names = names
        self.rest = rest

    @classmethod
    def cut(cls, data: bytes) -> Head:
        """Cut a message, each byte of its head looked at once; names are read exactly as `scan` reads them.

        Raises Drop as `scan` does, and Drop("bad-reply") for what no parser has seen and would have refused.
        """
        if data[:1] <= b" ":
            data = data.lstrip(GAP)
        head, empty_line, rest = data.partition(b"\r\n\r\n")
        lines = head.split(CRLF)
        breaks = len(lines) - 1
        if head.count(b"\n") != breaks or head.count(b"\r") != breaks:
            raise Drop("bare-crlf")
        if b"\r\n " in head or b"\r\n\t" in head:
            lines = _refold(lines)
        if not empty_line or len(lines) > MAX_HEADERS + 1:
            raise Drop("bad-reply")
        known = _NAMES.get
        names = [known(line[: line.find(b":") + 1]) or _name_of(line) for line in lines]
        names[0] = START
        return cls(lines, names, rest)

    @classmethod
    def of(cls, data: bytes, message: Message) -> Head:
        """Cut a request of which `parse` has made `message`: its names are known, unless it has lines that are none."""
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.split(CRLF)
        names = message.headers[::2]
        if len(lines) != len(names) + 1:  # lines that go on, or are no header
            return cls.cut(data)
        return cls(lines, [START, *names], rest)

    def copy(self) -> Head:
        """Return another head of the same lines."""
        return Head(self.lines.copy(), self.names.copy(), self.rest)

    def join(self, body: bytes) -> bytes:
        """Return the message."""
        return b"%b\r\n\r\n%b" % (CRLF.join(self.lines), body)

    def find(self, name: bytes) -> int:
        """Return where the first header called `name` stands, or -1."""
        return self.names.index(name) if name in self.names else -1

    def first(self, name: bytes) -> bytes:
        """Return the value of the first header called `name`, b"" where there is none."""
        return value_of(self.lines[self.names.index(name)]) if name in self.names else b""

    def find_all(self, name: bytes) -> list[int]:
        """Return where the headers called `name` stand."""
        return [at for at, other in enumerate(self.names) if other == name] if name in self.names else []

    def insert(self, at: int, name: bytes, line: bytes) -> None:
        """Put a line before the one at `at`."""
        self.lines.insert(at, line)
        self.names.insert(at, name)

    def append(self, name: bytes, line: bytes) -> None:
        """Put a line behind all others."""
        self.lines.append(line)
        self.names.append(name)

    def tell_length(self, body: bytes) -> None:
        """Put a Content-Length in where there is none, for a stream (RFC 3261 18.3)."""
        found = self.find_all(b"content-length")
        if not found:
            self.append(b"content-length", b"Content-Length: %d" % len(body))
        for at in found:
            if not value_of(self.lines[at]):  # which the parser takes for none
                self.lines[at] = with_value(self.lines[at], b"%d" % len(body))

    def delete(self, at: int) -> None:
        """Take a line away."""
        del self.lines[at], self.names[at]


def _name_of(line: bytes) -> bytes:
    name, colon, _ = line.partition(b":")
    return canonical_name(unfold(b" ", name)) if colon else START


def _refold(lines: list[bytes]) -> list[bytes]:
    """Return the lines with those that go on behind a line end joined to it (RFC 3261 7.3.1)."""
    whole: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and whole:
            whole[-1] += CRLF + line
        else:
            whole.append(line)
    return whole


def value_of(line: bytes) -> bytes:
    """Return a header's value, unfolded, without white space around it: what `scan` makes of it."""
    value = line.partition(b":")[2]
    if b"\n" in value:
        value = unfold(b" ", value)
    return value.strip(b" \t")


def with_value(line: bytes, value: bytes) -> bytes:
    """Return a header's line with another value; the name, and the white space before the value, stay."""
    name, colon, old = line.partition(b":")
    space = old[: len(old) - len(old.lstrip(b" \t"))]
    return b"%b%b%b%b" % (name, colon, space, value)


def flat(line: bytes) -> bytes:
    """Return a line in which each line end is two spaces: unfolded, and every byte where it was."""
    return line.replace(CRLF, b"  ") if b"\n" in line else line


def elements(line: bytes) -> Iterator[tuple[int, int, Address]]:
    """Yield the addresses of a header such as Route, each with where it begins and ends in the line.

    Raises Reject(400, reason) as `parse_address_list` does.
    """
    whole = flat(line)
    at = whole.index(b":") + 1
    addresses = parse_address_list(whole[at:])
    if any(address.wildcard for address in addresses):
        raise Reject(400, "Bad Address")
    for address in addresses:
        start = whole.index(address.raw, at)
        at = start + len(address.raw)
        yield start, at, address
