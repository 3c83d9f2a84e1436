"""Sockets that systemd keeps from an edge's orderly end to its next start (FileDescriptorStoreMax=, sd_notify(3)).

What comes in between waits in them: `systemctl restart` then loses what does not fit into their buffers, and nothing
else. A unit that stops, and does not start again, has its store emptied by systemd, and the addresses are free.
"""

from __future__ import annotations

import logging
import os
import socket
from typing import TYPE_CHECKING, Final

from slbroker_edge.transports.binding import where_of

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

    from slbroker.herald import Outside
    from slbroker.listen import ListenAddress

logger = logging.getLogger(__name__)

NAME: Final = "slbroker-sip"
FIRST: Final = 3  # the descriptor of the first that is passed (sd_listen_fds(3))


class FdStore:
    """The sockets of the edge before, as far as they were kept, and those of this one when it ends."""

    def __init__(self, environment: MutableMapping[str, str], herald: Outside) -> None:
        """Take over what systemd has passed; children of ours are told of none of it."""
        self._herald = herald
        is_ours = environment.pop("LISTEN_PID", "") == str(os.getpid())
        count, names = environment.pop("LISTEN_FDS", ""), environment.pop("LISTEN_FDNAMES", "").split(":")
        self._sockets: list[socket.socket] = []
        for number in range(int(count) if is_ours and count.isdecimal() else 0):
            os.set_inheritable(FIRST + number, False)
            if number < len(names) and names[number] == NAME:
                self._sockets.append(socket.socket(fileno=FIRST + number))
        self._has_some = bool(self._sockets)

    @property
    def has_some(self) -> bool:
        """Whether something was kept."""
        return self._has_some

    def take(self, address: ListenAddress) -> list[socket.socket]:
        """Return the socket on an address, if it was kept."""
        wanted = where_of(address)
        found = [sock for sock in self._sockets if (sock.family, sock.type, sock.getsockname()) == wanted]
        self._sockets = [sock for sock in self._sockets if sock not in found]
        return found

    def let_go(self, *, share: bool = False) -> None:
        """Close what nobody has taken, and have systemd do the same: it has all of them once more.

        With `share` others of this user may be bound there before it has.
        """
        for sock in self._sockets:
            logger.info("no longer listening on %s port %d", *sock.getsockname()[:2])
            if share:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.close()
        self._sockets.clear()
        if self._has_some:
            self._has_some = False
            self._herald.forget(NAME)

    def keep(self, sockets: Iterable[socket.socket]) -> bool:
        """Have systemd keep these, if it does such a thing for us; return False where there is none."""
        return self._herald.keep(NAME, [sock.fileno() for sock in sockets])
