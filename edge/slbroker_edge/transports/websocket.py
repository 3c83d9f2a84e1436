"""SIP over WebSocket (RFC 7118), plain and secure: the frames around what is a connection like any other."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from websockets.frames import CloseCode
from websockets.typing import Origin

from slbroker_edge.transports.connection import DEADLINE, IDLE, LIMIT, PEER, READ, STOP, WRITE, Connection
from slbroker_edge.transports.tls import TlsConnection
from slbroker_edge.transports.wsframes import Session

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from slbroker.sip.reading import Address
    from slbroker_edge.transports.streams import Streams
    from slbroker_edge.transports.tls import TlsConnections

MOST: Final = 16_384  # bytes read at once: a TLS record holds as many, and few frames fit in
FRAMES: Final = 512  # in one turn of the loop, over all connections: some 10 ms, then it is UDP's turn
NO_ORIGIN: Final = "none"  # how the user writes: clients that send no Origin, which no browser does

# RFC 6455 7.4.1: what a peer is told when we close.
_CODES: Final = {
    STOP: CloseCode.GOING_AWAY,
    IDLE: CloseCode.GOING_AWAY,
    DEADLINE: CloseCode.POLICY_VIOLATION,
    LIMIT: CloseCode.TRY_AGAIN_LATER,
}


class WebSockets:
    """Makes WebSocket connections, and shares out among them the frames that there is time for."""

    def __init__(self, origins: Sequence[str], tls: TlsConnections | None) -> None:
        """`origins` are the sites whose pages are served, all where it is empty; `tls` is for secure ones."""
        self.origins = [None if origin == NO_ORIGIN else Origin(origin) for origin in origins] or None
        self._tls = tls
        self._turn = -1.0
        self._frames = 0

    def plain(self, sock: socket.socket, address: Address, name: str, hub: Streams) -> Connection:
        """Return a connection over TCP."""
        return WebSocket(sock, address, name, hub, self)

    def secure(self, sock: socket.socket, address: Address, name: str, hub: Streams) -> Connection:
        """Return a connection over TLS."""
        assert self._tls is not None
        return SecureWebSocket(sock, address, name, hub, self, self._tls)

    def may_read(self, now: float) -> bool:
        """Return whether there is time for more frames in the turn of `now`."""
        if now != self._turn:
            self._turn, self._frames = now, 0
        return self._frames < FRAMES

    def count(self, frames: int) -> None:
        """Note that so many were read."""
        self._frames += frames


class _Framed(Connection):
    """What plain and secure WebSockets share; itself the listener of requests that came as text."""

    __slots__ = ()
    _session: Session
    _websockets: WebSockets

    # The peer sends ---------------------------------------------------------------------------------------------

    def on_events(self, events: int, room: int) -> None:
        """Do what epoll says can be done, unless others have had this turn's time."""
        session = self._session
        if events & READ and not self._websockets.may_read(self._hub.now):
            events &= WRITE
            if not events:
                return
        super().on_events(events, min(room, MOST))
        if not session.is_open and session.begun is not None:  # one deadline for TLS and HTTP together
            self.due = min(self.due, session.begun + self._hub.settings.deadline)

    def _take(self, data: bytes) -> None:
        hub, session = self._hub, self._session
        held = session.held
        messages = session.feed(data, hub.now)
        self._websockets.count(session.frames)
        for is_text in (True, False):
            batch = [(message.data, self.address) for message in messages if message.is_text is is_text]
            if batch:
                self._unanswered += sum([not data.startswith((b"ACK ", b"SIP/")) for data, _ in batch])
                hub.edge.take(batch, self if is_text else BinaryFrames(self), hub.now)
        self._rest()
        if session.held != held and not hub.holds(session.held - held):
            self.close(LIMIT)
            return
        output = session.output()
        if output:
            self._put(output)
        if session.over and self.fd >= 0:
            self._unanswered = 0  # behind a closing frame there are no answers (RFC 6455 5.5.1)
            self._end(session.over)

    def _rest(self) -> None:
        """Set when to close it, unless something happens."""
        begun, settings = self._session.begun, self._hub.settings
        self.due = self._hub.now + settings.idle if begun is None else begun + settings.deadline

    # We send ----------------------------------------------------------------------------------------------------

    def send(self, replies: Sequence[tuple[bytes, Address]]) -> int:
        """Write the replies to requests that came as text; return how many were taken: all, or none."""
        return self.send_frames(replies, is_text=True)

    def send_frames(self, replies: Sequence[tuple[bytes, Address]], *, is_text: bool) -> int:
        """Write each reply in a frame of its own; return how many were taken: all, or none if it is closed."""
        session = self._session
        if self.fd < 0 or not session.is_open:
            return 0
        self._unanswered -= sum([reply.startswith(b"SIP/") for reply, _ in replies])
        data = b"".join([session.wrap(reply, is_text=is_text) for reply, _ in replies])
        taken = len(replies) if self._put(data) else 0
        if self._ending:
            self._part()
        return taken

    def _resume(self) -> None:
        """Read again, after the peer has."""
        super()._resume()
        if self.fd >= 0 and not self._ending:
            if self._session.begun is not None:
                self._session.begun = self._hub.now  # the pause was ours
            self._rest()

    # The end ----------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Close it behind a closing frame, when what was sent has been written."""
        if self.fd >= 0 and self._session.is_open:
            self._put(self._session.say_goodbye(CloseCode.NORMAL_CLOSURE))
        super().finish()

    def _is_between(self) -> bool:
        return self._session.is_open and self._session.begun is None

    def stop(self) -> None:
        """Take no more requests; without a handshake there can be none."""
        if self._session.is_open:
            super().stop()
        else:
            self.close(STOP)

    def expire(self) -> None:
        """Close it because `due` is over; but ask first whether a silent peer is still there."""
        session = self._session
        if self._backlog is not None or self._ending:
            super().expire()
        elif session.begun is not None:
            self.close(DEADLINE)
        elif session.asked:
            self.close(IDLE)
        else:
            self.due = self._hub.now + self._hub.settings.deadline
            self._put(session.ask())

    def close(self, reason: str) -> None:
        """Close it now, with a closing frame where one can still be sent."""
        if self.fd < 0:
            return
        self._hub.holds(-self._session.held)
        code = _CODES.get(self._ending or reason, CloseCode.NORMAL_CLOSURE)
        last_words = self._session.close(code)
        if last_words and reason != PEER and self._backlog is None:
            with suppress(OSError):
                self._write(last_words)
        super().close(reason)


class WebSocket(_Framed):
    """A WebSocket over TCP."""

    __slots__ = ("_session", "_websockets")

    def __init__(self, sock: socket.socket, address: Address, name: str, hub: Streams, websockets: WebSockets) -> None:
        super().__init__(sock, address, name, hub)
        self.due = hub.now + hub.settings.deadline
        self._websockets = websockets
        self._session = Session(websockets.origins, hub.now)


class SecureWebSocket(_Framed, TlsConnection):
    """A WebSocket over TLS."""

    __slots__ = ("_session", "_websockets")

    def __init__(
        self,
        sock: socket.socket,
        address: Address,
        name: str,
        hub: Streams,
        websockets: WebSockets,
        tls: TlsConnections,
    ) -> None:
        TlsConnection.__init__(self, sock, address, name, hub, tls)
        self._websockets = websockets
        self._session = Session(websockets.origins, hub.now)


class BinaryFrames:
    """A WebSocket as the listener of requests that came in binary frames: their replies are binary too."""

    __slots__ = ("_connection", "name")

    def __init__(self, connection: _Framed) -> None:
        self._connection = connection
        self.name = connection.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BinaryFrames) and self._connection is other._connection

    def __hash__(self) -> int:
        return hash(self._connection)

    def send(self, replies: Sequence[tuple[bytes, Address]]) -> int:
        """Write the replies; return how many were taken: all, or none if it is closed."""
        return self._connection.send_frames(replies, is_text=False)

    @property
    def connection(self) -> bytes:
        """What the connection is called."""
        return self._connection.connection

    @property
    def stands(self) -> bool:
        """Whether the peer has taken it: it has come to us."""
        return True

    def finish(self) -> None:
        """Close the connection when what was sent has been written."""
        self._connection.finish()
