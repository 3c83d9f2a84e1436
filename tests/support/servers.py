"""SIP servers of a test's own that answer whatever they are asked, die, and come back at the same address."""

from __future__ import annotations

import select
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

ECHOED = (b"via", b"from", b"to", b"call-id", b"cseq", b"record-route")


def answer_to(data: bytes, status: bytes) -> bytes:
    """A reply to a request, as any server would write it."""
    lines = [
        line for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:] if line.split(b":")[0].lower() in ECHOED
    ]
    lines = [line + b";tag=uas" if line.lower().startswith(b"to:") and b"tag=" not in line else line for line in lines]
    return b"\r\n".join([b"SIP/2.0 " + status, *lines, b"Content-Length: 0", b"", b""])


class Server:
    """A UDP server; use it in a `with` statement."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.requests: list[bytes] = []
        self.pings: list[bytes] = []
        self.status = b"200 OK"
        self.answers = True
        self.host = host
        self.port = 0
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._stopping: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self.rise()

    @property
    def uri(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"sip:{host}:{self.port}"

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.die()

    def rise(self) -> None:
        """Be there again, at the same address."""
        sock = socket.socket(self._family, socket.SOCK_DGRAM)
        sock.bind((self.host, self.port))
        self.port = sock.getsockname()[1]
        self._stopping, stop = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, args=(sock, stop))
        self._thread.start()

    def die(self) -> None:
        """Be gone: ICMP says so to whoever sends."""
        if self._stopping is not None and self._thread is not None:
            self._stopping.close()
            self._thread.join()
            self._stopping = self._thread = None

    def _serve(self, sock: socket.socket, stop: socket.socket) -> None:
        with sock, stop:
            while True:
                ready = select.select([sock, stop], [], [])[0]
                if stop in ready:
                    return
                data, peer = sock.recvfrom(65_535)
                (self.pings if b"@slbroker-ping\r\n" in data else self.requests).append(data)
                if self.answers and not data.startswith((b"ACK ", b"SIP/")):
                    sock.sendto(answer_to(data, self.status), peer)
