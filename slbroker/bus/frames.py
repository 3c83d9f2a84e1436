"""The messages of one ZeroMQ socket, frame by frame, without ever waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import zmq

from slbroker.twins import compiled_or_pure

if TYPE_CHECKING:
    from collections.abc import Sequence

# As plain numbers: what pyzmq's enumerations do in Python would be a tenth of what a request that comes alone costs.
NOBLOCK: Final = int(zmq.NOBLOCK)
NOBLOCK_MORE: Final = int(zmq.NOBLOCK | zmq.SNDMORE)
EVENTS: Final = int(zmq.EVENTS)
POLLIN: Final = int(zmq.POLLIN)
POLLOUT: Final = int(zmq.POLLOUT)
RCVMORE: Final = int(zmq.RCVMORE)


@compiled_or_pure("slbroker.bus._frames")
class Frames:
    """What goes through a ZeroMQ socket, which it owns from now on: `close` closes it."""

    def __init__(self, zsocket: zmq.Socket[bytes]) -> None:
        self._socket = zsocket

    def has_message(self) -> bool:
        """Return whether a message has come. Asks libzmq's thread, and takes note of what that has signalled."""
        return not self._socket.closed and bool(int(self._socket.get(EVENTS)) & POLLIN)

    def has_room(self) -> bool:
        """Return whether a message can be sent."""
        return not self._socket.closed and bool(int(self._socket.get(EVENTS)) & POLLOUT)

    def receive(self) -> list[bytes] | None:
        """Return the next message that has come, None where there is none, or the socket is closed.

        Raises zmq.ZMQError for whatever else is wrong.
        """
        if not self.has_message():  # cheaper than the exception that tells of nothing
            return None
        zsocket = self._socket
        frames = [zsocket.recv(NOBLOCK)]
        while zsocket.get(RCVMORE):
            frames.append(zsocket.recv(NOBLOCK))
        return frames

    def send(self, frames: Sequence[bytes]) -> bool:
        """Send a message; return False where that cannot be: there is no such peer, its queue is full, it is closed."""
        try:
            for frame in frames[:-1]:
                self._socket.send(frame, NOBLOCK_MORE)
            self._socket.send(frames[-1], NOBLOCK)
        except zmq.ZMQError:
            return False
        return True

    def close(self) -> None:
        """Close the socket; what was sent has the time of LINGER to leave."""
        self._socket.close()
