"""Next hops as people write them: sip:10.0.0.5:5060;transport=tcp, sips:gw.example.com, <sip:[2001:db8::5]>."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from slbroker.errors import ConfigError, Reject
from slbroker.listen import TRANSPORTS
from slbroker.proxy.names import transport_of
from slbroker.sip.uri import Uri, parse_uri

if TYPE_CHECKING:
    from typing import Final

_EXAMPLE: Final = "write a SIP URI such as sip:10.0.0.5:5060 or sip:gw.example.com;transport=tcp"


class NextHop(NamedTuple):
    """A sip or sips URI to which requests are sent; what it leaves open, RFC 3263 says (`locate`).

    `transport` is "" and `port` None where the URI does not say. `host` is `maddr`, where there is one (RFC 3263 4).
    """

    uri: bytes
    secure: bool  # sips: TLS or secure WebSocket, never anything else
    host: str
    port: int | None
    transport: str


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
