"""What `slbroker run` is told: an edge's and its handlers' settings, but for what one machine has no use for."""

from __future__ import annotations

from pathlib import Path

from slbroker.bus.address import BusAddress
from slbroker.listen import ListenAddress
from slbroker.option import also, frozen, part
from slbroker.settings.capture import CaptureSettings
from slbroker.settings.connections import NextHopTls, StreamSettings, TlsSettings, tls_settings
from slbroker.settings.dispatch import DispatchSettings, Policies
from slbroker.settings.edge import CheckChoice, EdgeSettings
from slbroker.settings.forwarding import ForwardSettings
from slbroker.settings.groups import GroupSettings
from slbroker.settings.handler import HandlerSettings, PluginChoice, plugin_or_bundled
from slbroker.settings.logs import LogSettings


# fmt: off
@frozen(kw_only=True)
class RunSettings:
    """Both sides of `slbroker run`; without `bus` it uses the usual one, or one of its own while that is another's."""

    listen: tuple[ListenAddress, ...] = also(EdgeSettings, "listen")
    advertised: tuple[str, ...] = also(EdgeSettings, "advertised")
    freebind: bool = also(EdgeSettings, "freebind")
    bus: BusAddress | None = also(EdgeSettings, "bus", default=None,
        help="Bus address to bind; without it where `slbroker stats` looks, or a private one while that is another's.")
    plugin: str = part(PluginChoice, plugin_or_bundled)
    reload: bool = also(HandlerSettings, "reload")
    workers: int = also(HandlerSettings, "workers", default=2)
    max_requests: int = also(HandlerSettings, "max_requests")
    keys: Path | None = also(EdgeSettings, "keys", default=None, required=False,
        help="Key ring file; without it a ring is made for this run.")
    alive_file: Path | None = also(EdgeSettings, "alive_file", default=None)
    credit: int = also(HandlerSettings, "credit")
    ack_window: float = also(EdgeSettings, "ack_window")
    gather: float = also(EdgeSettings, "gather")
    dispatch: DispatchSettings = part(DispatchSettings)
    policies: Policies = part(Policies, without=("routes", "shadow"))
    forwarding: ForwardSettings = part(ForwardSettings)
    groups: GroupSettings = part(GroupSettings)
    tls: TlsSettings | None = part(TlsSettings, tls_settings)
    next_hop_tls: NextHopTls = part(NextHopTls)
    streams: StreamSettings = part(StreamSettings)
    checks: CheckChoice = part(CheckChoice)
    capture: CaptureSettings = part(CaptureSettings)
    logs: LogSettings = part(LogSettings)
# fmt: on
