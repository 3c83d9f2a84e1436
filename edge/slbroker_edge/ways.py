"""What forwarding asks of those who know where requests go, and by what messages leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from slbroker.proxy.nexthop import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.proxy.edits import Edits
    from slbroker.proxy.forward import Hop
    from slbroker.proxy.nexthop import Group, NextHop, Where
    from slbroker.sip.message import Message, Source
    from slbroker.sip.reading import Address
    from slbroker_edge.destinations import Candidate
    from slbroker_edge.listener import Listener


class Way(NamedTuple):
    """How a message leaves: by what, what our Via says of that and of where to, and the address to give the kernel."""

    listener: Listener
    hop: Hop
    address: Address


class Places(Protocol):
    """Where requests go; `destinations.Destinations` is it."""

    def find(
        self,
        where: NextHop | Group,
        message: Message,
        source: Source,
        now: float,
        then: Callable[[list[Candidate]], None],
        *,
        strange: bool = False,
    ) -> None:
        """Call `then` with the candidates for a request: at once when they are known, [] when there are none.

        `strange` says that the request has chosen the next hop, and nobody whom we know.
        """


class Ways(Protocol):
    """How messages leave; `transports.outgoing.Outgoing` is it."""

    def way_to(self, candidate: Candidate, near: Listener | None, now: float, prefer: bytes = b"") -> Way | None:
        """Return how to send to a candidate; None where there is no such way, or no room.

        `near` is where the message came in, which it leaves by, too, where that can be; before it comes the listener
        whose `flow.listener_id` is `prefer`.
        """

    def standing(self, connection: bytes) -> Way | None:
        """Return how to send on a connection, by its name; None where it no longer stands."""


class Order(NamedTuple):
    """What is to be done with a request: where a handler has it go, where a route has, and what changes on the way.

    None in `record_route` and `path` is as the edge's options have it.
    """

    decided: Where = Said.USUAL
    routed: NextHop | Group | None = None
    edits: Edits | None = None
    record_route: bool | None = None
    path: bool | None = None


USUAL: Final = Order()
