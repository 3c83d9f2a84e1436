"""What one edge process needs to know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from slbroker.bus.address import BusAddress, default_bus
from slbroker.errors import ConfigError
from slbroker.listen import TRANSPORTS, ListenAddress, parse_advertised, parse_listen_address, split_addresses
from slbroker.option import File, Number, OneOf, Whole, Word, frozen, option, part
from slbroker.settings.bus import ADDRESS, BrokerAccess, BusSecurity, broker_access, server_security
from slbroker.settings.capture import NO_CAPTURE, CaptureSettings
from slbroker.settings.connections import NextHopTls, StreamSettings, TlsSettings, tls_settings
from slbroker.settings.dispatch import USUAL_POLICIES, DispatchSettings, Policies
from slbroker.settings.forwarding import USUAL_FORWARDING, ForwardSettings
from slbroker.settings.groups import USUAL_GROUPS, GroupSettings
from slbroker.settings.logs import USUAL_LOGS, LogSettings
from slbroker.sip.grammar import MAX_DATAGRAM, is_token
from slbroker.sip.validate import DEFAULT, NAMES, USUAL, Checks

if TYPE_CHECKING:
    from slbroker.proxy.nexthop import Group, NextHop

ALL: Final = "all"
_CHECKS: Final = OneOf({name: name for name in (*NAMES, ALL)})


def read_tag(text: str) -> str:
    """Return an option tag (RFC 3261 19.2); raise ConfigError for what is none."""
    if not is_token(text.encode()):
        raise ConfigError(f"--supported {text!r} is no option tag; write one each time: --supported timer")
    return text


def read_advertised(text: str) -> str:
    """Return `text` as it is, for `slbroker.listen.advertise`; raise ConfigError for what that cannot read."""
    transport, _, rest = text.partition(":")
    parse_advertised(rest if transport in TRANSPORTS else text)
    return text


def refuse_twice(listen: tuple[ListenAddress, ...]) -> None:
    """Raise ConfigError for an address that is said twice: SO_REUSEPORT would give it two sockets."""
    for number, address in enumerate(listen):
        if address.port and address in listen[:number]:
            raise ConfigError(f"listen address {address} is said twice")


# fmt: off
@frozen()
class CheckChoice:
    """What is judged before a handler sees a request: docs/checks.md has a table. A name both wanted and not is off."""

    wanted: tuple[str, ...] = option("--check", _CHECKS, default=(),
        help=f"Judge this too before a handler sees a request, besides {', '.join(sorted(DEFAULT))}; repeatable.",
        many=True, example="from-tag")
    unwanted: tuple[str, ...] = option("--no-check", _CHECKS, default=(), help="Do not judge this; repeatable.",
        many=True, example="require")
    supported: tuple[str, ...] = option("--supported", Word("tag", read_tag), default=(),
        help="Option tag, such as timer, that your handlers understand: no 420 for it; repeatable.",
        many=True, metavar="TAG", example="timer")
    max_body: int | None = option("--max-body", Whole(0, MAX_DATAGRAM, "bytes"), default=None,
        help="Bytes of the longest body that is served; 413 beyond.", example="8192")

    def checks(self, *, kemi: bool = False) -> Checks:
        """Return the checks. A KEMI script sees what Kamailio's would: there nobody looks at Require before it."""
        usual = frozenset() if ALL in self.unwanted else DEFAULT - {"require"} if kemi else DEFAULT
        names = frozenset(NAMES) if ALL in self.wanted else usual.union(self.wanted)
        tags = frozenset(tag.lower().encode() for tag in self.supported)
        return Checks(names.difference(self.unwanted), tags, self.max_body)


def _checks(**chosen: Any) -> Checks:
    return CheckChoice(**chosen).checks()


@frozen()
class EdgeSettings:
    """What one edge process needs to know; times in seconds. `process` says which of `processes` it is."""

    listen: tuple[ListenAddress, ...] = option(
        "--listen", Word("proto:host:port", parse_listen_address, split_addresses), unsaid=(),
        help="SIP address to listen on: udp, tcp, tls, ws or wss; repeatable. IPv6 in brackets: udp:[::1]:5060.",
        many=True, check=refuse_twice, example="udp:127.0.0.1:5060")
    advertised: tuple[str, ...] = option("--advertise", Word("[proto:]host[:port]", read_advertised), default=(),
        help="Where peers reach what we listen on, if elsewhere: for request.contact; repeatable, for each transport."
        " One address alone: --listen 'udp:10.0.0.1:5060 advertise 203.0.113.5:5060'.",
        many=True, metavar="[PROTO:]HOST[:PORT]", param="advertised", kw_only=True, example="203.0.113.5:5060")
    freebind: bool = option("--freebind", bool, default=False,
        help="Listen on addresses that this machine has not yet, such as one that VRRP moves here (IP_FREEBIND).",
        kw_only=True)
    bus: BusAddress = option("--bus", ADDRESS, unsaid=default_bus,
        help="Bus address to bind; a socket file of this user when not given.", example="ipc:///run/slbroker/bus")
    security: BusSecurity | None = part(
        BusSecurity, server_security, default=None, without=("server_keys",), kw_only=True)
    insecure_bus: bool = option("--insecure-bus", bool, default=False,
        help="Take a TCP bus that other machines can reach without --bus-key: on a network that nobody else reaches.",
        kw_only=True)
    brokers: BrokerAccess = part(BrokerAccess, broker_access, default=BrokerAccess(), kw_only=True)
    keys: Path = option("--keys", File(), help="Key ring file, made by: slbroker keys new FILE.",
        required=True, example="slbroker.ring")
    processes: int = option("--processes", Whole(1, 64), default=1,
        help="Edge processes that share the SIP ports (SO_REUSEPORT);"
        " number n has its bus n ports higher, or at PATH.n.",
        kw_only=True)
    takeover: bool = option("--takeover", bool, default=False,
        help="Take over the sockets of the edge that has this bus, which then ends: no datagram is lost. Where there is"
        " none, start as usual.",
        kw_only=True)
    takeover_path: Path | None = option("--takeover-path", File(folder=False), default=None, kw_only=True,
        help="UNIX socket at which this edge gives its sockets to its successor, and asks for those of the one before;"
        " beside the bus's socket file when not given.",
        example="/run/slbroker/edge.takeover")
    alive_file: Path | None = option("--alive-file", File(folder=False), default=None, kw_only=True,
        help="Touch this file every 5 s while the process works on: for slbroker alive, a container's probe.",
        example="/run/slbroker/alive")
    ack_window: float = option("--ack-window", Number(0, 3600, "s"), default=32.0,
        help="Seconds after a reply during which ACKs are absorbed; 2 is what the sl module has.")
    # For a look that is put off; `slbroker.loop` waits so long and not up to the next millisecond. SIP's T1 is 500 ms.
    gather: float = option("--gather", Number(0, 0.1, "s"), default=0.0005,
        help="Seconds between two looks at a busy socket, so that requests travel together; 0: each as it comes.")
    dispatch: DispatchSettings = part(DispatchSettings, default=DispatchSettings())
    policies: Policies = part(Policies, Policies, default=USUAL_POLICIES)
    forwarding: ForwardSettings = part(ForwardSettings, default=USUAL_FORWARDING)
    groups: GroupSettings = part(GroupSettings, default=USUAL_GROUPS)
    rules: Path | None = option("--rules", File(folder=False), default=None,
        help="Rule file, as handlers run them (TOML), that decides first: what it answers, drops or forwards reaches no"
        " route and no worker.", kw_only=True, example="edge.toml")
    tls: TlsSettings | None = part(TlsSettings, tls_settings, default=None)
    next_hop_tls: NextHopTls = part(NextHopTls, default=NextHopTls())
    streams: StreamSettings = part(StreamSettings, default=StreamSettings())
    checks: Checks = part(CheckChoice, _checks, default=USUAL)
    capture: CaptureSettings = part(CaptureSettings, default=NO_CAPTURE)
    logs: LogSettings = part(LogSettings, default=USUAL_LOGS)
    process: int = 0

    @property
    def hops(self) -> tuple[NextHop | Group, ...]:
        """The next hops that options name."""
        named = (self.forwarding.hop, *(route.choice.hop for route in self.policies.routes))
        return tuple(hop for hop in named if hop is not None)
# fmt: on
