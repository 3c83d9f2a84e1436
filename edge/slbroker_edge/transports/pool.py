"""The connections that we have made: one to each place, dialled when there is something to send."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from slbroker.errors import ConfigError
from slbroker.listen import parse_listen_address
from slbroker_edge.transports.dialled import Dialled, DialledTls
from slbroker_edge.transports.tls import TlsConnections

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from slbroker.sip.reading import Address
    from slbroker_edge.destinations import Candidate
    from slbroker_edge.transports.connection import Connection
    from slbroker_edge.transports.streams import Streams

logger = logging.getLogger(__name__)

MAX_DIALLED: Final = 1_024  # of one process at once: strangers may choose hosts (--forward-domains)
# Seconds until a place is dialled again that could not be had: who repeats a request in between is answered at once,
# since what has waited for the connection is lost.
REST: Final = 2.0
SAY_AGAIN: Final = 10.0  # seconds between two log lines about the same place
SAY_MORE: Final = 1.0  # ... and about any: phones whose connections are gone are places, too

# Transport, host, port, whom a certificate is for, our own address, and the link that the host is on.
Key: TypeAlias = tuple[str, str, int, str, str, int]


class Pool:
    """The outgoing connections of one process."""

    def __init__(
        self,
        streams: Callable[[], Streams],
        context: Callable[[], ssl.SSLContext],
        failed: Callable[[Candidate, float, str], None],
    ) -> None:
        """`streams` returns the connections of this process, `context` how to trust servers over TLS.

        `failed` is told of places to which there is no connection, and why.
        """
        self._streams = streams
        self._context = context
        self._failed = failed
        self._tls: TlsConnections | None = None
        self._open: dict[Key, Connection] = {}
        self._silent_until: dict[Key, float] = {}
        self._resting: dict[Key, float] = {}
        self._next_line = 0.0

    def connection(self, candidate: Candidate, address: Address, now: float) -> Connection | None:
        """Return a connection to a place, one that stands or is on its way; None where none can be had."""
        place = candidate.place
        key = (
            place.transport,
            place.host,
            place.port,
            place.name if place.transport == "tls" else "",
            candidate.socket,
            address[3] if len(address) == 4 else 0,
        )
        known = self._open.get(key)
        if known is not None:
            if known.serves:
                return known
            del self._open[key]
        if now < self._resting.get(key, 0.0):
            return None
        if len(self._open) >= MAX_DIALLED:
            self._sweep()
        if len(self._open) >= MAX_DIALLED:
            self._say(key, now, f"{MAX_DIALLED} connections are open")
            return None
        own = parse_listen_address(candidate.socket).host if candidate.socket else ""
        try:
            made = self._streams().dial(address, own, partial(self._make, candidate, address, key), now)
        except (OSError, ConfigError) as error:
            self._has_failed(candidate, key, getattr(error, "strerror", None) or str(error), now)
            return None
        self._open[key] = made
        return made

    def _make(self, candidate: Candidate, address: Address, key: Key, sock: socket.socket) -> Connection:
        streams, place = self._streams(), candidate.place
        name = streams.name_for(place.transport, sock)
        failed = partial(self._has_failed, candidate, key)
        if place.transport == "tcp":
            return Dialled(sock, address, name, streams, failed)
        if self._tls is None:
            self._tls = TlsConnections(self._context())
        return DialledTls(sock, address, name, streams, self._tls, place.name, failed)

    def trust_anew(self) -> None:
        """Read again how to trust servers, for connections to come."""
        self._tls = None

    def _has_failed(self, candidate: Candidate, key: Key, why: str, now: float = 0.0) -> None:
        now = now or self._streams().now
        if len(self._resting) >= MAX_DIALLED:
            self._resting.clear()
        self._resting[key] = now + REST
        self._say(key, now, why)
        self._failed(candidate, now, why)

    def _say(self, key: Key, now: float, why: str) -> None:
        if now < max(self._silent_until.get(key, 0.0), self._next_line):
            return
        self._next_line = now + SAY_MORE
        if len(self._silent_until) >= MAX_DIALLED:
            self._silent_until.clear()
        self._silent_until[key] = now + SAY_AGAIN
        logger.warning("no connection to %s:%s:%d: %s", *key[:3], why)

    def _sweep(self) -> None:
        self._open = {key: one for key, one in self._open.items() if one.serves}
