"""Who may connect to a bus: the ZAP handler (ZeroMQ's RFC 27) that libzmq asks about each new connection.

pyzmq has one too. This one accepts nobody without CURVE, says which key it turned away, costs 20 kB instead of 600,
and knows of each message whose it is, so that a key taken out of the list is out at once. libzmq itself looks at the
list only when a connection is made.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import zmq
from zmq.utils import z85

from slbroker.bus.curve import DOMAIN, client_files, load_clients, load_pair
from slbroker.bus.frames import EVENTS, POLLIN
from slbroker.bus.sockets import BusSocket
from slbroker.errors import ConfigError
from slbroker.filewatch import Watch

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from slbroker.settings.bus import BusSecurity

logger = logging.getLogger(__name__)

ENDPOINT: Final = "inproc://zeromq.zap.01"
VERSION: Final = b"1.0"
MAX_OWNERS: Final = 16_384  # connections whose keys are remembered
MAX_NAMED: Final = 64  # unknown keys that are logged until the next reload: anybody can make up more


class ZapHandler:
    """Lets known keys in, to all sockets of one context that `curve.make_server` has prepared.

    `start` it before the first of them is bound; `reload` reads the known keys again, `watch` tells when that is due;
    `close` it after them.
    """

    def __init__(self, security: BusSecurity) -> None:
        """Read the keys; raises ConfigError."""
        if security.clients is None:
            raise ConfigError("who may connect to the bus? name their public keys with --bus-clients DIRECTORY")
        self.pair = load_pair(security.key)
        self._path = security.clients
        self.watch = Watch((self._path,), time.monotonic())
        self._follow()
        self._known = load_clients(self._path)
        self._named: set[bytes] = set()
        # For each socket: whose its connections are, and whom to tell of one that is not welcome any more.
        self._doors: list[tuple[dict[bytes, bytes], Callable[[bytes], None]]] = []
        self._bus: BusSocket | None = None

    def start(self, loop: asyncio.AbstractEventLoop, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        """Answer libzmq's questions about the sockets of `context`."""
        handler = context.socket(zmq.ROUTER)
        handler.set(zmq.LINGER, 0)
        handler.bind(ENDPOINT)
        self._bus = BusSocket(loop, handler, self._on_question, lambda: None)
        if not self._known:
            logger.warning("bus: %s holds no public key, so nobody can connect; put some there", self._path)

    def _on_question(self, frames: list[bytes]) -> None:
        """Answer whether a connection may be had: yes, or not at all.

        A client that is told no never connects again: libzmq gives up. One that hears nothing is hung up on after
        HANDSHAKE_IVL, and tries again. So a worker need not be started again when its key has been added here.
        """
        requester, _, _version, number, domain, _address, _identity, mechanism, *credentials = frames
        if domain != DOMAIN or mechanism != b"CURVE" or len(credentials) != 1:
            return
        key = z85.encode(credentials[0])
        if key not in self._known:
            self._name(key)
            return
        assert self._bus is not None
        self._bus.send([[requester, b"", VERSION, number, b"200", b"OK", key, b""]])

    def _name(self, key: bytes) -> None:
        if key not in self._named and len(self._named) < MAX_NAMED:
            self._named.add(key)
            logger.warning(
                "bus: refused a client with the public key %s; to accept it, put its .key file into %s",
                key.decode(), self._path,
            )  # fmt: skip

    def receiver(
        self, zsocket: zmq.Socket[bytes], on_revoked: Callable[[bytes], None]
    ) -> Callable[[], list[bytes] | None]:
        """Return how to take a message from `zsocket`: [] for one from a key that is no longer known, None without any.

        `on_revoked` is told the identity of each connection whose key is taken out: libzmq cannot hang up on one.
        """
        owners: dict[bytes, bytes] = {}
        self._doors.append((owners, on_revoked))

        def receive() -> list[bytes] | None:
            if not int(zsocket.get(EVENTS)) & POLLIN:
                return None
            frames = zsocket.recv_multipart(zmq.NOBLOCK, copy=False)
            key = str(frames[-1].get("User-Id")).encode()
            if key not in self._known:
                return []
            identity = frames[0].bytes
            if len(owners) >= MAX_OWNERS:
                owners.clear()  # most are gone; who is there speaks every 0.25 s
            owners[identity] = key
            return [identity, *(frame.bytes for frame in frames[1:])]

        return receive

    def reload(self) -> None:
        """Read the known keys again; raise KeyFileError, and keep the old ones, when that cannot be done."""
        self._follow()
        self.watch.look()
        known = load_clients(self._path)
        gone, new = (len(keys) for keys in (self._known.keys() - known.keys(), known.keys() - self._known.keys()))
        self._known = known
        self._named.clear()
        for owners, on_revoked in self._doors:
            for identity in [identity for identity, key in owners.items() if key not in known]:
                del owners[identity]
                on_revoked(identity)
        logger.info("bus: %d clients known from %s, %d of them new, %d gone", len(known), self._path, new, gone)

    def _follow(self) -> None:
        """Watch the files that there are now; the directory itself tells of others."""
        with suppress(OSError):  # what is wrong, whoever reads them says
            self.watch.turn_to((self._path,), client_files(self._path))

    def close(self) -> None:
        """Answer no more."""
        if self._bus is not None:
            self._bus.close()
