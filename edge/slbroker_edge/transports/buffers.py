"""The kernel's buffers of UDP sockets: how much of a burst they keep, and what was lost in front of them."""

from __future__ import annotations

import logging
import math
import socket
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

WANTED: Final = 4 * 1024 * 1024  # bytes: a burst waits here, or while this process is stopped
WARN_INTERVAL: Final = 60.0  # seconds between two lines about lost datagrams
LOOK_INTERVAL: Final = 1.0

# Linux's options (socket(7), asm-generic/socket.h) that Python has no names for.
_FORCE: Final = ((socket.SO_RCVBUF, 33), (socket.SO_SNDBUF, 32))  # SO_RCVBUFFORCE, SO_SNDBUFFORCE
_SO_MEMINFO: Final = 55
_meminfo: Final = struct.Struct("=9I")  # SK_MEMINFO_RMEM_ALLOC ... SK_MEMINFO_DROPS


class Udp(NamedTuple):
    """A UDP socket and its name."""

    name: str
    sock: socket.socket


def enlarge(sock: socket.socket, *, may_force: bool = True) -> None:
    """Ask for buffers of `WANTED` bytes; with CAP_NET_ADMIN the system's limits do not count, if it `may_force`."""
    for usual, force in _FORCE:
        try:
            sock.setsockopt(socket.SOL_SOCKET, force if may_force else usual, WANTED)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, usual, WANTED)


def shortage(sockets: Sequence[Udp]) -> str:
    """Return what to do about sockets whose buffers are smaller than asked for, "" where none is."""
    small = [udp for udp in sockets if granted(udp.sock) < WANTED]
    if not small:
        return ""
    names, size = ", ".join(udp.name for udp in small), granted(small[0].sock) // 1024
    return (
        f"{names}: the kernel grants a receive buffer of {size} KiB where {WANTED // 1024} are asked for, so bursts get"
        f" lost; run: sysctl -w net.core.rmem_max={WANTED} net.core.wmem_max={WANTED}"
    )


def granted(sock: socket.socket) -> int:
    """Return the bytes of the receive buffer; the kernel doubles what is asked for, for its own bookkeeping."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def dropped(sock: socket.socket) -> int:
    """Return how many datagrams the kernel has dropped, since the socket is open, because its buffer was full."""
    try:
        found = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _meminfo.size)
    except OSError:  # Linux before 4.12
        return 0
    return int(_meminfo.unpack(found)[8]) if len(found) == _meminfo.size else 0


class BufferWatch:
    """Says what the kernel does not grant, and what it drops."""

    def __init__(self, sockets: Sequence[Udp]) -> None:
        self._sockets = sockets
        self._next_look = -math.inf
        self._next_line = -math.inf
        self._told = 0
        if words := shortage(sockets):
            logger.warning("%s", words)

    @property
    def dropped(self) -> int:
        """How many datagrams the kernel has dropped, on all sockets."""
        return sum(dropped(udp.sock) for udp in self._sockets)

    def look(self, now: float) -> None:
        """Log what has been dropped since the last line; called often, with `now` in seconds, monotonic."""
        if now < self._next_look:
            return
        self._next_look = now + LOOK_INTERVAL
        lost = self.dropped
        if lost > self._told and now >= self._next_line:
            self._next_line = now + WARN_INTERVAL
            logger.warning(
                "%d datagrams were lost before they could be read, the receive buffer being full: more is coming than"
                " this edge takes (--processes), or the buffer is small", lost - self._told,
            )  # fmt: skip
            self._told = lost
