"""Connections that we make, to next hops and back to peers whose own is gone (RFC 3261 18.1.1, 18.2.2).

Nobody waits for one: it is dialled when there is something to send, and keeps that until it stands, or cannot be had.
From then on it is a connection like any other. Requests that come by it are taken, too: peers may use it both ways
(RFC 5923).
"""

from __future__ import annotations

import os
import select
import socket
import ssl
from typing import TYPE_CHECKING, Final

from slbroker_edge.transports.connection import PEER, WRITE, Connection
from slbroker_edge.transports.tls import TlsConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.sip.reading import Address
    from slbroker_edge.transports.connection import Hub
    from slbroker_edge.transports.tls import TlsConnections

PATIENCE: Final = 4.0  # seconds until a connection has to stand; by then its requests have been repeated
# Seconds after which one is closed that nothing has come by: before the peer does so, or a request could cross that.
# Kamailio and OpenSIPS close theirs after 120 s.
QUIET: Final = 90.0
DIAL: Final = "dial"  # why one has ended: it could not be had


def _trouble(sock: socket.socket, events: int) -> str:
    """Return why a connection cannot be had, "" where that is still open."""
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        return os.strerror(error)
    return "it was closed at once" if events & (select.EPOLLHUP | select.EPOLLERR) else ""


class _Made(Connection):
    """What the connections that we make have in common. `_failed` is called, once, where one cannot be had."""

    __slots__ = ()
    _failed: Callable[[str], None]
    _is_heard: bool  # something has come by it

    def _fail(self, why: str) -> None:
        self._failed(why)
        self.close(DIAL)

    def _quiet(self) -> float:
        return min(QUIET, super()._quiet())

    def part(self) -> None:
        """Leave it as long as may be: replies to what has gone on may come by it."""

    def expire(self) -> None:
        """Give it up, where it does not stand yet; else as any connection."""
        if self.stands:
            super().expire()
        else:
            self._fail(f"no connection within {PATIENCE:g} s")

    def close(self, reason: str) -> None:
        """Close it now. A peer that has done so without a word is as one that is not there."""
        if reason == PEER and self.fd >= 0 and not self._is_heard and not self._ending:
            self._failed("it was closed without a word")
        super().close(reason)


class Dialled(_Made):
    """A connection over plain TCP that we make."""

    __slots__ = ("_failed", "_is_heard", "_is_up")

    def __init__(
        self, sock: socket.socket, address: Address, name: str, hub: Hub, failed: Callable[[str], None]
    ) -> None:
        """`sock` is being connected; `failed` is told why that cannot be."""
        super().__init__(sock, address, name, hub)
        self.due = hub.now + PATIENCE
        self._backlog = bytearray()
        self._failed = failed
        self._is_heard = False
        self._is_up = False

    def _take(self, data: bytes) -> None:
        self._is_heard = True
        super()._take(data)

    @property
    def stands(self) -> bool:
        """Whether the peer has taken it."""
        return self._is_up

    def on_events(self, events: int, room: int) -> None:
        """See whether it stands; when it does, what any connection does."""
        if self._is_up:
            super().on_events(events, room)
        elif trouble := _trouble(self._sock, events):
            self._fail(trouble)
        elif events & WRITE:
            self._is_up = True
            self._send_backlog()


class DialledTls(_Made, TlsConnection):
    """A connection over TLS that we make; the certificate has to be for the host that the next hop names."""

    __slots__ = ("_failed", "_host", "_is_connected", "_is_heard")

    def __init__(
        self,
        sock: socket.socket,
        address: Address,
        name: str,
        hub: Hub,
        makers: TlsConnections,
        host: str,
        failed: Callable[[str], None],
    ) -> None:
        """`host` is whom the certificate has to name; the rest is as `Dialled` has it."""
        TlsConnection.__init__(self, sock, address, name, hub, makers)
        self.due = hub.now + PATIENCE
        self._backlog = bytearray()
        self._failed = failed
        self._host = host
        self._is_heard = False
        self._is_connected = False

    def _take(self, data: bytes) -> None:
        self._is_heard = True
        super()._take(data)

    @property
    def stands(self) -> bool:
        """Whether the peer has taken it, and hands are shaken."""
        return not self._shaking

    def on_events(self, events: int, room: int) -> None:
        """See whether it is connected; then do the next step of the handshake; then what any connection does."""
        if self._is_connected:
            super().on_events(events, room)
        elif trouble := _trouble(self._sock, events):
            self._fail(trouble)
        elif events & WRITE:
            self._is_connected = True
            super().on_events(events, room)

    def _wrap(self) -> ssl.SSLSocket:
        context = self._makers.context
        return context.wrap_socket(self._sock, server_hostname=self._host, do_handshake_on_connect=False)

    def _refused(self, error: Exception) -> None:
        if isinstance(error, ssl.SSLCertVerificationError):
            self._fail(f"its certificate is not good: {error.verify_message}; --next-hop-ca FILE says whom to trust")
        else:
            self._fail(f"no TLS: {getattr(error, 'reason', None) or error}")

    def _shaken(self) -> None:
        super()._shaken()
        self._send_backlog()
