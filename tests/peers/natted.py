"""What docker-proxy is to UDP: a published port behind which each sender gets an address of the proxy's own."""

from __future__ import annotations

import selectors
import socket
from threading import Thread
from typing import Self

from tests.support.timing import within


class Natted:
    """Listens on `port` of loopback for a server at another; use it in a `with` statement."""

    def __init__(self, server: int) -> None:
        """`server` is the UDP port of loopback to which datagrams go on."""
        self._server = server
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind(("127.0.0.1", 0))
        self.port: int = self._front.getsockname()[1]
        self._ways: dict[tuple[str, int], socket.socket] = {}
        self._stop, self._stopped = socket.socketpair()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.close()
        self._thread.join(within(5.0))
        for sock in (self._front, self._stopped, *self._ways.values()):
            sock.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._stopped, selectors.EVENT_READ)
            selector.register(self._front, selectors.EVENT_READ)
            while True:
                for key, _events in selector.select():
                    if key.fileobj is self._stopped:
                        return
                    if key.fileobj is self._front:
                        data, sender = self._front.recvfrom(65_535)
                        if sender not in self._ways:
                            self._ways[sender] = way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                            way.connect(("127.0.0.1", self._server))
                            selector.register(way, selectors.EVENT_READ, sender)
                        self._ways[sender].send(data)
                    else:
                        self._front.sendto(self._ways[key.data].recv(65_535), key.data)
