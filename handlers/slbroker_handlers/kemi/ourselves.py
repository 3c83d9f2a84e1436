"""Which addresses are our own: the socket that a request came to, and what `--kemi-param core.alias` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.call import Local, read_socket
from slbroker_handlers.kemi.uris import split_uri

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

# Kamailio's letters for transports.
PROTOCOLS: Final = {"udp": "U", "tcp": "T", "tls": "E", "sctp": "S", "ws": "W", "wss": "V"}


def is_ours(call: Call, host: str, port: int, transport: str = "") -> bool:
    """Return whether an address is one of ours; port 0 and no transport mean any."""
    host = host.strip("[]").lower()
    sockets: list[Local] = [call.local, *map(_read_alias, call.state.params.aliases)]
    return any(
        host == own.host.lower()
        and (not port or not own.port or port == own.port)
        and (not transport or not own.transport or transport == own.transport)
        for own in sockets
    )


def _read_alias(alias: str) -> Local:
    """Return the socket that an alias means: host, host:port or proto:host:port."""
    transport, colon, _ = alias.partition(":")
    if colon and transport.lower() in PROTOCOLS:
        return read_socket(alias if alias.rpartition(":")[2].isdecimal() else f"{alias}:0")
    host, colon, port = alias.rpartition(":")
    if colon and port.isdecimal() and not alias.endswith("]"):
        return Local("", host.strip("[]"), int(port), alias)
    return Local("", alias.strip("[]"), 0, alias)


def is_own_uri(call: Call, uri: str) -> bool:
    """Return whether a URI leads to us; its scheme in capitals is none that Kamailio knows to be one here."""
    parts = split_uri(uri) if uri.startswith(("sip:", "sips:")) else None
    return parts is not None and bool(parts.host) and is_ours(call, parts.host, int(parts.port or 0))


def is_own(call: Call, uri: str) -> bool:
    """Return whether a URI, or a host, is us."""
    return is_own_uri(call, uri) if uri.startswith(("sip:", "sips:")) else is_ours(call, uri, 0)
