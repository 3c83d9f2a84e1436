"""One TCP connection: requests come in on it, and their replies leave by it (RFC 3261 18.2.2)."""

from __future__ import annotations

import select
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from slbroker.sip.framer import PONG, Framer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.settings.connections import StreamSettings
    from slbroker.sip.framer import Fault
    from slbroker.sip.reading import Address
    from slbroker_edge.edge import Edge

MAX_UNREAD: Final = 262_144  # bytes of replies kept for a peer that does not read, beyond what the kernel keeps: 600
LOOKS: Final = 10  # at a peer that does not read, in the time that it has
MOST: Final = 65_536  # bytes taken from one in a turn
PARTING: Final = 1.0  # seconds that a connection which is to end stays, for answers that are on their way

# Why a connection ended; the statistics count each.
PEER: Final = "peer"  # the peer closed it, or the network did
IDLE: Final = "idle"
DEADLINE: Final = "deadline"  # a message or a handshake began and did not end
UNREAD: Final = "unread"  # the peer did not read its replies
LIMIT: Final = "limit"  # all connections together made us keep too much
FAULT: Final = "fault"  # no SIP; or a message without a length, or too long
HANDLER: Final = "handler"  # a handler closed it behind its reply
STOP: Final = "stop"  # the edge stopped

READ: Final = select.EPOLLIN
WRITE: Final = select.EPOLLOUT
NOTHING: Final = 0  # the kernel still tells when a connection is gone

_ACKED: Final = struct.Struct("=120xQ")  # tcpi_bytes_acked in struct tcp_info


class Hub(Protocol):
    """What a connection needs of the process around it."""

    edge: Edge
    settings: StreamSettings
    now: float  # seconds, monotonic; as of the beginning of this turn
    turn: int  # its number
    label: bytes  # of this process: no other has it, and it has another one when it is started again

    def watch(self, fd: int, events: int) -> None:
        """Wait for these events from now on."""

    def holds(self, more: int) -> bool:
        """Note that so many bytes more (or less) are kept; return False when that is too much in all."""

    def forget(self, connection: Connection, reason: str) -> None:
        """Count a connection that has ended."""


class Connection:
    """A connection over plain TCP. It waits for requests; or for its peer to read; or, when it is to end, for answers.

    While the peer does not read, nothing is read from it either.
    """

    __slots__ = (
        "_acked", "_backlog", "_ending", "_framer", "_give_up", "_hub", "_since", "_sock", "_unanswered", "address",
        "due", "fd", "name", "number",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, address: Address, name: str, hub: Hub) -> None:
        """`sock` does not block; `name` is the listener's, in Kamailio's form."""
        self.name = name
        self.address = address
        self.fd = sock.fileno()  # -1 when closed
        self.due = hub.now + hub.settings.idle  # when to close it, unless something happens
        self._since = hub.now
        self._sock = sock
        self._hub = hub
        self._framer = Framer()
        self._backlog: bytearray | None = None  # what the kernel did not take
        # While there is a backlog: what the peer's kernel had taken when we last looked, and when to give the peer up.
        self._acked = 0
        self._give_up = 0.0
        self._unanswered = 0  # requests taken less replies sent; a guess, since not all are answered
        self._ending = ""  # why it is to end as soon as that can be
        self.number = 0  # no other one of this process has it

    @property
    def connection(self) -> bytes:
        """What it is called, as long as it stands: the process, its descriptor, its number."""
        return b"%b%xx%x" % (self._hub.label, self.fd, self.number) if self.fd >= 0 else b""

    @property
    def stands(self) -> bool:
        """Whether the peer has taken it: one that has come to us has been."""
        return True

    @property
    def scope(self) -> int:
        """The link that it is on, where its peer's address is of that alone; else 0."""
        return self.address[3] if len(self.address) == 4 else 0

    # The peer sends ---------------------------------------------------------------------------------------------

    def on_events(self, events: int, room: int) -> None:
        """Do what epoll says can be done; take `room` bytes at most."""
        if events & WRITE and self._backlog:
            self._send_backlog()
        if events & READ:
            self._receive(room)
        elif events & (select.EPOLLHUP | select.EPOLLERR):
            self.close(PEER)

    def _receive(self, room: int) -> None:
        try:
            data = self._read(room)
        except OSError:
            self.close(PEER)
            return
        if data is None:
            return
        if not data:
            self._end(PEER)
        elif not self._ending:  # what follows a fault is thrown away; left unread, it would undo our last words
            self._take(data)

    def _read(self, room: int) -> bytes | None:
        """Return what has come: b"" for the end, None for nothing."""
        try:
            return self._sock.recv(room)
        except BlockingIOError:
            return None

    def _take(self, data: bytes) -> None:
        hub, framer = self._hub, self._framer
        held = framer.held
        messages = framer.feed(data, hub.now)
        if messages:
            address = self.address
            self._unanswered += sum([not message.startswith((b"ACK ", b"SIP/")) for message in messages])
            hub.edge.take([(message, address) for message in messages], self, hub.now)
        if framer.begun is None:
            self.due = hub.now + self._quiet()
        else:
            self.due = framer.begun + hub.settings.deadline
        if framer.held != held and not hub.holds(framer.held - held):
            self.close(LIMIT)
            return
        if framer.pings:
            framer.pings, pings = 0, framer.pings
            self._put(PONG * pings)
        if framer.fault is not None and self.fd >= 0:
            self._refuse(framer.fault)

    def _quiet(self) -> float:
        """Return for how many seconds it may be silent."""
        return self._hub.settings.idle

    def _refuse(self, fault: Fault) -> None:
        """Say what is wrong, where that can be said, and end: nobody knows where the next message begins."""
        if fault.status and self._hub.edge.refuse(fault, self.address, self):
            self._unanswered += 1
        if self._unanswered > 0:
            self._end(FAULT)
        else:
            self.close(FAULT)

    # We send ----------------------------------------------------------------------------------------------------

    def send(self, replies: Sequence[tuple[bytes, Address]]) -> int:
        """Write the replies, wherever their Vias point; return how many were taken: all, or none if it is closed.

        Requests that go on to the peer leave in the same way.
        """
        self._unanswered -= sum([reply.startswith(b"SIP/") for reply, _ in replies])
        data = replies[0][0] if len(replies) == 1 else b"".join([reply for reply, _ in replies])
        taken = len(replies) if self._put(data) else 0
        if self._ending:
            self._part()
        return taken

    def _put(self, data: bytes) -> bool:
        """Write `data`, or keep what the kernel does not take; return False if the connection is closed."""
        if self.fd < 0:
            return False
        if self._backlog is None:
            try:
                sent = self._write(data)
            except OSError:
                self.close(PEER)
                return False
            if sent == len(data):
                return True
            data = data[sent:]
            self._backlog = bytearray()
            self._put_off()
            self._watch()
        self._backlog += data
        if not self._hub.holds(len(data)) or len(self._backlog) > MAX_UNREAD:
            self.close(UNREAD)
        return self.fd >= 0

    def _write(self, data: bytes | bytearray) -> int:
        """Return how many bytes of `data` were taken."""
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0

    def _send_backlog(self) -> None:
        assert self._backlog is not None
        try:
            sent = self._write(self._backlog)
        except OSError:
            self.close(PEER)
            return
        del self._backlog[:sent]
        self._hub.holds(-sent)
        if sent:
            self._put_off()
        if not self._backlog:
            self._backlog = None
            self._resume()

    def _resume(self) -> None:
        """Read again, after the peer has."""
        self.due = self._hub.now + self._hub.settings.deadline
        self._watch()
        if self._ending:
            self._part()
        elif self._framer.begun is None:
            self.due = self._hub.now + self._quiet()
        else:
            self._framer.begun = self._hub.now  # the pause was ours

    # The end ----------------------------------------------------------------------------------------------------

    @property
    def serves(self) -> bool:
        """Return whether more can be sent by it: it is open, and is not to end."""
        return self.fd >= 0 and not self._ending

    @property
    def unsent(self) -> bool:
        """Return whether there are replies that the peer has yet to read."""
        return self._backlog is not None

    def finish(self) -> None:
        """Close it when what was sent has been written, whatever else may be asked: a handler wants that."""
        if self.fd < 0:
            return
        self._unanswered = 0
        if self._ending in ("", STOP):
            self._ending = ""
            self._end(HANDLER)
        else:
            self._part()

    def part(self) -> None:
        """Close it, unless something is under way on it or it is too young; what has come by now is taken first."""
        if self._is_at_rest():
            self.on_events(READ, MOST)
            if self._is_at_rest():
                self.close(STOP)

    def _is_at_rest(self) -> bool:
        """Whether all that has come is answered, and enough time has gone by for a first request to have come."""
        is_busy = self._unanswered > 0 or self._backlog is not None or not self._is_between()
        return not (self._ending or is_busy) and self._hub.now >= self._since + PARTING

    def _is_between(self) -> bool:
        """Whether nothing has begun that has not ended, such as a message."""
        return self._framer.begun is None

    def stop(self) -> None:
        """Take no more requests; the answers to those that were taken can still be sent."""
        if not self._ending:
            self._ending = STOP
            self._watch()

    def expire(self) -> None:
        """Do what is to be done when `due` is over: close it, or see whether its peer reads."""
        if self._backlog is not None:
            self._send_backlog()  # epoll speaks up only when there is much room, not at the first byte
            if self._backlog is not None:
                self._look()
        else:
            self.close(IDLE if self._framer.begun is None else DEADLINE)

    def _look(self) -> None:
        """Give the peer more time if it has read something since we last looked; close it when its time is over.

        Of a TLS record, or of what lies in the kernel, it may have read much before there is room for more.
        """
        if self._acknowledged() > self._acked:
            self._put_off()
        elif self._give_up <= self._hub.now:
            self.close(UNREAD)
        else:
            self.due = min(self._give_up, self._hub.now + self._hub.settings.deadline / LOOKS)

    def _put_off(self) -> None:
        deadline = self._hub.settings.deadline
        self._acked = self._acknowledged()
        self._give_up = self._hub.now + deadline
        self.due = self._hub.now + deadline / LOOKS

    def _acknowledged(self) -> int:
        """Return how many bytes the peer's kernel has taken so far; 0 where ours does not say."""
        try:
            return int(_ACKED.unpack(self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED.size))[0])
        except (AttributeError, OSError, struct.error):
            return 0

    def close(self, reason: str) -> None:
        """Close it now; `reason` is one of those above, and is not asked for where it was ending already."""
        if self.fd < 0:
            return
        self._hub.forget(self, self._ending or reason)
        self._hub.holds(-self._framer.held - len(self._backlog or b""))
        self._backlog = None
        self._framer = Framer()  # a request that is still with a worker keeps this object, not what it has read
        self.fd = -1
        self._hang_up()
        self._sock.close()

    def _end(self, reason: str) -> None:
        """Close it when its answers are out, in PARTING seconds at most."""
        if self._ending:
            self.close(reason)
            return
        self._ending = reason
        if self._backlog is None:  # else the peer has until the deadline to read
            self.due = self._hub.now + PARTING
        self._watch()
        self._part()

    def _part(self) -> None:
        """Take the next step to the end, if all answers are out."""
        if self.fd < 0 or self._backlog is not None or self._unanswered > 0:
            return
        if self._ending == PEER:
            self.close(PEER)
        elif self._ending != STOP:
            self._hang_up()

    def _hang_up(self) -> None:
        """Tell the peer that nothing more will come; what it still sends, it may."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def _watch(self) -> None:
        if self._backlog is not None:
            self._hub.watch(self.fd, WRITE)
        else:
            self._hub.watch(self.fd, NOTHING if self._ending in (PEER, STOP) else READ)
