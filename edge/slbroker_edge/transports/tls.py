"""SIP over TLS (RFC 3261 26.2.1): the handshake before, and the alert behind, what is a connection like any other."""

from __future__ import annotations

import logging
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from slbroker_edge.transports.connection import DEADLINE, PEER, READ, STOP, WRITE, Connection

if TYPE_CHECKING:
    import socket

    from slbroker.sip.reading import Address
    from slbroker_edge.transports.connection import Hub
    from slbroker_edge.transports.streams import Streams

logger = logging.getLogger(__name__)

RECORD: Final = 16_384  # bytes of a TLS record at most (RFC 8446 5.1); read whole, none of it stays behind unseen
HANDSHAKES: Final = 8  # steps in one turn of the loop: each may cost a millisecond of arithmetic
HANDSHAKE: Final = "handshake"  # why a connection ended: no common version, no certificate that we trust, no TLS


class TlsConnections:
    """Makes TLS connections, with the certificate that is in force when each begins."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self._turn = 0
        self._steps = 0

    def __call__(self, sock: socket.socket, address: Address, name: str, hub: Streams) -> Connection:
        """Return the connection; its handshake begins when the client speaks."""
        return TlsConnection(sock, address, name, hub, self)

    def may_step(self, turn: int) -> bool:
        """Return whether there is time for another step of a handshake in this turn."""
        if turn != self._turn:
            self._turn, self._steps = turn, 0
        self._steps += 1
        return self._steps <= HANDSHAKES


class TlsConnection(Connection):
    """A connection over TLS. Until its handshake is done, nothing else happens on it."""

    __slots__ = ("_makers", "_shaking", "_tls")

    def __init__(self, sock: socket.socket, address: Address, name: str, hub: Hub, makers: TlsConnections) -> None:
        super().__init__(sock, address, name, hub)
        self.due = hub.now + hub.settings.deadline
        self._makers = makers
        self._shaking = True
        self._tls: ssl.SSLSocket | None = None  # made late: many connect that never speak

    def on_events(self, events: int, room: int) -> None:
        """Do the next step of the handshake; when it is done, what any connection does."""
        if not self._shaking:
            super().on_events(events, RECORD)
        elif not events & (READ | WRITE):
            self.close(PEER)
        elif self._makers.may_step(self._hub.turn):
            self._shake()

    def _shake(self) -> None:
        try:
            if self._tls is None:
                self._tls = self._sock = self._wrap()
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._hub.watch(self.fd, READ)
        except ssl.SSLWantWriteError:
            self._hub.watch(self.fd, WRITE)
        except (OSError, ValueError) as error:
            self._refused(error)
        else:
            self._shaken()

    def _wrap(self) -> ssl.SSLSocket:
        return self._makers.context.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)

    def _refused(self, error: Exception) -> None:
        logger.debug("TLS handshake with %s failed: %s", self.address[0], error)
        self.close(HANDSHAKE)

    def _shaken(self) -> None:
        """Go on, now that the handshake is done."""
        self._shaking = False
        self.due = self._hub.now + self._quiet()
        self._watch()

    def _read(self, room: int) -> bytes | None:
        try:
            return self._sock.recv(room)
        except ssl.SSLWantReadError:
            return None

    def _write(self, data: bytes | bytearray) -> int:
        """Return how many bytes of `data` were taken, a record after the other: OpenSSL takes all it is given, or none.

        It remembers what it has not taken, and wants to be given the same again; the backlog begins with it.
        """
        sent = 0
        with suppress(ssl.SSLWantWriteError):
            while sent < len(data):
                sent += self._sock.send(data[sent : sent + RECORD])
        return sent

    def _is_between(self) -> bool:
        return not self._shaking and super()._is_between()

    def stop(self) -> None:
        """Take no more requests; without a handshake there can be none."""
        if self._shaking:
            self.close(STOP)
        else:
            super().stop()

    def expire(self) -> None:
        """Close it because `due` is over."""
        if self._shaking:
            self.close(DEADLINE)
        else:
            super().expire()

    def _hang_up(self) -> None:
        """Send the closing alert (RFC 8446 6.1) first."""
        if self._tls is not None and not self._shaking:
            with suppress(OSError, ValueError):
                self._tls.unwrap()
        super()._hang_up()
