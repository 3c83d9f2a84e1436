"""HEP3, the packets that Homer collects: "HEP3", a length, then chunks of vendor, type, length, value.

The chunks stand in the order in which captagent and sngrep write them, and not in that of Kamailio's siptrace: sngrep
reads the first ten by their places, takes what follows the addresses for the payload (or for a password, where it is
told one), and looks at nothing behind that. So the Call-ID is last. Other collectors go by the types.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from slbroker_edge.capture.messages import Seen

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

_HEAD: Final = struct.Struct("!4sH")
_CHUNK: Final = struct.Struct("!HHH")
# FAMILY, PROTOCOL, both ports, both times, KIND, CAPTURE_ID: a chunk's header before each value.
_FIXED: Final = struct.Struct("!" + "6sB" * 2 + "6sH" * 2 + "6sI" * 2 + "6sB" + "6sI")
_HEADS: Final = tuple(
    _CHUNK.pack(0, kind, _CHUNK.size + size)
    for kind, size in (
        (FAMILY, 1), (PROTOCOL, 1), (SOURCE_PORT, 2), (TARGET_PORT, 2), (SECONDS, 4), (MICROSECONDS, 4), (KIND, 1),
        (CAPTURE_ID, 4),
    )
)  # fmt: skip


def chunk(kind: int, value: bytes) -> bytes:
    """Return one chunk of the generic vendor."""
    return _CHUNK.pack(0, kind, _CHUNK.size + len(value)) + value


def encode(seen: Seen, call_id: bytes = b"", capture_id: int = 0, auth: bytes = b"") -> bytes | None:
    """Return the packet for a message; None where that is longer than a datagram carries.

    Both ends are of one family. `call_id` correlates it, `capture_id` says who has captured it, in 32 bits, `auth` is
    the key that a collector may want.
    """
    source, target = seen.source, seen.target
    is_six = len(source.address) == 16
    seconds, microseconds = divmod(seen.at, 1_000_000)
    heads = _HEADS
    parts = [
        _FIXED.pack(
            heads[0], _FAMILIES[len(source.address)], heads[1], PROTOCOLS[seen.transport], heads[2], source.port,
            heads[3], target.port, heads[4], seconds & 0xFFFFFFFF, heads[5], microseconds, heads[6], SIP, heads[7],
            capture_id,
        ),
        chunk(SOURCE6 if is_six else SOURCE4, source.address),
        chunk(TARGET6 if is_six else TARGET4, target.address),
    ]  # fmt: skip
    if auth:
        parts.append(chunk(AUTH, auth))
    left = MAX_PACKET - _HEAD.size - sum(map(len, parts)) - _CHUNK.size
    if len(seen.data) > left:
        return None
    parts.append(chunk(PAYLOAD, seen.data))
    if call_id and len(call_id) <= min(MAX_CALL_ID, left - len(seen.data) - _CHUNK.size):
        parts.append(chunk(CORRELATION, call_id))
    body = b"".join(parts)
    return _HEAD.pack(b"HEP3", _HEAD.size + len(body)) + body
