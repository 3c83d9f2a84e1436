"""The side of a broker that edges see: to each it is a worker, one for each pool that the edge looks for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from slbroker.broker.batches import Link
from slbroker.bus import envelope
from slbroker.bus.account import MAX_CREDIT, MAX_NAME
from slbroker.bus.dispatcher import CONNECTION_GONE
from slbroker.bus.envelope import Kind
from slbroker.bus.keycheck import read_labels
from slbroker.bus.losses import Losses, shown
from slbroker.errors import EnvelopeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.broker.batches import Batch
    from slbroker.bus.account import Offer

logger = logging.getLogger(__name__)

NO_ACCOUNT: Final = "it has no account for this broker any more"  # it may say so every 0.25 s
MAX_LINKS: Final = 4_096  # one for each pool of each edge process
MAX_ROUTES: Final = 1_024  # named in one LOST; an array may have four times as many
MAX_TIMEOUT: Final = 3_600.0  # seconds, of an edge's handlers


class Edges:
    """The edges of one broker, by their connections."""

    def __init__(self, offer_of: Callable[[str], Offer | None]) -> None:
        """`offer_of` returns what the workers of a pool offer now, None when there are none."""
        self.links: dict[bytes, Link] = {}
        self.outgoing: list[tuple[bytes, list[bytes]]] = []
        self.garbage = 0  # envelopes that could not be read, or were out of order
        self.handler_timeout = 0.0  # the longest that an edge has told, in seconds
        self._losses = Losses(logger)
        self._now = 0.0  # when somebody was last heard, or the clock looked at
        self.rekeyed: set[str] = set()  # pools whose edges may have other keys than before
        self._offer_of = offer_of

    # What they say ----------------------------------------------------------------------------------------------

    def hear(self, kind: Kind, identity: bytes, info: dict[str, Any], now: float) -> None:
        """Take what is neither a batch nor about one; raise EnvelopeError when it is not in order."""
        self._now = now
        if kind is Kind.WHO:
            self._who(identity, info, now)
        elif kind in (Kind.WELCOME, Kind.HEARTBEAT, Kind.GOODBYE):
            link = self.recognise(identity, now)
            if link is None:
                return
            if kind is Kind.WELCOME:
                self.handler_timeout = max(self.handler_timeout, _timeout_of(info))
                self._learn_keys(link, read_labels(info, "keys"))
                link.closes = info.get("closes") is True
            elif kind is Kind.GOODBYE and link.is_parting:
                link.is_member = link.is_parting = False  # else the edge leaves, and heartbeats tell when it is gone
        else:
            raise EnvelopeError(f"{kind.name} is not for a broker")

    def _learn_keys(self, link: Link, keys: frozenset[str] | None) -> None:
        if keys != link.keys:
            link.keys = keys
            self.rekeyed.add(link.pool)

    def keys_of(self, pool: str) -> frozenset[str] | None:
        """Return the labels of the keys that all edges of a pool have, of those that tell; None when none does."""
        told = [link.keys for link in self.links.values() if link.pool == pool and link.keys is not None]
        return frozenset.intersection(*told) if told else None

    def _who(self, identity: bytes, info: dict[str, Any], now: float) -> None:
        """An edge has no account for us: what it had given us, it has given to others."""
        edge, pool = info.get("edge"), info.get("pool")
        if not (
            isinstance(edge, str) and edge and isinstance(pool, str) and pool and len(edge) + len(pool) <= MAX_NAME
        ):
            raise EnvelopeError("WHO names no edge and pool")
        before = self.links.get(identity)
        self.lose(identity, NO_ACCOUNT)
        if len(self.links) >= MAX_LINKS:
            raise EnvelopeError("too many edges")
        link = self.links[identity] = Link(identity, edge, pool, now)
        if before is None:
            self._tell(logging.INFO, "joins", "edge %s looks for workers of pool %s", link)
        self.offer(link)

    def recognise(self, identity: bytes, now: float) -> Link | None:
        """Return whose sign of life this is: an edge that has an account for us. Say WHO when we know of none."""
        link = self.links.get(identity)
        if link is None:
            self.say(identity, Kind.WHO)
        else:
            link.heard = now
            link.is_member = True
        return link

    @property
    def closes(self) -> bool:
        """Return whether all edges take answers that close a connection."""
        return all(link.closes for link in self.links.values())

    def _tell(self, level: int, cause: str, words: str, link: Link, *arguments: object) -> None:
        self._losses.tell(level, cause, self._now, words, shown(link.edge), shown(link.pool), *arguments)

    def lose(self, identity: bytes, cause: str = CONNECTION_GONE) -> None:
        """Forget an edge: nobody waits for the answers to what it sent. `cause` is for the log."""
        link = self.links.pop(identity, None)
        if link is not None:
            self._learn_keys(link, None)
            if link.held or cause != NO_ACCOUNT:
                self._tell(
                    logging.WARNING if link.held else logging.INFO, "losses",
                    "edge %s, of pool %s, has gone: %s; nobody waits for the answers to %d requests",
                    link, cause, link.held,
                )  # fmt: skip
            for batch in link.batches.values():
                batch.link = None

    # What they are told -----------------------------------------------------------------------------------------

    def say(self, identity: bytes, kind: Kind, info: dict[str, Any] | None = None) -> None:
        """Put an envelope on the way."""
        self.outgoing.append((identity, envelope.encode(kind, info)))

    def offer(self, link: Link) -> None:
        """Say what the link's pool offers now, if the edge does not know it."""
        offer = self._offer_of(link.pool)
        if offer == link.told:
            return
        link.told = offer
        link.is_parting = offer is None
        if offer is None:
            self.say(link.identity, Kind.GOODBYE)
        else:
            link.most = min(max(link.most, offer.credit), MAX_CREDIT)
            self.say(link.identity, Kind.HELLO, offer.as_hello())

    def offer_all(self, pools: set[str]) -> None:
        """Say to all who look for one of these pools what it offers now."""
        for link in self.links.values():
            if link.pool in pools:
                self.offer(link)

    def say_lost(self, batches: list[Batch], *, begun: bool) -> None:
        """Say that these batches will not be answered; `begun`: by a worker that may have done part of the work."""
        routes: dict[bytes, list[bytes]] = {}
        for batch in batches:
            assert batch.link is not None
            routes.setdefault(batch.link.identity, []).append(batch.edge_route)
        for identity, lost in routes.items():
            self.say_routes_lost(identity, lost, begun=begun)

    def say_routes_lost(self, identity: bytes, routes: list[bytes], *, begun: bool) -> None:
        """Say the same of batches by what one edge calls them."""
        for start in range(0, len(routes), MAX_ROUTES):
            self.say(identity, Kind.LOST, {"batches": routes[start : start + MAX_ROUTES], "begun": begun})

    # Time -------------------------------------------------------------------------------------------------------

    def beat(self, silent_since: float) -> None:
        """Show a sign of life where one is expected, and forget the edges that have shown none since that moment."""
        for link in list(self.links.values()):
            if link.heard < silent_since:
                self.lose(link.identity, "it is silent")
            elif link.is_parting:
                self.say(link.identity, Kind.GOODBYE)  # again: an envelope can get lost with a connection
            elif link.is_member:
                self.say(link.identity, Kind.HEARTBEAT)


def _timeout_of(info: dict[str, Any]) -> float:
    """Return the handler timeout in the map of a WELCOME; raise EnvelopeError when that is no time."""
    seconds = info.get("handler_timeout", 0.0)
    if type(seconds) not in (int, float) or not 0 <= seconds <= MAX_TIMEOUT:
        raise EnvelopeError(f"WELCOME has a handler timeout of {seconds!r:.40}")
    return float(seconds)
