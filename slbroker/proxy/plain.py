"""The plain message on its way, in one pass: what `forward` and `backward` make of it, or nothing.

Nearly all are plain: a request over UDP that no option tag or edit changes, and that has no Route, or is of a dialog
and has Routes of ours in front, with a token of ours (`record`); a reply whose top Via is a line of its own. What is
not, and what is refused, is None here, and takes the long way: so nothing is judged in two places. `_plain.pyx` is the
same in C; a test compares both with the long way.
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
    from collections.abc import Callable

    from slbroker.proxy.flow import Seals
    from slbroker.proxy.names import Ours
    from slbroker.sip.reading import Address
    from slbroker.sip.validate import Checks

MAX_FLOWS: Final = 4_096  # of which the lanes are kept


@compiled_or_pure("slbroker.proxy._plain")
class Lane:
    """From one UDP address of ours, where requests come in, to where they leave."""

    __slots__ = ("address", "hop", "listen", "listener", "may_be_tcp", "records")

    def __init__(
        self,
        listen: str,
        hop: Hop,
        listener: Any = None,
        address: Any = None,
        *,
        may_be_tcp: bool = False,
        records: bool = False,
    ) -> None:
        """`listen` is where they come in; `records` says that Record-Route is put into what may set up a dialog.

        Nobody here looks at the rest: `listener` and `address` are what they leave by, and `may_be_tcp` says that a
        long one may take TCP (RFC 3261 18.1.1). Raises ValueError where it is not UDP.
        """
        if not (listen.startswith("udp:") and hop.listen.startswith("udp:")):
            raise ValueError("a lane is between UDP sockets")
        self.listen = listen
        self.hop = hop
        self.listener = listener
        self.address = address
        self.may_be_tcp = may_be_tcp
        self.records = records


class Flows(dict[bytes, "Lane | None"]):
    """The lanes from one address of ours to where flows lead, as tokens have them; None where there is none."""

    def __init__(self, listen: str, find: Callable[[bytes], Lane | None]) -> None:
        super().__init__()
        self.listen = listen
        self._find = find

    def __missing__(self, written: bytes) -> Lane | None:
        """Find the lane of a flow."""
        if len(self) >= MAX_FLOWS:
            self.clear()
        lane = self[written] = self._find(written)
        return lane


@compiled_or_pure("slbroker.proxy._plain")
class Plain:
    """Writes and reads plain messages with the keys of one moment."""

    __slots__ = ("_checks", "_forwarder")

    def __init__(self, seals: Seals, checks: Checks, ours: Ours) -> None:
        """`checks` are those that a request has to pass."""
        self._forwarder = Forwarder(ours, seals)
        self._checks = checks

    def request(self, data: bytes, address: Address, lane: Lane | None, flows: Flows) -> tuple[bytes, Lane] | None:
        """Return what goes on of a request that came from `address`, and its lane: `lane`, or one of `flows`."""
        try:
            message = parse(data, self._checks)
            names = message.headers[::2]
            is_routed = b"route" in names
            if b"proxy-require" in names or b"maddr" in message.uri.lower() or not (is_routed or lane):
                return None
            onward = self._forwarder.receive(data, message, Arrival(Source(address[0], address[1], flows.listen)))
            if is_routed:
                if onward.flow is None or not message.to_tag or onward.uri != message.uri:
                    return None
                lane = flows[onward.flow.write()]
            return None if lane is None else (onward.to(lane.hop, record_route=lane.records), lane)
        except (Reject, Drop):
            return None

    def reply(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Return what goes back of a reply, and the flow in our Via as it is written there (`flow.read_flow`)."""
        try:
            back = backward(data, self._forwarder.seals)
        except Drop:
            return None
        return back.data, back.flow.write()
