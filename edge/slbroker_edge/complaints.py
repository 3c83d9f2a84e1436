"""What an edge's log says of requests that it answers itself, once and not for each: refused option tags, shedding."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from slbroker.logline import event
from slbroker.sip.uri import text

if TYPE_CHECKING:
    from slbroker.sip.message import Message

logger = logging.getLogger(__name__)

# The option tags that are registered (RFC 3261 27.1). For these there is always room, whatever a peer makes up.
REGISTERED: Final = frozenset((
    "100rel", "199", "answermode", "early-session", "eventlist", "explicitsub", "from-change", "geolocation-http",
    "geolocation-sip", "gin", "gruu", "histinfo", "ice", "join", "multiple-refer", "norefersub", "nosub", "outbound",
    "path", "policy", "precondition", "pref", "privacy", "recipient-list-invite", "recipient-list-message",
    "recipient-list-subscribe", "record-aware", "replaces", "resource-priority", "sdp-anat", "sec-agree", "siprec",
    "tdialog", "timer", "trickle-ice", "uui",
))  # fmt: skip
MOST_OTHERS: Final = 32  # tags of a peer's own that are remembered, and logged; a vendor has one or two
MOST_LETTERS: Final = 40  # of one that are remembered


SHED_PERIOD: Final = 10.0  # seconds between two lines about the requests that were shed


class Shedding:
    """Says at once that requests are shed, and then how many, once a period and of each cause."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], list[int]] = {}
        self._until: float | None = None  # when the period ends, None while nothing is shed

    def note(self, cause: str, pools: str, workers: int, now: float, *, answered: bool) -> None:
        """Count a request that was shed, and whether it was answered 503; `workers` are connected."""
        if self._until is None:
            self._until = now + SHED_PERIOD
        counts = self._counts.get((cause, pools))
        if counts is None:
            counts = self._counts[cause, pools] = [0, 0]
            logger.warning(
                "%s in pool %s: shedding; %d workers are connected", cause, pools, workers,
                extra=event("shedding", cause=cause, pool=pools),
            )  # fmt: skip
        counts[answered] += 1

    def look(self, now: float) -> None:
        """End a period when it is time."""
        if self._until is not None and now >= self._until:
            self._until = now + SHED_PERIOD if self.tell() else None

    def tell(self) -> bool:
        """Say what was shed since the last time; return whether there was something."""
        for (cause, pools), counts in list(self._counts.items()):
            silent, refused = counts
            if not silent + refused:
                del self._counts[cause, pools]  # it is over; the next one is told at once
                continue
            logger.warning(
                "%s in pool %s: %d requests were shed in %g s at most, %d of them with 503, the others unanswered",
                cause, pools, silent + refused, SHED_PERIOD, refused, extra=event("shed", cause=cause, pool=pools),
            )  # fmt: skip
            counts[:] = 0, 0
        return bool(self._counts)


class RefusedTags:
    """Option tags that were refused with 420: one log line for each, since to their callers nothing works here.

    Remembers which were said.
    """

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._others = 0

    def note(self, request: Message, extra: bytes, host: str) -> None:
        """Log what `extra`, the Unsupported header of a 420 to `request` from `host`, names for the first time."""
        for value in text(extra).partition(":")[2].split(","):
            tag = value.strip().lower()[:MOST_LETTERS]
            if tag in self._said:
                continue
            if tag not in REGISTERED:
                if self._others >= MOST_OTHERS:
                    continue
                self._others += 1
            self._said.add(tag)
            logger.warning(
                "420 to %s from %s, which requires %s: if your handlers may serve such requests, say --supported %s"
                " (said once)",
                _plain(text(request.method)), host, _plain(tag), _plain(tag),
                extra=event("tag-refused", method=request.method, call_id=request.call_id, source=host, status=420),
            )  # fmt: skip


def _plain(words: str) -> str:
    """Return a peer's words with escapes for all that a log should not hold."""
    return ascii(words)[1:-1]
