"""The plain message on its way, in one pass: what `forward` and `backward` make of it, or nothing.

Nearly all are plain: a request over UDP that no Route, option tag or edit sends elsewhere, or changes; a reply whose
top Via is a line of its own. What is not, and what is refused, is None here, and takes the long way: so nothing is
judged in two places. `_plain.pyx` is the same in C; a test compares both with the long way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from slbroker.errors import Drop, Reject
from slbroker.proxy.backward import backward
from slbroker.proxy.forward import Forwarder, Hop
from slbroker.proxy.returns import Arrival
from slbroker.sip.message import Source
from slbroker.sip.parser import parse
from slbroker.twins import compiled_or_pure

if TYPE_CHECKING:
    from slbroker.proxy.flow import Seals
    from slbroker.sip.reading import Address
    from slbroker.sip.validate import Checks

_LONG: Final = frozenset((b"route", b"proxy-require"))  # what has these takes the long way


@compiled_or_pure("slbroker.proxy._plain")
class Lane:
    """From one UDP address of ours, where requests come in, to where they leave."""

    __slots__ = ("address", "hop", "listen", "listener", "may_be_tcp")

    def __init__(
        self, listen: str, hop: Hop, listener: Any = None, address: Any = None, *, may_be_tcp: bool = False
    ) -> None:
        """`listen` is where they come in; nobody here looks at the rest: `listener` and `address` are what they leave
        by, and `may_be_tcp` says that a long one may take TCP (RFC 3261 18.1.1). Raises ValueError where it is not UDP.
        """
        if not (listen.startswith("udp:") and hop.listen.startswith("udp:")):
            raise ValueError("a lane is between UDP sockets")
        self.listen = listen
        self.hop = hop
        self.listener = listener
        self.address = address
        self.may_be_tcp = may_be_tcp


@compiled_or_pure("slbroker.proxy._plain")
class Plain:
    """Writes and reads plain messages with the keys of one moment."""

    __slots__ = ("_checks", "_forwarder")

    def __init__(self, seals: Seals, checks: Checks) -> None:
        """`checks` are those that a request has to pass."""
        self._forwarder = Forwarder(lambda _host, _port: True, seals)
        self._checks = checks

    def request(self, data: bytes, address: Address, lane: Lane) -> bytes | None:
        """Return what goes on of a request that came from `address`."""
        try:
            message = parse(data, self._checks)
            if not _LONG.isdisjoint(message.headers[::2]) or b"maddr" in message.uri.lower():
                return None
            arrival = Arrival(Source(address[0], address[1], lane.listen))
            return self._forwarder.receive(data, message, arrival).to(lane.hop)
        except (Reject, Drop):
            return None

    def reply(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Return what goes back of a reply, and the flow in our Via as it is written there (`flow.read_flow`)."""
        try:
            back = backward(data, self._forwarder.seals)
        except Drop:
            return None
        return back.data, back.flow.write()
