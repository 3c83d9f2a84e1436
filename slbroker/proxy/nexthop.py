"""Next hops as people write them: sip:10.0.0.5:5060;transport=tcp, sips:gw.example.com, <sip:[2001:db8::5]>, group:1.

`read_where` is the one parser of them, for options, for routes and for what handlers decide.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from slbroker.errors import ConfigError, Reject
from slbroker.listen import TRANSPORTS
from slbroker.proxy.names import transport_of
from slbroker.sip.uri import Uri, parse_uri

if TYPE_CHECKING:
    from typing import Final

_EXAMPLE: Final = "write a SIP URI such as sip:10.0.0.5:5060 or sip:gw.example.com;transport=tcp"
_match_group = re.compile(r"group:([0-9]{1,10})", re.ASCII).fullmatch
MAX_GROUP: Final = 2**31 - 1  # dispatcher's setid


class NextHop(NamedTuple):
    """A sip or sips URI to which requests are sent; what it leaves open, RFC 3263 says (`locate`).

    `transport` is "" and `port` None where the URI does not say. `host` is `maddr`, where there is one (RFC 3263 4).
    """

    uri: bytes
    secure: bool  # sips: TLS or secure WebSocket, never anything else
    host: str
    port: int | None
    transport: str


class Group(NamedTuple):
    """A group of next hops, by its number in the list (`groups`)."""

    number: int


class Said(Enum):
    """What stands in the place of a next hop."""

    TARGET = "target"  # where the request itself says: its topmost Route, else its Request-URI
    USUAL = ""  # what the edge's --pass says


Where: TypeAlias = NextHop | Group | Said


@lru_cache(maxsize=1_024)
def read_where(text: str) -> Where:
    """Return where `text` says that requests go: a SIP URI, `group:N`, `target` or "".

    Raises ConfigError, which says what to write. `target`, and "", are for handlers: who reads an option refuses them.
    """
    if text in (Said.TARGET.value, Said.USUAL.value):
        return Said(text)
    if text[:6] != "group:":
        return parse_next_hop(text)
    found = _match_group(text)
    if found is None or int(found[1]) > MAX_GROUP:
        raise ConfigError(f"next hop {text!r}: write group:N, N being a number in the list of --groups")
    return Group(int(found[1]))


def read_hop(text: str) -> NextHop | Group:
    """Return the next hop, or the group of them, that an option names. Raises ConfigError."""
    where = read_where(text)
    if isinstance(where, Said):
        raise ConfigError(f"next hop {text!r}: {_EXAMPLE}, or group:N")
    return where


def parse_next_hop(text: str) -> NextHop:
    """Return the next hop that `text` writes, in <> or without. Raises ConfigError, which says what to write."""
    written = text.strip()
    if written[:1] == "<" and written[-1:] == ">":
        written = written[1:-1]
    try:
        hop = next_hop_of(parse_uri(written.encode("utf-8", "surrogateescape")))
    except Reject as reject:
        raise ConfigError(f"next hop {text!r}: {reject.reason}; {_EXAMPLE}") from None
    if hop.port == 0:
        raise ConfigError(f"next hop {text!r}: there is no port 0; {_EXAMPLE}")
    return hop


def next_hop_of(uri: Uri) -> NextHop:
    """Return where a URI leads, a Request-URI or a Route. Raises Reject(416) for one that leads nowhere by itself."""
    if uri.scheme not in ("sip", "sips"):
        raise Reject(416, "Unsupported URI Scheme")
    transport = transport_of(uri)
    secure = uri.scheme == "sips"
    if (transport and transport not in TRANSPORTS) or (secure and transport == "udp"):
        raise Reject(416, "Unsupported Transport In URI")
    return NextHop(uri.raw, secure, (uri.params.get("maddr") or uri.host).strip("[]"), uri.port, transport)
