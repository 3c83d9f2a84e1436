"""The side of a broker that edges see: to each it is a worker, one for each pool that the edge looks for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from slbroker.broker.batches import EdgeLink
from slbroker.bus import envelope
from slbroker.bus.account import MAX_CREDIT, MAX_NAME
from slbroker.bus.envelope import Kind
from slbroker.bus.keycheck import read_labels
from slbroker.bus.losses import Losses
from slbroker.bus.roster import CONNECTION_GONE
from slbroker.errors import EnvelopeError
from slbroker.logline import event, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slbroker.bus.account import Offer
    from slbroker.bus.roster import Outgoing

logger = logging.getLogger(__name__)

NO_ACCOUNT: Final = "it has no account for this broker any more"  # it may say so every 0.25 s
MAX_LINKS: Final = 4_096  # one for each pool of each edge process
MAX_LOST: Final = 1_024  # batches that one LOST names; an array may have four times as many
MAX_TIMEOUT: Final = 3_600.0  # seconds, of an edge's handlers
DEFAULT_HANDLER_TIMEOUT: Final = 5.0  # seconds, until an edge has said what it has


class Edges:
    """The edges of one broker, by their connections."""

    def __init__(self, offer_of: Callable[[str], Offer | None]) -> None:
        """`offer_of` returns what the workers of a pool offer now, None when there are none."""
        self.links: dict[bytes, EdgeLink] = {}
        self.outgoing: Outgoing = []
        self.garbage = 0  # envelopes that could not be read, or were out of order
        self.handler_timeout = DEFAULT_HANDLER_TIMEOUT
        self.rekeyed: set[str] = set()  # pools whose edges may have other keys than before
        self._longest_timeout = 0.0  # that an edge has told, in seconds
        self._losses = Losses(logger)
        self._offer_of = offer_of

    # What they say ----------------------------------------------------------------------------------------------

    def hear(self, kind: Kind, identity: bytes, info: dict[str, Any], now: float) -> None:
        """Take what is neither a batch nor about one; raise EnvelopeError when it is not in order."""
        if kind is Kind.WHO:
            self._who(identity, info, now)
        elif kind not in (Kind.WELCOME, Kind.HEARTBEAT, Kind.GOODBYE):
            raise EnvelopeError(f"{kind.name} is not for a broker")
        elif (link := self.recognise(identity, now)) is not None:
            if kind is Kind.WELCOME:
                self._longest_timeout = max(self._longest_timeout, _timeout_of(info))
                self.handler_timeout = self._longest_timeout or self.handler_timeout
                self._learn_keys(link, read_labels(info, "keys"))
                link.closes, link.forwards = (info.get(name) is True for name in ("closes", "forwards"))
            elif kind is Kind.GOODBYE and link.is_parting:
                link.is_member = link.is_parting = False  # else the edge leaves, and heartbeats tell when it is gone

    def _learn_keys(self, link: EdgeLink, keys: frozenset[str] | None) -> None:
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
        self.lose(identity, now, NO_ACCOUNT)
        if len(self.links) >= MAX_LINKS:
            raise EnvelopeError("too many edges")
        link = self.links[identity] = EdgeLink(identity, edge, pool, now)
        if before is None:
            self._tell(logging.INFO, "joins", now, link, "edge %s looks for workers of pool %s")
        self.offer(link)

    def recognise(self, identity: bytes, now: float) -> EdgeLink | None:
        """Return whose sign of life this is: an edge that has an account for us. Say WHO when we know of none."""
        link = self.links.get(identity)
        if link is None:
            self.say(identity, Kind.WHO)
        else:
            link.heard = now
            link.is_member = True
        return link

    def terms(self) -> dict[str, Any]:
        """Return what workers are told in WELCOME: they finish by the one what they have, and answer by the other.

        The longest handler timeout that an edge has told, and whether all edges take answers that close a connection,
        and forward.
        """
        links = self.links.values()
        closes, forwards = all(link.closes for link in links), all(link.forwards for link in links)
        return {"handler_timeout": self.handler_timeout, "closes": closes, "forwards": forwards}

    def _tell(self, level: int, cause: str, now: float, link: EdgeLink, words: str, *arguments: object) -> None:
        about = event(f"edge-{cause}", source=link.edge, pool=link.pool)
        self._losses.tell(level, cause, now, words, shown(link.edge), shown(link.pool), *arguments, about=about)

    def lose(self, identity: bytes, now: float, cause: str = CONNECTION_GONE) -> None:
        """Forget an edge: nobody waits for the answers to what it sent. `cause` is for the log."""
        link = self.links.pop(identity, None)
        if link is None:
            return
        self._learn_keys(link, None)
        if link.held or cause != NO_ACCOUNT:
            self._tell(
                logging.WARNING if link.held else logging.INFO, "losses", now, link,
                "edge %s, of pool %s, has gone: %s; nobody waits for the answers to %d requests", cause, link.held,
            )  # fmt: skip
        for batch in link.open.values():
            batch.link = None

    # What they are told -----------------------------------------------------------------------------------------

    def say(self, identity: bytes, kind: Kind, info: dict[str, Any] | None = None) -> None:
        """Put an envelope on the way."""
        self.outgoing.append((identity, envelope.encode(kind, info)))

    def offer(self, link: EdgeLink) -> None:
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

    def say_lost(self, identity: bytes, ids: list[bytes], *, begun: bool, by: Mapping[str, str] | None = None) -> None:
        """Say that an edge's batches will not be answered; `begun`: by a worker that may have done part of the work.

        `by` says which "worker" that is, and the "cause".
        """
        for start in range(0, len(ids), MAX_LOST):
            self.say(identity, Kind.LOST, {"batches": ids[start : start + MAX_LOST], "begun": begun, **(by or {})})

    # Time -------------------------------------------------------------------------------------------------------

    def beat(self, now: float, liveness: float) -> None:
        """Show a sign of life where one is expected, and forget the edges that have shown none for so many seconds."""
        for link in list(self.links.values()):
            if link.heard < now - liveness:
                self.lose(link.identity, now, "it is silent")
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
