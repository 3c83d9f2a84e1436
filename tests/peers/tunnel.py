"""A way from TCP to TLS for programs that know no TLS: what comes on one connection goes on, encrypted, on another."""

from __future__ import annotations

import selectors
import socket
import ssl
from contextlib import suppress
from threading import Thread
from typing import Self

from tests.support.timing import within

_ROOM = 65_536


class Tunnel:
    """Listens on `port` of loopback; use it in a `with` statement."""

    def __init__(self, to: int, context: ssl.SSLContext) -> None:
        """`to` is the TLS port of loopback."""
        self._to = to
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._thread = Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(within(5.0))

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                self.connections += 1
                Thread(target=self._carry, args=(plain,), daemon=True).start()

    def _carry(self, plain: socket.socket) -> None:
        there = socket.create_connection(("127.0.0.1", self._to), timeout=within(5.0))
        with plain, self._context.wrap_socket(there, server_hostname="127.0.0.1") as tls, suppress(OSError):
            pass_on(plain, tls)


def pass_on(plain: socket.socket, tls: ssl.SSLSocket) -> None:
    """Carry bytes both ways until one side has had enough."""
    with selectors.DefaultSelector() as selector:
        for source, sink in ((plain, tls), (tls, plain)):
            source.settimeout(0)
            selector.register(source, selectors.EVENT_READ, (source, sink))
        while True:
            for key, _ in selector.select():
                source, sink = key.data
                try:
                    data = source.recv(_ROOM)  # more than a TLS record, so that none of it waits unseen
                except (BlockingIOError, ssl.SSLWantReadError):  # what came was no data, but a session ticket
                    continue
                if not data:
                    return
                sink.settimeout(within(5.0))
                sink.sendall(data)
                sink.settimeout(0)
