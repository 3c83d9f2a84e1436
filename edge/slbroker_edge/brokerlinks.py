"""An edge's connections to its brokers: one for each broker and pool, each an account at the dispatcher.

The dispatcher knows a connection by its identity alone, be it a worker's at the edge's own socket or one of these; so
here is decided which socket an envelope leaves by.
"""

from __future__ import annotations

import logging
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from slbroker.bus import envelope
from slbroker.bus.curve import load_client
from slbroker.bus.dealer import SILENT, Dealer
from slbroker.bus.envelope import Kind
from slbroker.bus.reach import warn_of_client_port
from slbroker.bus.sockets import connect_dealer
from slbroker.settings.bus import BusSecurity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    import zmq

    from slbroker.bus.address import BusAddress
    from slbroker.bus.curve import ClientKeys
    from slbroker.bus.dispatcher import Dispatcher
    from slbroker.settings.bus import BrokerAccess

logger = logging.getLogger(__name__)

_WHO, *_EMPTY = envelope.encode(Kind.WHO)


def load_keys(brokers: BrokerAccess, security: BusSecurity | None) -> dict[BusAddress, ClientKeys | None]:
    """Return what is needed to connect to each broker, None without encryption; raise ConfigError."""
    if not brokers.keys:
        return dict.fromkeys(brokers.addresses)
    assert security is not None
    return {**load_client(BusSecurity(security.key, None, brokers.keys), brokers.addresses)}


class BrokerLinks:
    """The connections of one edge process. Make it on a running loop, `close` it before its ZeroMQ context ends."""

    def __init__(
        self,
        dispatcher: Dispatcher[Any],
        on_envelope: Callable[[list[bytes]], None],
        on_turn: Callable[[], None],
        *,
        ticks: float,
    ) -> None:
        """`on_envelope` is called with identity and frames, as for a worker's; `on_turn` after the last of a turn.

        `ticks` is the time between two calls of `tick`, in seconds.
        """
        self._dispatcher = dispatcher
        self._on_envelope = on_envelope
        self._on_turn = on_turn
        self._ticks = ticks
        self._dealers: dict[bytes, Dealer] = {}
        self._names: dict[bytes, str] = {}

    def open(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        brokers: Mapping[BusAddress, ClientKeys | None],
        pools: Collection[str],
    ) -> None:
        """Connect to each of `brokers`, with its keys, for each of `pools`; one that comes later is met then."""
        for address, curve in brokers.items():
            warn_of_client_port(address)
            for pool in sorted(pools):
                # Not what ROUTER calls anybody, nor what a worker could know and call itself.
                identity = b"\0broker" + secrets.token_bytes(8)
                connect, hear = partial(connect_dealer, context, curve=curve), partial(self._hear, identity)
                fault = partial(self._on_fault, identity)
                turn = partial(self._end_turn, identity)
                self._dealers[identity] = Dealer(address, connect, hear, turn, fault, ticks=self._ticks)
                self._names[identity] = f"the broker at {address}, asked for workers of pool {pool}"
                self._dispatcher.meet(identity, pool)

    def _hear(self, identity: bytes, frames: list[bytes]) -> None:
        if frames[0] == _WHO and frames[1:] != _EMPTY:  # what we say to brokers
            # Linux gave our own connection the port that we were calling (a simultaneous open).
            logger.warning("%s: its port was given to this edge itself; hanging up", self._names[identity])
            self._dealers[identity].hang_up()
        elif frames[0] == _WHO:  # a broker that was started again: what the last one had, nobody answers
            self._dispatcher.lose(identity, time.monotonic(), "it was started again")
        else:
            self._on_envelope([identity, *frames])

    def _end_turn(self, identity: bytes) -> None:
        """End a turn in which a broker spoke or was connected: one that has said nothing of itself is asked."""
        self._dispatcher.greet(identity)
        self._on_turn()

    def send(self, outgoing: list[tuple[bytes, list[bytes]]], now: float) -> list[tuple[bytes, list[bytes]]]:
        """Send what is for a broker, and return the rest. A broker that cannot be reached has lost its account."""
        rest: list[tuple[bytes, list[bytes]]] = []
        batches: dict[bytes, list[list[bytes]]] = {}
        for identity, frames in outgoing:
            if identity in self._dealers:
                batches.setdefault(identity, []).append(frames)
            else:
                rest.append((identity, frames))
        for identity, messages in batches.items():
            if self._dealers[identity].send(messages):
                self._dispatcher.refuse(identity, now)
        return rest

    def tick(self, now: float) -> None:
        """Look after silent brokers. One that has no worker in the pool is silent too; a new connection is no harm."""
        for identity, dealer in self._dealers.items():
            if dealer.tick():
                self._dispatcher.lose(identity, now, "silent; connecting anew")  # it does not know the new connection

    def _on_fault(self, identity: bytes, fault: str) -> None:
        if fault == SILENT:
            fault = "it is silent; does it have such workers, and do the bus keys fit?"
        logger.warning("%s: %s", self._names[identity], fault)

    def close(self) -> None:
        """Close the sockets."""
        for dealer in self._dealers.values():
            dealer.close()
