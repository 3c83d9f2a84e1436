"""A limit on how many requests one source may send: local to a worker, as it has no state to share.

With n workers a source gets through up to n times as much, for an edge spreads its requests. For what must hold over
all of them, limit at the packet filter.
"""

from __future__ import annotations

import time
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final

from slbroker.plugin.match import parse_networks
from slbroker.plugin.reply import DROP
from slbroker.sip.networks import read_host

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.plugin.arguments import Words
    from slbroker.plugin.kinds import Decision
    from slbroker.plugin.request import Request

MAX_SOURCES: Final = 65_536  # remembered; about 15 MB. Beyond them the oldest are forgotten: they may begin anew
_IPV6_PREFIX: Final = 64  # bits; what one customer gets, so who has one address of it has all


class RateLimit:
    """A hook for `app.before`: of each source `requests` in `seconds` pass, the rest get `answer`.

    A source may use its share at once; it comes back evenly (a token bucket). `exempt` are networks without a limit. An
    ACK is never counted. The usual figures are those of Kamailio's pike: 30 requests in 2 s.
    """

    def __init__(
        self,
        requests: int = 30,
        seconds: float = 2.0,
        answer: Decision = DROP,
        exempt: Words = (),
        clock: Callable[[], float] = time.monotonic,
        *,
        remembered: bool = False,
    ) -> None:
        """Raise ValueError for figures that are not above 0, or networks that are none.

        `remembered` lets decisions behind this be remembered: who gets one from the edge is not counted here.
        """
        if not all(isinstance(figure, int | float) and figure > 0 for figure in (requests, seconds)):
            raise ValueError(f"a rate of {requests!r} requests in {seconds!r} seconds lets nothing pass")
        self.refused = 0
        self._most = float(requests)
        self._per_second = requests / seconds
        self._answer = answer
        self._exempt = parse_networks(exempt)
        self._clock = clock
        self._is_passed_over = remembered
        self._left: dict[int | str, tuple[float, float]] = {}  # by source: requests left, and when that was so

    def __call__(self, request: Request) -> Decision | None:
        """Return the answer for a source that has used up its share, else None."""
        if request.message.method == b"ACK" or (self._exempt and request.is_within(self._exempt)):
            return None
        if not self._is_passed_over:
            request.unfit("a rate limit counts it")
        host = request.source.host
        if self.take(host, self._clock()):
            return None
        self.refused += 1
        return self._answer

    def take(self, host: str, now: float) -> bool:
        """Return whether `host` may send one more request, and count it; `now` in seconds, monotonic."""
        source = _source(host)
        left, then = self._left.pop(source, (self._most, now))
        left = min(self._most, left + (now - then) * self._per_second)
        if len(self._left) >= MAX_SOURCES:
            del self._left[next(iter(self._left))]
        self._left[source] = (left - 1 if left >= 1 else left, now)
        return left >= 1


def _source(host: str) -> int | str:
    """Return what counts as one source: an IPv4 address, or the /64 of an IPv6 one."""
    address = read_host(host)
    return int(address) >> _IPV6_PREFIX if isinstance(address, IPv6Address) else host
