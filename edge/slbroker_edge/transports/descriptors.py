"""Room for connections among the open files that the system allows a process."""

from __future__ import annotations

import logging
import resource
from typing import Final

logger = logging.getLogger(__name__)

RESERVED: Final = 256  # for all that is no SIP connection: listening sockets, the bus and a socket for each worker


def make_room(connections: int) -> int:
    """Raise the limit of open files as far as `connections` need it and is allowed; return how many can be had."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVED
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if limit > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if limit >= wanted:
        return connections
    room = max(1, limit - RESERVED)
    logger.warning(
        "%d open files are allowed, so there is room for %d connections and not for %d: raise the limit"
        " (ulimit -Hn, LimitNOFILE=) or lower --tcp-connections",
        limit, room, connections,
    )  # fmt: skip
    return room
