"""The innermost functions in pure Python: the definition that `compiled` has to match."""

from __future__ import annotations

import hashlib
import re
import struct
from hmac import compare_digest
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from slbroker.errors import Drop
from slbroker.sip.grammar import MAX_DATAGRAM, MAX_HEADERS, canonical_name, canonical_names, unfold

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from slbroker.sip.message import Message, Source
    from slbroker.sip.reading import Reading

# What the kernel calls a peer: (host, port) for IPv4, (host, port, flow, scope) for IPv6.
Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
# Start line, flat headers, first value of each header, body, and what is wrong ("" when nothing is).
Scanned: TypeAlias = tuple[bytes, list[bytes], dict[bytes, bytes], bytes, str]

# RFC 3261 8.2.6.2: these are echoed, in the request's own order, under their long names.
_ECHOED: Final[dict[bytes, bytes]] = {
    b"via": b"\r\nVia: ",
    b"from": b"\r\nFrom: ",
    b"to": b"\r\nTo: ",
    b"call-id": b"\r\nCall-ID: ",
    b"cseq": b"\r\nCSeq: ",
}
_ECHOED_BY_100: Final = _ECHOED | {b"timestamp": b"\r\nTimestamp: "}  # RFC 3261 8.2.6.1
_ECHOED_BY_DIALOG: Final = _ECHOED | {b"record-route": b"\r\nRecord-Route: "}  # RFC 3261 12.1.1

_pack = struct.Struct(">I").pack
# A quote tells of a value that was cut in two; controls are in no name that anybody means.
_is_cut = re.compile(rb'["\x00-\x08\x0a-\x1f\x7f]').search

# Linux's control messages, level and type: IPPROTO_IP and IP_PKTINFO (ip(7)), IPPROTO_IPV6 and IPV6_PKTINFO (RFC 3542).
PKTINFO: Final = (0, 8)
PKTINFO6: Final = (41, 50)
_CONTROL_ROOM: Final = 64  # bytes: one of either is 40 at most
_PKTINFO: Final = struct.Struct("=I4s4s")  # struct in_pktinfo: interface, our address, the header's
_PKTINFO6: Final = struct.Struct("=16sI")  # struct in6_pktinfo: address, interface
MAPPED: Final = b"\x00" * 10 + b"\xff\xff"  # RFC 4291 2.5.5.2: before an IPv4 address

MISSING_EMPTY_LINE = "Missing Empty Line After Headers"
TOO_MANY_HEADERS = "Too Many Headers"
BAD_HEADER_LINE = "Bad Header Line"


def scan(data: bytes) -> Scanned:
    """Cut a message into start line, headers and body (RFC 3261 7), reading each byte of the head once.

    A fault does not end the scan: what could be read is needed to answer with 400. Raises Drop("bare-crlf") when the
    head holds a CR or LF outside a CRLF: echoed into a reply it would begin a line of its own.
    """
    head, empty_line, body = data.partition(b"\r\n\r\n")
    fault = "" if empty_line else MISSING_EMPTY_LINE
    if b"\r\n " in head or b"\r\n\t" in head:
        head = unfold(b" ", head)
    lines = head.split(b"\r\n")
    breaks = len(lines) - 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks:
        raise Drop("bare-crlf")
    start = lines[0]
    del lines[0]
    if breaks > MAX_HEADERS:
        fault = TOO_MANY_HEADERS
        del lines[MAX_HEADERS:]
    headers: list[bytes] = []
    first: dict[bytes, bytes] = {}
    known = canonical_names.get
    for line in lines:
        name, colon, value = line.partition(b":")
        canonical = known(name) or canonical_name(name)
        if not canonical or not colon:
            # RFC 3261 8.2.2: what is malformed and not needed is ignored.
            if _is_cut(name):
                fault = fault or BAD_HEADER_LINE
            continue
        value = value.strip(b" \t")
        headers += (canonical, value)
        first.setdefault(canonical, value)
    return start, headers, first, body, fault


def read_ordinary(_data: bytes, _address: Address, _listen: str) -> Reading | None:
    """Return the reading of an ordinary request, or None where it takes the whole grammar: that is always, here.

    A twin may read what it likes, if only it reads it as `slbroker_edge.reader.read` does.
    """
    return None


class Item(NamedTuple):
    """A request on the bus: the edge's id for it, what was read, where it came from.

    A twin makes `message` and `source` when they are asked for, which few handlers of an OPTIONS do.
    """

    number: int
    message: Message
    source: Source

    @property
    def method(self) -> bytes:
        """Return the request's method."""
        return self.message.method

    def reply(self, line: bytes, tail: bytes, mac: Mac) -> bytes:
        """Return a reply: status line, what `join_reply` echoes, a To-tag of `mac` where one is due, and `tail`.

        Raises ValueError for a line whose status is not to be read.
        """
        message, status = self.message, int(line[8:11])
        has_tag = status <= 100 or message.to_tag  # RFC 3261 8.2.6.2: a 100 needs none
        tag = b"" if has_tag else mac.tag(message.call_id, message.from_tag, message.cseq)
        return join_reply(line, tuple(message.headers), status, tag, tail)

    def keep(self) -> None:
        """Hold no more than this request: it is answered later than the rest of its batch, whose bytes may go."""


def unpack_requests(_body: bytes, _most: int) -> list[Item] | None:
    """Return the items of a batch of requests, or None where `envelope.decode_requests` has to look: always, here.

    A twin may unpack what has the usual form, and no array longer than `most`.
    """
    return None


def join_reply(line: bytes, headers: Sequence[bytes], status: int, tag: bytes, tail: bytes) -> bytes:
    """Return a reply: status line, the headers that a reply of that `status` echoes, and `tail` (RFC 3261 8.2.6).

    `headers` are the request's, names and values in turn; `tag` goes into To unless it is b"".
    """
    echoed = _ECHOED if status >= 300 else _ECHOED_BY_DIALOG if status > 100 else _ECHOED_BY_100
    parts = [line]
    flat = iter(headers)
    for name, value in zip(flat, flat, strict=True):
        prefix = echoed.get(name)
        if prefix is not None:
            parts += (prefix, value)
            if tag and name == b"to":
                parts += (b";tag=", tag)
    parts.append(tail)
    return b"".join(parts)


class Mac:
    """A keyed hash over what a request has in common with its repetitions and its ACK: BLAKE2b, 96 bits.

    As a tag it has `prefix` before its 24 hex digits.
    """

    __slots__ = ("_keyed", "_prefix")

    def __init__(self, secret: bytes, person: bytes, prefix: bytes = b"") -> None:
        """`secret` has 32 bytes, `person` at most 16: the same secret used elsewhere gives other hashes.

        Raises ValueError for other sizes, and for a prefix longer than 16 bytes.
        """
        if len(secret) != 32 or len(person) > 16 or len(prefix) > 16:
            raise ValueError("a secret has 32 bytes, a personalisation and a prefix have 16 at most")
        # The hash with the key already in it; a copy costs a tenth of keying anew.
        self._keyed = hashlib.blake2b(key=secret, digest_size=12, person=person)
        self._prefix = prefix

    def tag(self, call_id: bytes, from_tag: bytes, cseq: int) -> bytes:
        """Return the prefix and the MAC of Call-ID, From tag and CSeq number; the texts go in behind their lengths.

        Raises ValueError when `cseq` is not within 0 to 2**32 - 1.
        """
        state = self._keyed.copy()
        try:
            # One concatenation and one update: this runs once a reply, and is most of its cost.
            state.update(b"%b%b%b%b%b" % (_pack(len(call_id)), call_id, _pack(len(from_tag)), from_tag, _pack(cseq)))
        except struct.error:
            raise ValueError(f"CSeq number {cseq} is not within 0 to {2**32 - 1}") from None
        return self._prefix + state.hexdigest().encode()

    def matches(self, tag: bytes, call_id: bytes, from_tag: bytes, cseq: int) -> bool:
        """Return whether `tag` is theirs, in a time that tells nothing about the right one; raises as `tag` does."""
        return compare_digest(tag, self.tag(call_id, from_tag, cseq))


def receive_batch(sock: socket.socket, limit: int) -> list[tuple[bytes, Address]]:
    """Take up to `limit` datagrams that are waiting on a non-blocking UDP socket; [] when none is.

    An ICMP error that the kernel reports on the socket (ConnectionRefusedError and the like) ends the batch, no more.
    """
    batch: list[tuple[bytes, Address]] = []
    try:
        while len(batch) < limit:
            batch.append(sock.recvfrom(MAX_DATAGRAM))
    except OSError:  # BlockingIOError: drained; else an old reply's ICMP error, already consumed by this read
        pass
    return batch


def send_batch(sock: socket.socket, items: Sequence[tuple[bytes, Address]]) -> int:
    """Send datagrams, each to its address; return how many the kernel took.

    A datagram that the kernel refuses (unreachable, too long, no buffer space) is passed over: UDP promises no more.
    """
    sent = 0
    for data, address in items:
        try:
            sock.sendto(data, address)
        except OSError:
            continue
        sent += 1
    return sent


def receive_asked(sock: socket.socket, limit: int) -> list[tuple[bytes, list[tuple[bytes, Address]]]]:
    """Take datagrams as `receive_batch` does, sorted by the address of ours that was asked.

    For sockets on all addresses, with IP_PKTINFO or IPV6_RECVPKTINFO set. An address is what `send_asked` wants,
    struct in_pktinfo or in6_pktinfo; b"" where a reply cannot leave from it, as from multicast addresses.
    """
    found: dict[bytes, list[tuple[bytes, Address]]] = {}
    known: dict[tuple[tuple[int, int, bytes], ...], list[tuple[bytes, Address]]] = {}
    try:
        for _ in range(limit):
            data, control, _flags, address = sock.recvmsg(MAX_DATAGRAM, _CONTROL_ROOM)
            batch = known.get(tuple(control))
            if batch is None:
                batch = known[tuple(control)] = found.setdefault(_asked(control), [])
            batch.append((data, address))
    except OSError:  # as in `receive_batch`
        pass
    return list(found.items())


def _asked(control: Sequence[tuple[int, int, bytes]]) -> bytes:
    """Return what control messages say was asked, in the form that has a reply leave from there.

    The interface is left to the routes, except for link-local addresses, which each link has anew.
    """
    for level, kind, info in control:
        if (level, kind) == PKTINFO and len(info) >= _PKTINFO.size:
            ours = _PKTINFO.unpack_from(info)[1]
            return _PKTINFO.pack(0, ours, b"") if any(ours) else b""
        if (level, kind) == PKTINFO6 and len(info) >= _PKTINFO6.size:
            ours, interface = _PKTINFO6.unpack_from(info)
            if not any(ours) or ours[0] == 0xFF or (ours[:12] == MAPPED and ours[12] >= 224):
                return b""
            is_link_local = ours[0] == 0xFE and ours[1] & 0xC0 == 0x80
            return _PKTINFO6.pack(ours, interface if is_link_local else 0)
    return b""


def send_asked(sock: socket.socket, items: Sequence[tuple[bytes, Address]], asked: bytes) -> int:
    """Send datagrams as `send_batch` does, from the address that was asked; one that is gone is as a refusal."""
    if not asked:
        return send_batch(sock, items)
    if len(asked) not in (_PKTINFO.size, _PKTINFO6.size):
        raise ValueError("this is no address that receive_asked gave")
    control = [(*(PKTINFO if len(asked) == _PKTINFO.size else PKTINFO6), asked)]
    sent = 0
    for data, address in items:
        try:
            sock.sendmsg([data], control, 0, address)
        except OSError:
            continue
        sent += 1
    return sent
