"""A turn's datagrams become requests, ACKs, and what is to be looked at one by one.

A request is parsed, judged, its Via stamped, packed for the bus: a `Reading`, in a `Job` that is on its way from here.
`_reader.pyx` does that in one pass for requests of the ordinary form; what it declines is done here.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from slbroker.bus.choice import ANY
from slbroker.bus.envelope import pack_request, unpack_request
from slbroker.bus.jobs import Job
from slbroker.errors import Drop, Reject
from slbroker.sip.grammar import COOKIE
from slbroker.sip.message import Message, Source
from slbroker.sip.parser import BadRequest, parse
from slbroker.sip.reading import Reading
from slbroker.sip.via import find_top, identity
from slbroker.sip.via import stamp as stamp_via
from slbroker.twins import compiled_or_pure
from slbroker_edge.repeats import request_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slbroker.sip.reading import Ack, Address
    from slbroker.sip.validate import Checks


_BRANCH: Final = b";branch=" + COOKIE

# What is to be looked at alone, behind so many of the turn's requests: a CANCEL, which a worker has to ask for; what is
# dropped, replies among it; what is refused. All have their bytes. And where it came from.
Alone: TypeAlias = tuple[int, Job | Drop | BadRequest, "Address"]
Turn: TypeAlias = tuple[list[Job], list["Ack"], list[Alone]]


def read(data: bytes, address: Address, listen: str, checks: Checks) -> Reading:
    """Read one message that came from `address` on the socket `listen`; raises Drop and BadRequest as `parse` does."""
    return read_with_key(data, address, listen, checks)[0]


def read_with_key(data: bytes, address: Address, listen: str, checks: Checks) -> tuple[Reading, int]:
    """Do as `read`; return what the request has in common with its repeats, too: 0 of an ACK."""
    message = parse(data, checks)
    if message.method == b"ACK":
        return _reading(message, b"", 0), 0
    headers, at = message.headers, find_top(message.headers)
    assert isinstance(headers, list)  # it has not crossed the bus yet
    key = repeat_key(message, headers[at], address[1])
    try:
        headers[at], reply_port = stamp(headers[at], address, listen, strict=checks.via)
    except Reject as reject:
        raise BadRequest(reject.status, reject.reason, message) from None
    return _reading(message, pack_request(message, Source(address[0], address[1], listen)), reply_port), key


def repeat_key(message: Message, via: bytes, port: int) -> int:
    """Return a number that a request has in common with its repeats, and with few others.

    `via` is its top Via as it came, `port` that of its source. Where that has the branch of an RFC 3261 client
    (8.1.1.7), the number is made of it; it is found as it stands nearly always, since `is_repeat` looks closely.
    """
    at = via.find(_BRANCH) + len(b";branch=")
    end = via.find(b";", at)
    branch = via[at:] if end < 0 else via[at:end]
    is_unique = at >= len(b";branch=") and len(branch) > len(COOKIE)
    parts = (message.call_id, branch) if is_unique else (message.call_id, via, message.uri)
    return request_key(parts, message.cseq, port)


def is_repeat(job: Job, other: Job) -> bool:
    """Return whether two jobs are of one request: what RFC 3261 17.2.3 compares, and what it takes for granted."""
    one, two = job.reading, other.reading
    if (one.method, one.call_id, one.cseq) != (two.method, two.call_id, two.cseq):
        return False
    if job.reply_to != other.reply_to or job.listener != other.listener:
        return False
    return one.packed == two.packed or _transaction(one.packed) == _transaction(two.packed)


def _transaction(packed: bytes) -> tuple[object, ...]:
    """Return sent-by, branch and source; without a branch of RFC 3261 all of the Via, the Request-URI and the tags."""
    message, source = unpack_request(packed)
    sent_by, branch = identity(message.first(b"via") or b"")
    rest = () if branch else (message.uri, message.from_tag, message.to_tag)
    return source, sent_by, branch, *rest


def read_ack(data: bytes, address: Address, listen: str, checks: Checks, method: bytes = b"ACK") -> Reading:
    """Read an ACK that workers are to have, as `method`; its Via stays as it came, since nobody answers it."""
    message = parse(data, checks)._replace(method=method)
    return _reading(message, pack_request(message, Source(address[0], address[1], listen)), 0)


def _reading(message: Message, packed: bytes, reply_port: int) -> Reading:
    return Reading(
        method=message.method, uri=message.uri, call_id=message.call_id, from_tag=message.from_tag,
        to_tag=message.to_tag, cseq=message.cseq, packed=packed, reply_port=reply_port,
    )  # fmt: skip


def stamp_message(message: Message, address: Address, listen: str) -> int:
    """Stamp the top Via of a message that has not crossed the bus yet, in place; do as `stamp`."""
    headers, at = message.headers, find_top(message.headers)
    assert isinstance(headers, list)
    headers[at], reply_port = stamp(headers[at], address, listen)
    return reply_port


def stamp(via: bytes, address: Address, listen: str, *, strict: bool = False) -> tuple[bytes, int]:
    """Return the top Via with its stamps, and the port to answer to; raise Drop when there is no such place.

    The request came in on the socket `listen`. Else as `sip.via.stamp`.
    """
    host, port = address[0], address[1]
    if not is_answerable(host, port):
        raise Drop("source")
    return stamp_via(via, host, port, strict=strict, connected=not listen.startswith("udp:"))


def is_answerable(host: str, port: int) -> bool:
    """Return whether a packet's source is one peer's: not multicast, broadcast or unspecified, nor port 0."""
    return bool(port) and _is_unicast(host)


@lru_cache(maxsize=4_096)
def _is_unicast(host: str) -> bool:
    address = ipaddress.ip_address(host)
    return not (address.is_multicast or address.is_unspecified or host == "255.255.255.255")


def reply_address(address: Address, reply_port: int) -> Address:
    """Return where a reply goes: to the source's host, at the port that the Via names."""
    if reply_port == address[1]:
        return address
    return (address[0], reply_port) if len(address) == 2 else (address[0], reply_port, address[2], address[3])


@compiled_or_pure("slbroker_edge._reader")
def read_turn(datagrams: Iterable[tuple[bytes, Address]], listener: Any, checks: Checks) -> Turn:
    """Read what came to `listener` in one turn: return its requests, its ACKs, and what is to be looked at alone.

    Each in the order in which they came; jobs have `ANY` for a choice. No message raises anything.
    """
    jobs: list[Job] = []
    acks: list[Ack] = []
    alone: list[Alone] = []
    for data, address in datagrams:
        try:
            reading, key = read_with_key(data, address, listener.name, checks)
        except (Drop, BadRequest) as fault:
            fault.__context__ = None  # nor a traceback: both lead to frames, and those back here
            fault.data = data
            alone.append((len(jobs), fault.with_traceback(None), address))
            continue
        if reading.method == b"ACK":
            acks.append((reading, data, address))
            continue
        job = Job(reading, b"", ANY, len(data), listener, reply_address(address, reading.reply_port), key, data)
        if reading.method == b"CANCEL":
            job.asks = b"CANCEL"
            alone.append((len(jobs), job, address))
        else:
            jobs.append(job)
    return jobs, acks, alone
