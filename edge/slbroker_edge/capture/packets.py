"""A SIP message as an IP packet again, as it could have been on the wire: for files that tools read.

The edge has no packets: a stream has none, and of TLS and WebSocket what was inside is what people want to read. What
came by TCP becomes TCP segments, with numbers that follow each other, so that tools put them together. TLS and
WebSocket become UDP datagrams between the same ends: in a segment a tool would look for records, or for an HTTP upgrade
and frames, and show no SIP. Which transport it was stands in the Via, and in the port.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from slbroker_edge.capture.messages import End, Seen

MOST_FLOWS: Final = 65_536  # whose numbers are kept; those of the others begin anew
_TCP, _UDP = 6, 17
_IP4: Final = struct.Struct("!BBHHHBBH4s4s")
_IP6: Final = struct.Struct("!IHBB16s16s")
_TCP_HEAD: Final = struct.Struct("!HHIIBBHHH")
_UDP_HEAD: Final = struct.Struct("!HHHH")
_MOST: Final = 65_535  # bytes: the length field of IPv4, and that of IPv6, which leaves its header out
_TTL: Final = 64
_DONT_FRAGMENT: Final = 0x4000
_PUSH_ACK: Final = 0x18
_DATA_OFFSET: Final = 5 << 4


class Packets:
    """Makes packets; it keeps the numbers of TCP."""

    def __init__(self) -> None:
        self._sent: dict[tuple[End, End], int] = {}  # the next number in a direction
        self._number = 0  # of the packet: IPv4's identification

    def make(self, seen: Seen) -> list[bytes]:
        """Return the packets of a message: one, or more where TCP has too much for one.

        A datagram that is too long for UDP, which only a stream can have brought, is cut.
        """
        source, target, data = seen.source, seen.target, seen.data
        room = _MOST - (0 if len(source.address) == 16 else _IP4.size)
        if seen.transport == "tcp":
            most = room - _TCP_HEAD.size
            return [self._segment(source, target, data[at : at + most]) for at in range(0, len(data) or 1, most)]
        body = data[: room - _UDP_HEAD.size]
        head = _UDP_HEAD.pack(source.port, target.port, _UDP_HEAD.size + len(body), 0)
        total = checksum(_pseudo(source, target, _UDP, len(head) + len(body)) + head + body)
        head = _UDP_HEAD.pack(source.port, target.port, _UDP_HEAD.size + len(body), total)
        return [self._ip(source, target, _UDP, head + body)]

    def _segment(self, source: End, target: End, data: bytes) -> bytes:
        sent = self._sent
        if len(sent) >= MOST_FLOWS:
            sent.clear()
        number, seen = sent.get((source, target), 1), sent.get((target, source), 1)
        sent[source, target] = (number + len(data)) & 0xFFFFFFFF
        fields = (source.port, target.port, number, seen, _DATA_OFFSET, _PUSH_ACK, 0xFFFF)
        blank = _TCP_HEAD.pack(*fields, 0, 0)
        total = checksum(_pseudo(source, target, _TCP, len(blank) + len(data)) + blank + data)
        return self._ip(source, target, _TCP, _TCP_HEAD.pack(*fields, total, 0) + data)

    def _ip(self, source: End, target: End, protocol: int, body: bytes) -> bytes:
        if len(source.address) == 16:
            return _IP6.pack(6 << 28, len(body), protocol, _TTL, source.address, target.address) + body
        self._number = self._number + 1 & 0xFFFF
        length = _IP4.size + len(body)
        first, last = (0x45, 0, length, self._number, _DONT_FRAGMENT, _TTL, protocol), (source.address, target.address)
        return _IP4.pack(*first, checksum(_IP4.pack(*first, 0, *last)), *last) + body


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of data whose own is 0; it is never 0, which says none in UDP.

    The ones' complement sum of 16-bit words is the remainder of the whole as one number.
    """
    return 0xFFFF - int.from_bytes(data + b"\0" if len(data) & 1 else data, "big") % 0xFFFF


def _pseudo(source: End, target: End, protocol: int, length: int) -> bytes:
    """Return what a checksum covers besides (RFC 768, RFC 8200 8.1)."""
    return source.address + target.address + struct.pack("!II", protocol, length)
