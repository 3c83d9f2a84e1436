"""A worker's connection to one edge process."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from slbroker.bus.dealer import Dealer
from slbroker.bus.membership import LEAVES, Membership, Standing
from slbroker.bus.memo import Kept
from slbroker.bus.sockets import connect_dealer
from slbroker.logline import shown

if TYPE_CHECKING:
    import zmq

    from slbroker.bus.address import BusAddress
    from slbroker.bus.curve import ClientKeys
    from slbroker.bus.envelope import Answer
    from slbroker.bus.items import Item
    from slbroker.plugin.responder import Responder

logger = logging.getLogger(__name__)


class Owner(Protocol):
    """What a link belongs to: a worker."""

    @property
    def context(self) -> zmq.Context[zmq.Socket[bytes]]:
        """Return what sockets are made in."""

    def take(self, link: Link, frames: list[bytes]) -> None:
        """Take the frames of one envelope."""

    def meet(self, link: Link) -> None:
        """Take note that the edge has welcomed us, or says something new of itself."""

    def figures(self) -> dict[str, Any]:
        """Return what statistics say of the worker."""

    def part(self, link: Link, parted: str, now: float) -> None:
        """Take note that the edge has gone; `parted` says how."""

    def tell(self) -> None:
        """Take note that answers have left."""


class Link:
    """The worker's connection to one edge process: a socket and its standing there."""

    is_told_of_forwarding = False  # whether a line says that this edge lets no request go on

    def __init__(
        self,
        owner: Owner,
        address: BusAddress,
        keys: ClientKeys | None,
        hello: dict[str, Any],
        *,
        credit: int,
        ticks: float,
    ) -> None:
        """`hello` is as `Membership` has it; `credit` is the most that it ever offers, `ticks` are seconds."""
        self.address = address
        self.keys = keys
        self.membership = Membership(hello)
        self.known: dict[str, Any] = {}  # what the edge that was announced has said of itself, none while it is gone
        self._welcome: dict[str, Any] = {}  # the last one that was looked at
        self._owner = owner
        connect = partial(connect_dealer, owner.context, curve=keys, credit=credit)
        take = partial(owner.take, self)
        self._dealer = Dealer(address, connect, take, self._on_turn, self._on_fault, ticks=ticks)

    @property
    def name(self) -> str:
        """The edge's name and address, for the log."""
        return f"edge {self.known.get('edge')} at {self.address}"

    def _on_fault(self, fault: str) -> None:
        logger.warning("no edge is reached at %s: %s", self.address, fault)

    def _on_turn(self) -> None:
        if self.membership.is_asked:
            self.membership.tell(self._owner.figures())
        self.flush(time.monotonic())
        if self.membership.edge is not self._welcome and self.membership.standing is Standing.MEMBER:
            self._welcome = self.membership.edge
            self._owner.meet(self)

    def flush(self, now: float) -> None:
        """Send the answers that are ready, and what else is due."""
        refused = self._dealer.send(self.membership.send(now))
        if refused:
            self.membership.take_back(refused)
        if self.membership.parted:
            parted, self.membership.parted = self.membership.parted, ""
            if self.known:  # else it leaves still, and has answered one more HELLO
                level = logging.INFO if parted == LEAVES else logging.WARNING
                logger.log(level, "%s %s; %d requests of its are open here", self.name, parted, self.membership.open)
                self._owner.part(self, parted, now)
            self.known = {}  # so that it is told when it is back
        self._owner.tell()

    def tick(self, now: float) -> None:
        """Say what is due; look after an edge that is silent."""
        self.flush(now)
        if self.membership.hears_itself:
            # Linux gave our own connection the port that we were calling (a simultaneous open), where no edge can bind.
            self.membership.hears_itself = False
            logger.warning(
                "the port of %s was given to this handler itself; hanging up, so that an edge can have it", self.address
            )
            self._dealer.hang_up()
        self._dealer.tick()

    def words_of(self, item: Item, answer: Answer | Kept, responder: Responder) -> tuple[Any, ...]:
        """Return an answer to a request of this edge, and its memo where it has one, as they stand in REPLIES."""
        words = answer.words if isinstance(answer, Kept) else (answer,)
        if type(words[0]) is not dict or self.membership.forwards:
            return words
        if not words[0] and item.method in (b"ACK", b"CANCEL"):  # as if no worker had asked for it
            return (None,)
        if not self.is_told_of_forwarding:
            self.is_told_of_forwarding = True
            logger.error(
                "%s %s: %s lets it go on, and %s forwards nothing: it, or an edge behind it, is of an older "
                "slbroker; 500 in its place (this is said once)",
                shown(item.method), shown(item.message.uri), responder.name_of(item), self.name,
            )  # fmt: skip
        return (responder.apologise(item),)

    def close(self) -> None:
        """Close the socket."""
        self._dealer.close()
