"""What the edge before us has yet to answer, while it ends: who sends such a request again gets that answer."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from slbroker.bus.envelope import unpack_request
from slbroker.errors import TakeoverError
from slbroker.loop import unwatch, watch
from slbroker_edge.takeover import MAX_PACKET, read

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

    from slbroker.bus.jobs import Job
    from slbroker_edge.edge import Edge
    from slbroker_edge.listener import Listener


def told_of(job: Job) -> list[Any]:
    """Return what the other edge is told of a request: number, datagram, where it came from, and on which socket."""
    source = unpack_request(job.reading.packed)[1]
    return [job.number, job.data, [job.reply_to[0], source.port, *job.reply_to[2:]], source.listen]


class Inherited:
    """Hears of these requests on a connection to the edge before; when that ends, none is left."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        edge: Edge,
        listener_named: Callable[[str], Listener | None],
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._edge = edge
        self._listener_named = listener_named
        self._jobs: dict[int, Job] = {}
        sock.setblocking(False)
        watch(loop, sock.fileno(), self._hear)

    def _hear(self) -> None:
        with suppress(BlockingIOError):
            while True:
                try:
                    packet = self._sock.recv(MAX_PACKET)
                    words = read(packet) if packet else None
                except (ConnectionError, TakeoverError):
                    words = None
                if words is None:
                    self.close()
                    return
                self._take(words)

    def _take(self, words: dict[str, Any]) -> None:
        for number, data, address, listen in words.get("open", ()):
            listener = self._listener_named(listen)
            job = self._edge.expect(data, tuple(address), listener) if listener is not None else None
            if job is not None:
                self._jobs[number] = job
        for number in words.get("ended", ()):
            job = self._jobs.pop(number, None)
            if job is not None:
                self._edge.expect_no_more(job)

    def close(self) -> None:
        """Hear no more, and let all of them be requests like any other."""
        if self._sock.fileno() >= 0:
            unwatch(self._loop, self._sock.fileno())
            self._sock.close()
        self._take({"ended": list(self._jobs)})
