"""The short way of plain messages, of either kind, with lanes to wherever flows over UDP lead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slbroker.proxy.flow import listener_id, read_flow
from slbroker.proxy.forward import Hop
from slbroker.proxy.plain import Flows
from slbroker.sip.validate import USUAL, Checks
from tests.support.forwarding import HOP, UDP, Site, seals_of
from tests.support.twins import load

if TYPE_CHECKING:
    from slbroker.sip.reading import Address

V6 = "udp:[2001:db8::7]:5060"
OTHER = "udp:198.51.100.7:5080 advertise edge.example.net:5090"
SITE = Site(listens=(UDP, V6, OTHER, "tcp:192.0.2.7:5060"), aliases=("alias.example.com",))


def hop_of(written: bytes, listen: str) -> Hop | None:
    """Where a flow leads to, and what it leaves by; None where that is no UDP."""
    flow = read_flow(written)
    assert flow is not None
    leaves = next((name for name in SITE.listens if listener_id(name) == flow.listener), listen)
    return Hop(leaves, flow.host, flow.port) if flow.transport == "udp" else None


class Short:
    """The short way of a kind by one lane, and by those of flows."""

    def __init__(self, kind: str, hop: Hop = HOP, checks: Checks = USUAL, listen: str = UDP, **how: bool) -> None:
        self.module = load("slbroker.proxy.plain", kind)
        self.plain = self.module.Plain(seals_of(), checks, SITE.forwarder.us)
        self.lane = self.module.Lane(listen, hop, **how)
        self.flows = Flows(listen, self.lane_of)

    def lane_of(self, written: bytes) -> Any:
        """The lane of a flow."""
        hop = hop_of(written, self.flows.listen)
        return hop and self.module.Lane(self.flows.listen, hop)

    def request(self, data: bytes, client: Address) -> bytes | None:
        """What goes on."""
        went = self.plain.request(data, client, self.lane, self.flows)
        return went and went[0]  # type: ignore[no-any-return]

    def reply(self, data: bytes) -> Any:
        """What goes back."""
        return self.plain.reply(data)
