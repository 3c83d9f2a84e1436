"""The pcap file format, as tcpdump, Wireshark and sngrep read it: IP packets without a link layer."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAGIC: Final = 0xA1B2C3D4  # written as this machine has it, which tells readers its byte order; microseconds
_VERSION: Final = (2, 4)
SNAPLEN: Final = 262_144  # bytes of a packet at most; no packet of ours has as many
LINKTYPE_RAW: Final = 101  # begins with an IPv4 or IPv6 header
HEADER: Final = struct.pack("=IHHiIII", _MAGIC, *_VERSION, 0, 0, SNAPLEN, LINKTYPE_RAW)
_RECORD: Final = struct.Struct("=IIII")


def records(packets: Iterable[bytes], at: int) -> bytes:
    """Return the records of packets that passed at a time, in microseconds since 1970."""
    seconds, microseconds = divmod(at, 1_000_000)
    seconds &= 0xFFFFFFFF
    return b"".join([_RECORD.pack(seconds, microseconds, len(each), len(each)) + each for each in packets])
