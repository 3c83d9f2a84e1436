"""Taking and sending datagrams, many at a time."""

from __future__ import annotations

import errno
import struct
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from slbroker.sip.grammar import MAX_DATAGRAM
from slbroker.twins import compiled_or_pure

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from slbroker.sip.reading import Address

# Linux's control messages, level and type: IPPROTO_IP and IP_PKTINFO (ip(7)), IPPROTO_IPV6 and IPV6_PKTINFO (RFC 3542).
PKTINFO: Final = (0, 8)
PKTINFO6: Final = (41, 50)
_CONTROL_ROOM: Final = 64  # bytes: one of either is 40 at most
_PKTINFO: Final = struct.Struct("=I4s4s")  # struct in_pktinfo: interface, our address, the header's
_PKTINFO6: Final = struct.Struct("=16sI")  # struct in6_pktinfo: address, interface
_CMSGHDR: Final = struct.Struct("@Nii")  # struct cmsghdr: length with the data that follows, level, type
MAPPED: Final = b"\x00" * 10 + b"\xff\xff"  # RFC 4291 2.5.5.2: before an IPv4 address

# A socket that has ICMP errors told (`errorqueue`) says each once, as the failure of the call that comes next, whoever
# that is for; and that call sends nothing. So it is made again, so often at most: more errors may have come meanwhile.
TOLD: Final = frozenset((
    errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENOPROTOOPT, errno.EOPNOTSUPP,
    errno.EMSGSIZE, errno.EPROTO, errno.EACCES,
))  # fmt: skip
TRIES: Final = 8


def asked_of(control: Sequence[tuple[int, int, bytes]]) -> bytes:
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


def asked_for(host: str) -> bytes:
    """Return the address that has a datagram leave from a host of ours, numeric and of no link's own."""
    address = ip_address(host).packed
    return _PKTINFO.pack(0, address, b"") if len(address) == 4 else _PKTINFO6.pack(address, 0)


def control_of(asked: bytes) -> tuple[int, int, bytes]:
    """Return the control message that has a datagram leave from the address asked; raise ValueError for no such."""
    if len(asked) not in (_PKTINFO.size, _PKTINFO6.size):
        raise ValueError("this is no address that receive_asked gave")
    return *(PKTINFO if len(asked) == _PKTINFO.size else PKTINFO6), asked


def asked_in(control: bytes) -> bytes:
    """Do as `asked_of` for control messages as the kernel has written them, one behind the other."""
    found = []
    while len(control) >= _CMSGHDR.size:
        length, level, kind = _CMSGHDR.unpack_from(control)
        found.append((level, kind, control[_CMSGHDR.size : length]))
        control = control[_aligned(length) :]
    return asked_of(found)


def control_bytes(asked: bytes) -> bytes:
    """Return the message of `control_of` as the kernel reads it."""
    level, kind, data = control_of(asked)
    message = _CMSGHDR.pack(_CMSGHDR.size + len(data), level, kind) + data
    return message.ljust(_aligned(len(message)), b"\x00")


def _aligned(length: int) -> int:
    """Return where the next control message begins: behind a header at least, so that there is an end."""
    word = struct.calcsize("N")
    return max(_CMSGHDR.size, -(-length // word) * word)


@compiled_or_pure("slbroker_edge.transports._datagrams")
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


@compiled_or_pure("slbroker_edge.transports._datagrams")
def send_batch(sock: socket.socket, items: Sequence[tuple[bytes, Address]]) -> int:
    """Send datagrams, each to its address; return how many the kernel took.

    A datagram that the kernel refuses (unreachable, too long, no buffer space) is passed over: UDP promises no more.
    """
    return sum([_is_taken(sock, data, [], address) for data, address in items])


def _is_taken(sock: socket.socket, data: bytes, control: list[tuple[int, int, bytes]], address: Address) -> bool:
    """Send one datagram; return whether the kernel took it."""
    for _ in range(TRIES):
        try:
            sock.sendmsg([data], control, 0, address)
        except OSError as error:
            if error.errno not in TOLD:
                return False
        else:
            return True
    return False


@compiled_or_pure("slbroker_edge.transports._datagrams")
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
                batch = known[tuple(control)] = found.setdefault(asked_of(control), [])
            batch.append((data, address))
    except OSError:  # as in `receive_batch`
        pass
    return list(found.items())


@compiled_or_pure("slbroker_edge.transports._datagrams")
def send_asked(sock: socket.socket, items: Sequence[tuple[bytes, Address]], asked: bytes) -> int:
    """Send datagrams as `send_batch` does, from the address that was asked; one that is gone is as a refusal."""
    if not asked:
        return send_batch(sock, items)
    control = [control_of(asked)]
    return sum([_is_taken(sock, data, control, address) for data, address in items])
