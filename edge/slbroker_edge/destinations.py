"""From a next hop to where its requests are sent: the places in the order in which they are to be tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from slbroker.proxy.locate import locate
from slbroker.proxy.nexthop import NextHop

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from slbroker.proxy.groups import Destination
    from slbroker.proxy.locate import Place
    from slbroker.proxy.nexthop import Group
    from slbroker.sip.message import Message, Source


class Candidate(NamedTuple):
    """A place, the listen address that requests leave by, "" where the edge may choose, and whose place it is."""

    place: Place
    socket: str = ""
    member: Destination | None = None  # of a group


class Destinations:
    """Where requests go; numeric addresses alone, so far."""

    def __init__(self, supported: Container[str] = ("udp",)) -> None:
        """`supported` are the transports that requests can leave by."""
        self._supported = supported

    def find(
        self,
        where: NextHop | Group,
        message: Message,
        source: Source,
        now: float,
        then: Callable[[list[Candidate]], None],
    ) -> None:
        """Call `then` with the candidates for a request: at once when they are known, [] when there are none."""
        del source, now
        if not isinstance(where, NextHop):
            then([])
            return
        search = locate(where, self._supported, message.call_id)
        try:
            next(search)
            while True:
                search.send([])
        except StopIteration as found:
            then([Candidate(place) for place in found.value])
