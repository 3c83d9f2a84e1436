"""HEP3, the packets that Homer collects: "HEP3", a length, then chunks of vendor, type, length, value.

The chunks stand in the order in which captagent and sngrep write them, and not in that of Kamailio's siptrace: sngrep
reads the first ten by their places, takes what follows the addresses for the payload (or for a password, where it is
told one), and looks at nothing behind that. So the Call-ID is last. Other collectors go by the types.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from slbroker_edge.capture.messages import End, Seen

MAX_PACKET: Final = 65_507  # bytes: what an IPv4 datagram carries; the length has room for 65,535
MAX_CALL_ID: Final = 1_024  # bytes of a correlation; what is longer is nobody's call

# Of the generic vendor 0.
FAMILY, PROTOCOL, SOURCE4, TARGET4, SOURCE6, TARGET6, SOURCE_PORT, TARGET_PORT = range(1, 9)
SECONDS, MICROSECONDS, KIND, CAPTURE_ID, KEEPALIVE, AUTH, PAYLOAD = range(9, 16)
CORRELATION: Final = 17

SIP: Final = 1  # in KIND
_FAMILIES: Final = {4: 2, 16: 10}  # AF_INET and AF_INET6, as Linux has them, by the length of an address
# IANA's protocol numbers; what has none is 22 (XNS IDP) by Kamailio's convention, which Homer shows as TLS.
PROTOCOLS: Final = {"udp": 17, "tcp": 6, "tls": 22, "ws": 22, "wss": 22}

_CHUNK: Final = struct.Struct("!HHH")
_HEAD: Final = struct.Struct("!4sH30s6sI6sI")  # "HEP3", length, FAMILY to TARGET_PORT, SECONDS, MICROSECONDS
_LENGTH: Final = struct.Struct("!H")
_FOUR: Final = _CHUNK.size + 4
_SECONDS, _MICROSECONDS = (_CHUNK.pack(0, kind, _FOUR) for kind in (SECONDS, MICROSECONDS))
_BEGINS: Final = {kind: struct.pack("!HH", 0, kind) for kind in (PAYLOAD, CORRELATION)}  # vendor and type
MOST_FRAMES: Final = 16_384  # that are remembered: what is the same in all packets between two ends


def chunk(kind: int, value: bytes) -> bytes:
    """Return one chunk of the generic vendor."""
    return _CHUNK.pack(0, kind, _CHUNK.size + len(value)) + value


@lru_cache(maxsize=MOST_FRAMES)
def _frame(transport: str, source: End, target: End, capture_id: int, auth: bytes) -> tuple[bytes, bytes, int]:
    """Return what comes before the time, and behind it up to the payload's length; and how long that may be."""
    is_six = len(source.address) == 16
    before = b"".join([
        chunk(FAMILY, bytes((_FAMILIES[len(source.address)],))), chunk(PROTOCOL, bytes((PROTOCOLS[transport],))),
        chunk(SOURCE_PORT, _LENGTH.pack(source.port)), chunk(TARGET_PORT, _LENGTH.pack(target.port)),
    ])  # fmt: skip
    behind = b"".join([
        chunk(KIND, bytes((SIP,))), chunk(CAPTURE_ID, capture_id.to_bytes(4, "big")),
        chunk(SOURCE6 if is_six else SOURCE4, source.address), chunk(TARGET6 if is_six else TARGET4, target.address),
        chunk(AUTH, auth) if auth else b"", _BEGINS[PAYLOAD],
    ])  # fmt: skip
    return before, behind, MAX_PACKET - _HEAD.size - len(behind) - _LENGTH.size


def encode(seen: Seen, call_id: bytes = b"", capture_id: int = 0, auth: bytes = b"") -> bytes | None:
    """Return the packet for a message; None where that is longer than a datagram carries.

    Both ends are of one family. `call_id` correlates it, `capture_id` says who has captured it, in 32 bits, `auth` is
    the key that a collector may want.
    """
    transport, source, target, at, data = seen
    before, behind, left = _frame(transport, source, target, capture_id, auth)
    size, more = len(data), _CHUNK.size + len(call_id)
    if size > left:
        return None
    if not call_id or more > left - size or len(call_id) > MAX_CALL_ID:
        call_id, more = b"", 0
    total = _HEAD.size + len(behind) + _LENGTH.size + size + more
    seconds, microseconds = divmod(at, 1_000_000)
    head = _HEAD.pack(b"HEP3", total, before, _SECONDS, seconds & 0xFFFFFFFF, _MICROSECONDS, microseconds)
    ends = (_BEGINS[CORRELATION], _LENGTH.pack(more), call_id) if more else ()
    return b"".join((head, behind, _LENGTH.pack(_CHUNK.size + size), data, *ends))
