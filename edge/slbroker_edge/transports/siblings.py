"""What leaves by a connection that another process of the same edge has: one hands it to the other.

The kernel gives a datagram to any of the processes that share a port (`--processes N`), and the phone or browser that a
reply is for is connected to one of them. The name of a connection begins with that one's number.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from slbroker.proxy.flow import MAX_TOKEN
from slbroker.sip.grammar import MAX_DATAGRAM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.proxy.flow import Flow
    from slbroker.sip.reading import Address

NUMBER: Final = 2  # hex digits of a process in the name of a connection
BATCH: Final = 128  # messages taken over in one turn of the loop
ROOM: Final = 4_194_304  # bytes that wait for one process, if the kernel allows as many


class Siblings:
    """Sockets between so many processes, which are made before these are forked, and outlive each of them."""

    def __init__(self, count: int) -> None:
        self._pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(count)]
        for taken, given in self._pairs:
            taken.setblocking(False)
            given.setblocking(False)
            given.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)

    def of_process(self, number: int) -> Sibling:
        """Return what one of them has of these."""
        return Sibling(number, self._pairs[number][0], [given for _, given in self._pairs])

    def close(self) -> None:
        """Close them, in this process."""
        for taken, given in self._pairs:
            taken.close()
            given.close()


class Sibling:
    """One process among those of its edge."""

    def __init__(self, number: int, taken: socket.socket, given: Sequence[socket.socket]) -> None:
        self.number = number
        self._taken = taken
        self._given = given

    def fileno(self) -> int:
        """Return the descriptor, for the loop."""
        return self._taken.fileno()

    def receive(self) -> list[tuple[bytes, bytes]]:
        """Return what others hand over, at most a batch: flows as `Flow.write` has them, and messages."""
        found: list[tuple[bytes, bytes]] = []
        with suppress(BlockingIOError):
            while len(found) < BATCH:
                flow, _, data = self._taken.recv(MAX_TOKEN + 1 + MAX_DATAGRAM).partition(b" ")
                found.append((flow, data))
        return found

    def listener(self, flow: Flow, name: str) -> Handing | None:
        """Return what a message leaves by whose flow is another process's; None for one of ours, and of other edges.

        `name` is the listen address that our Via names.
        """
        try:
            number = int(flow.connection[:NUMBER], 16)
        except ValueError:
            return None
        if number == self.number or number >= len(self._given):
            return None
        return Handing(self._given[number], flow, name)


class Handing:
    """A connection of another process, as what messages leave by."""

    __slots__ = ("_begin", "_given", "connection", "name")
    stands = True

    def __init__(self, given: socket.socket, flow: Flow, name: str) -> None:
        self.name = name
        self.connection = flow.connection
        self._given = given
        self._begin = flow.write() + b" "

    def send(self, replies: Sequence[tuple[bytes, Address]]) -> int:
        """Hand messages over; return how many the other process has room for."""
        sent = 0
        for data, _ in replies:
            with suppress(OSError):
                self._given.send(self._begin + data)
                sent += 1
        return sent

    def finish(self) -> None:
        """Leave it open: no message of ours closes another process's connection."""
