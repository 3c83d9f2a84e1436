"""A load of OPTIONS over many TCP connections that stay open: what sipload is for UDP, small and in Python.

So many requests are always on their way, the next one on the next connection in turn. Only the server's CPU counts, so
a generator in Python will do.
"""

from __future__ import annotations

import itertools
import select
import socket
import struct
import time
from typing import Final, Self

REQUEST: Final = (
    "OPTIONS sip:bob@127.0.0.1:{to} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:{by};rport;branch=z9hG4bK-{by}\r\n"
    'Max-Forwards: 70\r\nFrom: "load" <sip:load@127.0.0.1:{by}>;tag={by}\r\nTo: <sip:bob@127.0.0.1:{to}>\r\n'
    "Call-ID: {by}@tcpload\r\nCSeq: 1 OPTIONS\r\nContact: <sip:load@127.0.0.1:{by}>\r\nUser-Agent: tcpload\r\n"
    "Content-Length: 0\r\n\r\n"
)
END: Final = b"\r\n\r\n"  # of a reply: none has a body
LONGEST_SILENCE: Final = 5.0  # seconds
RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: hang up with RST, so that ten thousand ports are not kept waiting


class TcpLoadError(Exception):
    """The server hangs up or says nothing; the message is one line."""


class Caller:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=LONGEST_SILENCE)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = REQUEST.format(to=port, by=self.socket.getsockname()[1]).encode()
        self._rest = b""

    def ask(self) -> None:
        """Send a request."""
        self.socket.sendall(self.request)

    def replies(self) -> int:
        """Return how many replies have come to their end."""
        data = self._rest + self.socket.recv(65_535)
        if data == self._rest:
            raise TcpLoadError("the server hung up")
        self._rest = data[data.rfind(END) + len(END) :] if END in data else data
        return data.count(END)


class TcpLoad:
    """So many connections to a port of 127.0.0.1, as a context manager."""

    def __init__(self, port: int, connections: int) -> None:
        self._port = port
        self._connections = connections
        self._callers: dict[int, Caller] = {}
        self._poll = select.epoll()
        self._open = 0

    def __enter__(self) -> Self:
        """Connect; raises TcpLoadError when the server does not take all."""
        try:
            for _ in range(self._connections):
                caller = Caller(self._port)
                self._callers[caller.socket.fileno()] = caller
                self._poll.register(caller.socket, select.EPOLLIN)
        except OSError as error:
            self.__exit__()
            raise TcpLoadError(f"connection {len(self._callers) + 1}: {error}") from error
        self._in_turn = itertools.cycle(self._callers.values())
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Hang up."""
        for caller in self._callers.values():
            caller.socket.close()
        self._poll.close()

    def run(self, seconds: float, window: int) -> int:
        """Keep `window` requests on their way for so long; return how many were answered."""
        ends = time.monotonic() + seconds
        answered = 0
        while time.monotonic() < ends:
            for caller in itertools.islice(self._in_turn, max(0, window - self._open)):
                caller.ask()
                self._open += 1
            answered += self._listen()
        return answered

    def _listen(self) -> int:
        ready = self._poll.poll(LONGEST_SILENCE)
        if not ready:
            raise TcpLoadError(f"no reply for {LONGEST_SILENCE:g} s")
        got = sum(self._callers[descriptor].replies() for descriptor, _ in ready)
        self._open -= got
        return got
