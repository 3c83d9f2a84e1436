"""The names that Kamailio's and OpenSIPS's `sl` modules have for the same counters.

Kamailio counts some statuses by themselves, and its classes are the rest: `4xx_replies` has no 404. OpenSIPS has whole
classes. Ours are kept by method and status; both views are sums of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from slbroker.metrics.model import mapping, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ALONE: Final = ("200", "202", "300", "301", "302", "400", "401", "403", "404", "407", "408", "483", "500")
# In the order in which Kamailio's RPC sl.stats has them.
STATS: Final = (
    "200", "202", "2xx", "300", "301", "302", "3xx", "400", "401", "403", "404", "407", "408", "483", "4xx", "500",
    "5xx", "6xx", "xxx",
)  # fmt: skip
KAMAILIO: Final = (
    "1xx_replies", *(f"{name}_replies" for name in STATS), "sent_replies", "sent_err_replies", "failures",
    "received_ACKs",
)  # fmt: skip
CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx", "6xx")
OPENSIPS: Final = (*(f"{name}_replies" for name in CLASSES), "sent_replies", "sent_err_replies", "received_ACKs")

COUNTED: Final = ("send_failures", "absorbed", "failed", "codes")  # of what an edge tells


class Counters:
    """What both views are made of, summed up over all edges."""

    def __init__(self, edges: Iterable[Mapping[str, Any]]) -> None:
        self.by_status: dict[str, int] = {}
        self.failures = 0
        self.absorbed = 0
        self.errors = 0  # 500 because no worker answered
        for figures in edges:
            self.add(figures)

    def add(self, figures: Mapping[str, Any]) -> None:
        """Count what an edge has told, too."""
        self.failures += _whole(figures.get("send_failures"))
        self.absorbed += _whole(figures.get("absorbed"))
        self.errors += _whole(figures.get("failed"))
        for codes in mapping(figures.get("codes")).values():
            for status, count in mapping(codes).items():
                self.by_status[str(status)] = self.by_status.get(str(status), 0) + _whole(count)

    def merge(self, others: Counters) -> None:
        """Count what others have counted, too."""
        self.failures += others.failures
        self.absorbed += others.absorbed
        self.errors += others.errors
        for status, count in others.by_status.items():
            self.by_status[status] = self.by_status.get(status, 0) + count

    def kamailio(self) -> dict[str, int]:
        """Return Kamailio's 24 statistics of the group `sl`, without the group."""
        counts = dict.fromkeys(KAMAILIO, 0)
        for status, count in self.by_status.items():
            family = f"{status[0]}xx" if f"{status[:1]}xx" in CLASSES else "xxx"
            counts[f"{status if status in ALONE else family}_replies"] += count
            counts["sent_replies"] += count
        return counts | {"failures": self.failures, "received_ACKs": self.absorbed}

    def opensips(self) -> dict[str, int]:
        """Return OpenSIPS's 9 statistics of the group `sl`, without the group."""
        counts = dict.fromkeys(OPENSIPS, 0)
        for status, count in self.by_status.items():
            if f"{status[:1]}xx" in CLASSES:
                counts[f"{status[0]}xx_replies"] += count
            counts["sent_replies"] += count
        return counts | {"sent_err_replies": self.errors, "received_ACKs": self.absorbed}


def _whole(value: object) -> int:
    known = number(value)
    return int(known) if known is not None else 0
