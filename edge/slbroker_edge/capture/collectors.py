"""Where HEP packets go: each over UDP in a datagram, or over TCP one behind the other. Nothing here waits."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections import deque
from typing import TYPE_CHECKING, Final

from slbroker_edge.capture.hep import MAX_PACKET

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.settings.capture import Collector

LOOK_UP_AGAIN: Final = 30.0  # seconds: then a name is looked up once more, since collectors move
RETRY: Final = 2.0  # seconds between two attempts at a connection, or at a name
MAX_UNSENT: Final = 4_194_304  # bytes kept for a collector that does not read, beyond what the kernel keeps
SEND_BUFFER: Final = 1_048_576  # bytes that are asked for in the kernel


class _Sender:
    """What both are alike in: a name, a socket to one of its addresses, counters."""

    kind = socket.SOCK_DGRAM

    def __init__(self, where: Collector, warn: Callable[[str], None]) -> None:
        self.name = str(where)
        self.sent = self.failed = 0
        self._where = where
        self._warn = warn
        self._socket: socket.socket | None = None
        self._retry = self._look_again = 0.0
        self._said = ""  # what is wrong

    def _connect(self, now: float) -> None:
        """Look the name up, and take the first of its addresses that can be had, in turn; without one stay as it is."""
        self._retry, self._look_again = now + RETRY, now + LOOK_UP_AGAIN
        try:
            found = socket.getaddrinfo(self._where.host, self._where.port, type=self.kind)
        except (OSError, UnicodeError) as error:
            self._say(f"its name is not known: {error}")
            return
        for family, kind, proto, _, address in found:
            sock = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, proto)
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
                code = sock.connect_ex(address)
            except OSError as error:
                code = error.errno or errno.EIO
            if code in (0, errno.EINPROGRESS):
                self.close()
                self._socket = sock
                return
            sock.close()
            self._say(os.strerror(code))

    def _say(self, what: str) -> None:
        if what != self._said:
            self._said = what
            if what:
                self._warn(f"--hep {self.name}: {what}")

    def leave_out(self) -> None:
        """Count a packet that would find no room."""
        self.failed += 1
        self._say("it does not read what is sent")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class UdpCollector(_Sender):
    """A collector over UDP. What it does not read, nobody hears of; where nothing listens, ICMP says so."""

    is_full = False

    @property
    def is_busy(self) -> bool:
        """Return whether there is more to be sent: never."""
        return False

    def send(self, packet: bytes, now: float) -> None:
        """Send one packet, or count it."""
        if now >= self._look_again or (self._socket is None and now >= self._retry):
            self._connect(now)  # with no answer from DNS the collector may still be where it was
        try:
            if self._socket is None:
                raise OSError(errno.ENOTCONN, "")
            self._socket.send(packet)
        except OSError as error:  # a refusal is of one before, and this one has not been sent
            self.failed += 1
            if error.errno == errno.ECONNREFUSED:
                self._say("nobody listens there")
        else:
            self.sent += 1

    def look(self, now: float) -> None:
        """There is nothing to be done."""


class TcpCollector(_Sender):
    """A collector over TCP. What it does not read is kept up to `MAX_UNSENT`; what is more is counted."""

    kind = socket.SOCK_STREAM

    def __init__(self, where: Collector, warn: Callable[[str], None]) -> None:
        super().__init__(where, warn)
        self._unsent: deque[bytes] = deque()
        self._held = 0  # bytes in there
        self._begun = 0  # bytes of the first one that are out
        self._stands = False

    @property
    def is_busy(self) -> bool:
        """Return whether there is more to be sent."""
        return bool(self._unsent)

    @property
    def is_full(self) -> bool:
        """Return whether a packet might find no room."""
        return self._held > MAX_UNSENT - MAX_PACKET

    def send(self, packet: bytes, now: float) -> None:
        """Send one packet, keep it, or count it."""
        if self.is_full:
            self.leave_out()
            return
        self._unsent.append(packet)
        self._held += len(packet)
        if len(self._unsent) == 1:
            self.look(now)

    def look(self, now: float) -> None:
        """Send what is kept, as far as that can be; connect where there is no connection."""
        if self._socket is None:
            if now < self._retry:
                return
            self._connect(now)
        if self._stands and self._has_hung_up():
            self._lose("it has hung up")  # before a packet goes where nobody takes it
            return
        if not self._unsent or (not self._stands and not self._has_connected()):
            return
        try:
            while self._unsent and self._socket is not None:
                self._begun += self._socket.send(memoryview(self._unsent[0])[self._begun :])
                if self._begun < len(self._unsent[0]):
                    return
                self._begun = 0
                self._held -= len(self._unsent.popleft())
                self.sent += 1
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(os.strerror(error.errno or errno.EIO))
            return
        self._say("")

    def _has_connected(self) -> bool:
        """Return whether the connection stands; let go of one that cannot be had."""
        if self._socket is None:
            return False
        poller = select.poll()
        poller.register(self._socket, select.POLLOUT)
        if not poller.poll(0):
            return False
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._lose(os.strerror(code))
            return False
        self._stands = True
        return True

    def _has_hung_up(self) -> bool:
        try:
            return self._socket is not None and not self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _lose(self, why: str) -> None:
        """Begin anew with the packet of which a part is out."""
        self._begun = 0
        self._stands = False
        self.close()
        self._say(why)
