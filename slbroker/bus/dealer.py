"""A connection that is tried for as long as it takes: to the edge of a worker, to the broker of an edge.

libzmq reconnects by itself, to the number it was given. Three things it does not do, which are done here: it resolves
no name again (`reach` does, and tries each address); it never connects again to a peer that had keys (CURVE) when we
had none, or the other way round; and it does not say why nobody is there.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from slbroker.bus.reach import Search, is_client_port, is_name
from slbroker.bus.sockets import BusSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import zmq

    from slbroker.bus.address import BusAddress
    from slbroker.bus.reach import Found

SILENCE: Final = 5.0  # seconds; a peer that knows us says something every 0.25 s
LOOK_AGAIN: Final = 1.0  # seconds of silence between two looks at where a name leads now
LOOK_SOON: Final = 0.25  # ... while nobody has been found: four questions a second to a name server, no more
SILENT: Final = "somebody takes connections there, and says nothing: do the bus keys fit?"


class Dealer:
    """A DEALER on the running loop, and another one in its place when nobody has answered for `SILENCE`.

    Where the address has a name, there is no socket before somebody has been found, and a new one when the name leads
    elsewhere. So with a port of those that Linux gives to clients: libzmq, which tries for as long as nobody is there,
    would one day be given that port, be connected to itself, and keep the peer from it.
    """

    def __init__(
        self,
        address: BusAddress,
        connect: Callable[[BusAddress], zmq.Socket[bytes]],
        on_message: Callable[[list[bytes]], None],
        on_turn: Callable[[], None],
        on_fault: Callable[[str], None],
        *,
        ticks: float,
    ) -> None:
        """`connect` returns a new socket to an address in numbers. `ticks` is the time between two `tick`s, in seconds.

        `on_message` is called with the frames of each message, `on_turn` after the last one of a turn, and
        as soon as there is a connection. `on_fault` gets
        in words why nobody is reached: at once if waiting will not help, else after `SILENCE`; each cause once, until
        somebody has been heard.
        """
        self.renewed = 0  # times in a row that a silent socket was replaced
        self._connect = connect
        self._on_message = on_message
        self._on_turn = on_turn
        self._on_fault = on_fault
        self._most_ticks = round(SILENCE / ticks)
        self._ticks_to_look = max(1, round(LOOK_AGAIN / ticks)), max(1, round(LOOK_SOON / ticks))
        self._ticks = 0  # since somebody was heard
        self._silent_ticks = 0  # ... or the socket was made
        self._has_moved = False  # the socket is a new one, and `tick` has not said so
        self._fault = ""  # the last one told
        self._search = Search(address, self._on_found)
        self._is_sought = is_name(address) or is_client_port(address)
        self._at = None if self._is_sought else address
        self._socket = self._open() if self._at else None
        if self._is_sought or address.path:
            self._search.begin()

    def _open(self) -> BusSocket:
        assert self._at is not None
        loop = asyncio.get_running_loop()
        return BusSocket(loop, self._connect(self._at), self._hear, self._on_turn, greets=True)

    def _replace(self) -> None:
        self._give_up()
        self._socket = self._open()

    def _on_found(self, found: Found) -> None:
        if found.address is None:
            if self._is_sought and self._silent_ticks:
                self._give_up()
            if found.is_grave or self._ticks >= self._most_ticks:
                self._tell(found.cause)
        elif self._is_sought and (found.address != self._at or self._socket is None):
            self._at = found.address
            self._has_moved = True
            self._silent_ticks = 0
            self._replace()
        elif self.renewed:
            self._tell(SILENT)

    def _tell(self, fault: str) -> None:
        if fault != self._fault:
            self._fault = fault
            self._on_fault(fault)

    def _hear(self, frames: list[bytes]) -> None:
        self._ticks = self._silent_ticks = self.renewed = 0
        self._fault = ""
        self._on_message(frames)

    def send(self, messages: Sequence[list[bytes]]) -> list[list[bytes]]:
        """Send without ever blocking; return what could not be sent: nobody is there, or the queue is full."""
        return list(messages) if self._socket is None else self._socket.send(messages)

    def tick(self) -> bool:
        """Note that time goes by; return whether the socket is a new one, which the peer does not know.

        Ticks are counted, and not seconds: while a handler blocks, nothing is read and there is no tick.
        """
        moved, self._has_moved = self._has_moved, False
        self._ticks += 1
        self._silent_ticks += 1
        if self._is_sought and self._ticks % self._ticks_to_look[self._socket is None] == 0:
            self._search.begin()
        if self._silent_ticks < self._most_ticks or self._socket is None:
            return moved
        self._silent_ticks = 0
        self.renewed += 1
        self._replace()
        self._search.begin()  # to say why
        return True

    def hang_up(self) -> None:
        """Leave a connection that leads to ourselves: make another one, later if it takes a search."""
        if self._is_sought:
            self._give_up()
        else:
            self._replace()

    def _give_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """Close the socket; what was sent has a second to leave."""
        self._search.close()
        self._give_up()
