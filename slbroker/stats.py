"""The fates of messages: every message that reached an edge ends in exactly one, and they add up.

Requests and ACKs have theirs in `Fates`. Replies to what an edge has forwarded have a law of their own: received is
forwarded and dropped, by cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slbroker.proxy.nexthop import NextHop


class Fates:
    """Counters of one edge process; `received` is the sum of the fates and of what is in flight, at any instant."""

    __slots__ = (
        "absorbed",
        "dropped",
        "failed",
        "forwarded",
        "passed",
        "received",
        "remembered",
        "repeated",
        "replied",
        "shed",
    )

    def __init__(self) -> None:
        self.received = 0
        self.replied = 0  # answered by a handler, or by the edge because the request was malformed
        self.remembered = 0  # of those replied to, dropped or forwarded: what a handler had decided was done again
        self.repeated = 0  # requests sent again while they were in flight: the one answer serves
        self.absorbed = 0  # ACKs that the filter recognised
        self.passed = 0  # ACKs let through to a handler
        self.forwarded = 0  # sent on to a next hop: requests, CANCELs, ACKs let through
        self.shed = 0  # answered 503 for want of a worker or credit
        self.failed = 0  # answered with an error because no worker answered, or no next hop could be reached
        self.dropped: dict[str, int] = {}  # left unanswered, by cause

    def drop(self, cause: str, count: int = 1) -> None:
        """Count one message, or several, left unanswered because of `cause`."""
        self.dropped[cause] = self.dropped.get(cause, 0) + count

    def ended(self) -> int:
        """Return how many messages have met their fate."""
        answered = self.replied + self.shed + self.failed
        quiet = self.repeated + self.absorbed + self.passed + self.forwarded
        return answered + quiet + sum(self.dropped.values())

    def figures(self, in_flight: int) -> dict[str, Any]:
        """Return the counters by name. `unaccounted` is 0, or one of the others lies: a bug that nobody should hide."""
        unaccounted = self.received - self.ended() - in_flight
        counters = {name: getattr(self, name) for name in self.__slots__}
        return counters | {"in_flight": in_flight, "unaccounted": unaccounted}


class Departures:
    """How many messages went on to which next hop, by the names that options and lists give them, and no others."""

    __slots__ = ("_counts", "_names")

    def __init__(self, named: Iterable[NextHop]) -> None:
        """`named` are the next hops that count by themselves, beside those of groups."""
        self._names = {hop: hop.uri.decode(errors="replace") for hop in named}
        self._counts: dict[tuple[str, str], int] = {}

    def note(self, hop: NextHop | None, group: str, by: str, count: int = 1) -> None:
        """Count messages to a next hop, of a group where that is not ""; `by` says who has named one unknown here."""
        name = by if hop is None else hop.uri.decode(errors="replace") if group else self._names.get(hop, by)
        self._counts[group, name] = self._counts.get((group, name), 0) + count

    def figures(self) -> dict[str, dict[str, int]]:
        """Return the counts by group, "" for none, and name."""
        figures: dict[str, dict[str, int]] = {}
        for (group, name), count in self._counts.items():
            figures.setdefault(group, {})[name] = count
        return figures


class Replies:
    """Counters of the replies that came to an edge from those to whom it forwards."""

    __slots__ = ("asked", "dropped", "forwarded", "received")

    def __init__(self) -> None:
        self.received = 0
        self.asked = 0  # workers are being asked what is to become of them
        self.forwarded = 0  # sent back where the request came from
        # By cause: bad-reply, not-ours, forged, no-via (`proxy.backward`), gone, handler.
        self.dropped: dict[str, int] = {}

    def drop(self, cause: str) -> None:
        """Count one reply that goes nowhere."""
        self.dropped[cause] = self.dropped.get(cause, 0) + 1

    def figures(self) -> dict[str, Any]:
        """Return the counters by name; `unaccounted` is as in `Fates`."""
        unaccounted = self.received - self.forwarded - sum(self.dropped.values()) - self.asked
        counters = {"received": self.received, "forwarded": self.forwarded, "dropped": dict(self.dropped)}
        asked = {"in_flight": self.asked} if self.asked else {}
        return counters | asked | {"unaccounted": unaccounted}
