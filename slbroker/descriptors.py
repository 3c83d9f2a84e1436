"""Room among the open files that the system allows a process.

Each connection takes one, and libzmq takes it before anybody has said who is there. It has no limit of connections,
and when no descriptor is left it ends the process where the bus is a socket file (libzmq 4.3.5, an assertion in
ipc_listener.cpp); on TCP it tries again and again, which costs a processor. So there have to be enough.
"""

from __future__ import annotations

import logging
import resource
from typing import Final, NamedTuple

logger = logging.getLogger(__name__)

RESERVED: Final = 256  # for all that is no connection: listening sockets, files, what libzmq has for itself
ENOUGH_ON_BUS: Final = 1_024  # connections that SIP leaves to the bus: as many workers as one edge serves well


class Room(NamedTuple):
    """How many connections there is room for."""

    bus: int
    sip: int


def make_room(bus: int, sip: int = 0) -> Room:
    """Raise the limit of open files as far as so many connections need it and is allowed; return how many can be had.

    Where there are too few, a warning says so.
    """
    limit = _raise_limit(bus + sip + RESERVED)
    free = max(2, limit - RESERVED)
    if free >= bus + sip:
        return Room(bus, sip)
    room_sip = min(sip, free - max(1, min(ENOUGH_ON_BUS, bus, free // 4)))
    room = Room(min(bus, free - room_sip), room_sip)
    if room.bus < min(bus, ENOUGH_ON_BUS) or room.sip < sip:
        logger.warning(
            "%d open files are allowed, so there is room for %d connections on the bus%s; libzmq may end the process"
            " when there are more: raise the limit (ulimit -Hn, LimitNOFILE=)",
            limit, room.bus, f" and for {room.sip} of SIP, not for {sip}" if room.sip < sip else "",
        )  # fmt: skip
    return room


def _raise_limit(wanted: int) -> int:
    """Let this process open `wanted` files, or as many as it may; return how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if limit > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit
