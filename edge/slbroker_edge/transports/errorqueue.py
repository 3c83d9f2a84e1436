"""What ICMP says of datagrams that a socket has sent: which addresses they do not reach (ip(7), IP_RECVERR).

The kernel tells each error twice: in the socket's queue of errors, with the address, and as the failure of the call
that comes next, which has nothing to do with it. `datagrams` sends again what such a call has not sent. Without
IP_RECVERR an unconnected socket hears of none.
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from slbroker.sip.reading import Address

MAX_ERRORS: Final = 256  # read in one turn; the kernel keeps as many as the receive buffer has room for

# Linux's options, level and name, for which Python has no names: IP_RECVERR (ip(7)), IPV6_RECVERR (ipv6(7)).
_RECVERR: Final = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
_MSG_ERRQUEUE: Final = 0x2000
_CONTROL_ROOM: Final = 256
_extended: Final = struct.Struct("=IBBBxII")  # struct sock_extended_err: errno, origin, type, code, info, data
_ICMP: Final = (2, 3)  # origins: SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6; others are this machine's own
# Nobody is there, or no way leads there. Not EMSGSIZE: a datagram was too long for the way.
_GONE: Final = frozenset((
    errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENOPROTOOPT, errno.EACCES,
))  # fmt: skip


def tell_errors(sock: socket.socket) -> None:
    """Have the kernel keep ICMP errors for `unreachable`. Whoever does so reads them, or is woken without end."""
    sock.setsockopt(*_RECVERR[sock.family], 1)


def unreachable(sock: socket.socket) -> list[Address]:
    """Return the addresses that datagrams of ours have not reached, as far as has been told since the last call."""
    found = []
    for _ in range(MAX_ERRORS):
        try:
            _, control, _, address = sock.recvmsg(0, _CONTROL_ROOM, _MSG_ERRQUEUE)
        except OSError:  # BlockingIOError: there are no more
            break
        if address and any(_is_gone(data) for _, _, data in control):
            found.append(address)
    return found


def _is_gone(data: bytes) -> bool:
    if len(data) < _extended.size:
        return False
    number, origin = _extended.unpack_from(data)[:2]
    return origin in _ICMP and number in _GONE
