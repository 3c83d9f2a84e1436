"""Where a reply to a request goes, by the request's top Via (RFC 3261 18.2.2, RFC 3581 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from slbroker.listen import default_port
from slbroker.proxy.flow import Flow, listener_id
from slbroker.sip.networks import read_host
from slbroker.sip.via import read_port

if TYPE_CHECKING:
    from slbroker.sip.message import Source


class Arrival(NamedTuple):
    """How a request came: from where, and on which connection, as `flow.Flow` names it; b"" over UDP."""

    source: Source
    connection: bytes = b""


def return_flow(arrival: Arrival, reply_port: int) -> Flow:
    """Return where a reply goes: on the connection; else to the source's host, at `reply_port`.

    That port is what `via.stamp` found, or `sent_by_port` where there is a connection. So it is what 18.2.2 finds in a
    Via that the server has stamped, but for maddr, which is not followed: it would let anybody have us send to whom he
    likes. It is taken from the request and signed; what the Via below ours says in the reply no longer counts.
    """
    source = arrival.source
    return Flow(source.transport, listener_id(source.listen), source.host, reply_port, arrival.connection)


def sent_by_port(sent_by: bytes, transport: str) -> int:
    """Return the port that a client's sent-by names, for a new connection where its own is gone (18.2.2)."""
    host, _, digits = sent_by.rpartition(b":")
    is_host = host and (host[:1] == b"[" or b":" not in host)  # where IPv6 without brackets ends is a guess
    return (read_port(digits) if is_host else 0) or default_port(transport)


def is_same_host(one: str, other: str) -> bool:
    """Return whether two numeric addresses are the same, however they are written."""
    if one == other:
        return True
    try:
        return read_host(one) == read_host(other)
    except ValueError:
        return False
