"""Where HEP packets go: each over UDP in a datagram, or over TCP one behind the other. Nothing here waits."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, cast

from slbroker_edge.capture.hep import MAX_PACKET
from slbroker_edge.transports.datagrams import send_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slbroker.settings.capture import Collector
    from slbroker.sip.reading import Address

LOOK_UP_AGAIN: Final = 30.0  # seconds: then a name is looked up once more, since collectors move
RETRY: Final = 2.0  # seconds between two attempts at a connection, or at a name
MAX_UNSENT: Final = 4_194_304  # bytes kept for a collector that does not read, beyond what the kernel keeps
AT_ONCE: Final = 64  # packets given to the kernel at a time
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
        self._address: Address = ("", 0)  # what it is connected to
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
                self._socket, self._address = sock, cast("Address", address)
                return
            sock.close()
            self._say(os.strerror(code))

    def _say(self, what: str) -> None:
        if what != self._said:
            self._said = what
            if what:
                self._warn(f"--hep {self.name}: {what}")

    def leave_out(self, number: int = 1) -> None:
        """Count packets that would find no room."""
        self.failed += number
        self._say("it does not read what is sent")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class UdpCollector(_Sender):
    """A collector over UDP. What it does not read, nobody hears of; where nothing listens, ICMP says so."""

    is_full = False
    has_room = True

    @property
    def is_busy(self) -> bool:
        """Return whether there is more to be sent: never."""
        return False

    def send_all(self, packets: Sequence[bytes], now: float) -> None:
        """Send packets, or count them."""
        if now >= self._look_again or (self._socket is None and now >= self._retry):
            self._connect(now)  # with no answer from DNS the collector may still be where it was
        if self._socket is None:
            self.failed += len(packets)
            return
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # of one before, which counted as sent
        if code == errno.ECONNREFUSED:
            self._say("nobody listens there")
        taken = send_batch(self._socket, [(packet, self._address) for packet in packets])
        taken -= bool(code and taken)
        self.sent += taken
        self.failed += len(packets) - taken

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

    @property
    def has_room(self) -> bool:
        """Return whether one that was full has room again, for more than a few packets."""
        return self._held < MAX_UNSENT // 2

    def send_all(self, packets: Sequence[bytes], now: float) -> None:
        """Send packets, keep them, or count them."""
        is_idle = not self._unsent
        for at, packet in enumerate(packets):
            if self.is_full:
                self.leave_out(len(packets) - at)
                break
            self._unsent.append(packet)
            self._held += len(packet)
        if is_idle:
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
                first = memoryview(self._unsent[0])[self._begun :]
                self._begun += self._socket.sendmsg([first, *islice(self._unsent, 1, AT_ONCE)])
                while self._unsent and self._begun >= len(self._unsent[0]):
                    size = len(self._unsent.popleft())
                    self._begun -= size
                    self._held -= size
                    self.sent += 1
                if self._begun:
                    return
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
