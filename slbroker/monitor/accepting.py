"""Connections to the monitor are taken in turn with what is asked on others: making one costs time, too."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sized

    from slbroker.monitor.gate import Gate

WAITING: Final = 128  # connections that the kernel keeps until they are taken; it has further ones try again
MOST_OPEN: Final = 512  # at once, those that get nothing but a refusal included; further ones are closed at once
MOST_UNPROVEN: Final = 128  # that are at TLS's handshake; the oldest makes room for the next
HANDSHAKE_WITHIN: Final = 10.0  # seconds
PAUSE: Final = 1.0  # seconds, where none can be taken, as when there is no descriptor left


class Accepting:
    """Takes connections from a socket that is bound, and gives each a protocol. Begin with `run`, in a task."""

    def __init__(
        self, sock: socket.socket, gate: Gate, make: Callable[[], asyncio.Protocol], connections: Sized,
        context: Callable[[], ssl.SSLContext | None],
    ) -> None:  # fmt: skip
        """`make` makes a protocol, `connections` are those that are open, `context` is what the next one is made with.

        Raises OSError when it cannot be listened on.
        """
        sock.setblocking(False)
        sock.listen(WAITING)
        self._socket = sock
        self._gate = gate
        self._make = make
        self._connections = connections
        self._context = context
        self._unproven: dict[asyncio.Task[None], None] = {}  # the oldest first

    async def run(self) -> None:
        """Take connections until this is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._gate.enter("connection")
                try:
                    taken, _ = await loop.sock_accept(self._socket)
                except OSError:
                    await asyncio.sleep(PAUSE)
                    continue
                if len(self._connections) >= MOST_OPEN:
                    taken.close()
                    continue
                if len(self._unproven) >= MOST_UNPROVEN:
                    next(iter(self._unproven)).cancel()
                task = loop.create_task(self._welcome(taken))
                self._unproven[task] = None
                task.add_done_callback(self._forget)
        finally:
            for task in self._unproven:
                task.cancel()

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._unproven.pop(task, None)

    async def _welcome(self, taken: socket.socket) -> None:
        context = self._context()
        within = {"ssl_handshake_timeout": HANDSHAKE_WITHIN} if context is not None else {}
        with suppress(OSError):  # no handshake: ssl.SSLError, ConnectionAbortedError
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(self._make, taken, ssl=context, **within)
