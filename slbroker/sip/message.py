"""The request as the edge read it: one canonical reading, made once, that every worker sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from slbroker.sip.grammar import title

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def pairs(headers: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and value of headers that are flat: name, value, name, value."""
    flat = iter(headers)
    return zip(flat, flat, strict=True)


class Message(NamedTuple):
    """A parsed SIP request; all bytes, as they came.

    `headers` is flat: name, value, name, value, ... in the order of arrival; names canonical (long form, lower case),
    values unfolded and without the white space around them. It is flat because it crosses the bus as it stands.
    The four dialog fields are the edge's reading of From, To, Call-ID and CSeq; nothing behind it reads them again.
    """

    method: bytes
    uri: bytes
    headers: Sequence[bytes]
    body: bytes
    call_id: bytes
    from_tag: bytes
    to_tag: bytes
    cseq: int

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield (canonical name, value) in order."""
        return pairs(self.headers)

    def first(self, name: bytes) -> bytes | None:
        """Return the value of the first header called `name` (canonical), or None."""
        names = self.headers[::2]
        return self.headers[2 * names.index(name) + 1] if name in names else None

    def all(self, name: bytes) -> list[bytes]:
        """Return the values of every header called `name` (canonical), in order."""
        if name not in self.headers:  # as most are not; a value may read so, too
            return []
        return [value for candidate, value in self.pairs() if candidate == name]


def write_request(method: bytes, uri: bytes, headers: Sequence[bytes], body: bytes) -> bytes:
    """Return a request written out again, header names in full: what the parser reads as the same message."""
    lines = [b"%b: %b" % (title(name), value) for name, value in pairs(headers)]
    return b"\r\n".join((b"%b %b SIP/2.0" % (method, uri), *lines, b"", body))


class Source(NamedTuple):
    """Where a request came from, as handlers see it; the address to answer stays at the edge.

    `host` is a numeric address without brackets, `listen` the edge's address that was asked, in Kamailio's
    form, "udp:127.0.0.1:5060"; not 0.0.0.0 or [::], unless the request came by multicast. Where peers are told
    of another address, that stands behind it: "udp:10.0.0.1:5060 advertise 203.0.113.5:5060".
    """

    host: str
    port: int
    listen: str

    @property
    def asked(self) -> str:
        """Return the address that was asked: "udp:10.0.0.1:5060"."""
        return self.listen.partition(" ")[0]

    @property
    def advertised(self) -> str:
        """Return where peers reach that, "203.0.113.5:5060": its own host and port where nothing else is set."""
        return self.listen.rpartition(" ")[2] if " " in self.listen else self.listen.partition(":")[2]

    @property
    def transport(self) -> str:
        """Return "udp", "tcp", "tls", "ws" or "wss"."""
        return self.listen.partition(":")[0]
