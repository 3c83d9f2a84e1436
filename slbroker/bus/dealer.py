"""A connection that is tried for as long as it takes: to the edge of a worker, to the broker of an edge.

libzmq reconnects by itself, with one exception: it never connects again to a peer that had keys (CURVE) when we had
none, or the other way round. The peer may have been started anew since, so after a long silence the socket is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from slbroker.bus.sockets import BusSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import zmq

SILENCE: Final = 5.0  # seconds; a peer that knows us says something every 0.25 s


class Dealer:
    """A DEALER on the running loop, and another one in its place when nobody has answered for `SILENCE`."""

    def __init__(
        self,
        connect: Callable[[], zmq.Socket[bytes]],
        on_message: Callable[[list[bytes]], None],
        on_turn: Callable[[], None],
        *,
        ticks: float,
    ) -> None:
        """`connect` returns a new socket. `ticks` is the time between two calls of `tick`, in seconds.

        `on_message` is called with the frames of each message, `on_turn` after the last one of a turn.
        """
        self.renewed = 0  # times in a row that a silent socket was replaced
        self._connect = connect
        self._on_message = on_message
        self._on_turn = on_turn
        self._most_ticks = round(SILENCE / ticks)
        self._silent_ticks = 0
        self._socket = self._open()

    def _open(self) -> BusSocket:
        return BusSocket(asyncio.get_running_loop(), self._connect(), self._hear, self._on_turn)

    def _hear(self, frames: list[bytes]) -> None:
        self._silent_ticks = self.renewed = 0
        self._on_message(frames)

    def send(self, messages: Sequence[list[bytes]]) -> list[list[bytes]]:
        """Send without ever blocking; return what could not be sent: nobody is there, or the queue is full."""
        return self._socket.send(messages)

    def tick(self) -> bool:
        """Note that time goes by; return whether the peer was silent for so long that the socket is a new one.

        Ticks are counted, and not seconds: while a handler blocks, nothing is read and there is no tick.
        """
        self._silent_ticks += 1
        if self._silent_ticks < self._most_ticks:
            return False
        self._silent_ticks = 0
        self.renewed += 1
        self._socket.close()
        self._socket = self._open()
        return True

    def close(self) -> None:
        """Close the socket; what was sent has a second to leave."""
        self._socket.close()
