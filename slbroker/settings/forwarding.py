"""What an edge sends on, and to whom (RFC 3261 16.11)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from slbroker.errors import ConfigError
from slbroker.option import Word, frozen, option
from slbroker.proxy.names import OurNames
from slbroker.proxy.nexthop import Group, NextHop, read_hop
from slbroker.sip.uri import plain_host

if TYPE_CHECKING:
    from slbroker.settings.dispatch import Policies

_match_domain = re.compile(r"[\w.*?\[\]:-]{1,255}", re.ASCII).fullmatch


def read_alias(text: str) -> str:
    """Return a name of ours, host or host:port, as it is; raise ConfigError for what is none."""
    OurNames((), (text,))
    return text


def read_domain(text: str) -> str:
    """Return a host, in which * stands for anything; raise ConfigError for what is none."""
    if not _match_domain(text):
        raise ConfigError(f"--forward-domains {text!r}: write hosts, one each time: example.com, *.example.com")
    return plain_host(text)


# fmt: off
@frozen()
class ForwardSettings:
    """Where requests go on to, and what is written into them. `hop` is None where nothing goes on unasked."""

    hop: NextHop | Group | None = option("--pass", Word("hop", read_hop), default=None,
        help="Next hop, a SIP URI or group:N, of what no handler is to answer: ACKs to replies of others, CANCELs,"
        " request.forward() without a next hop, --overload pass, --on-failure pass.",
        metavar="SIP-URI|group:N", param="hop", example="sip:10.0.0.5:5060")
    domains: tuple[str, ...] = option("--forward-domains", Word("host", read_domain), default=(),
        help="Host, * allowed, that the Route or Request-URI of anybody's request may lead to; repeatable. Without it"
        " requests go to configured next hops, where handlers say, and within dialogs that went through here.",
        many=True, metavar="HOST", param="domains", example="*.example.com")
    aliases: tuple[str, ...] = option("--alias", Word("host[:port]", read_alias), default=(),
        help="Name that leads to this edge, so that a Route with it is ours; repeatable. What --listen and --advertise"
        " say is known.",
        many=True, metavar="HOST[:PORT]", param="aliases", example="sip.example.com")
    record_route: bool = option("--record-route", bool, default=False,
        help="Put a signed Record-Route into requests that go on, so that their dialogs stay on this way.")
    path: bool = option("--path", bool, default=False,
        help="Put a signed Path (RFC 3327) into each REGISTER that goes on, so that calls come back this way.")
# fmt: on


USUAL_FORWARDING: Final = ForwardSettings()


def check_passing(policies: Policies, forwarding: ForwardSettings) -> None:
    """Raise ConfigError where requests are to go on, and nothing says where."""
    for flag, word in (("--overload", policies.answer_overload), ("--on-failure", policies.answer_failures)):
        if isinstance(word, str) and forwarding.hop is None:
            raise ConfigError(f"{flag} pass: where to? Say --pass HOP, such as --pass sip:10.0.0.5:5060")
