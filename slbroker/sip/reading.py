"""A request as the edge keeps it: what it looks at itself, and the whole as it goes to the workers."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeAlias

# What the kernel calls a peer: (host, port) for IPv4, (host, port, flow, scope) for IPv6.
Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int]


class Dialog(Protocol):
    """What tells one request from another (RFC 3261 12); `cseq` is the number alone."""

    @property
    def call_id(self) -> bytes: ...  # noqa: D102 - a header's value
    @property
    def from_tag(self) -> bytes: ...  # noqa: D102 - b"" where there is none
    @property
    def to_tag(self) -> bytes: ...  # noqa: D102 - b"" where there is none
    @property
    def cseq(self) -> int: ...  # noqa: D102


class Reading(NamedTuple):
    """A request that has been read and judged."""

    method: bytes
    uri: bytes
    call_id: bytes
    from_tag: bytes
    to_tag: bytes
    cseq: int
    packed: bytes  # message and source for the bus (`bus.envelope.pack_request`); b"" of an ACK, which few workers want
    reply_port: int  # where the top Via wants the reply over UDP (RFC 3261 18.2.2, RFC 3581); 0 of an ACK


# A reading of an ACK, the datagram, and where it came from.
Ack: TypeAlias = tuple[Reading, bytes, Address]
