"""KSR's own functions, those without a module: logging, tests of the request, flags, the Request-URI."""

from __future__ import annotations

import logging
from typing import Final

from slbroker_handlers.kemi.call import Call, Local, read_socket
from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.uris import read_address, split_uri

logger = logging.getLogger("slbroker.kemi.script")

core = Module("")

MAX_FLAG: Final = 31
# Kamailio's levels; it has more than Python.
LEVELS: Final = {
    "dbg": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warn": logging.WARNING,
    "err": logging.ERROR,
    "alert": logging.CRITICAL,
    "crit": logging.CRITICAL,
}
LETTERS: Final = {
    "I": "INVITE", "A": "ACK", "B": "BYE", "C": "CANCEL", "M": "MESSAGE", "R": "REGISTER", "E": "PRACK",
    "P": "PUBLISH", "S": "SUBSCRIBE", "N": "NOTIFY", "O": "OPTIONS", "F": "REFER", "U": "UPDATE", "K": "KDMQ",
    "G": "GET", "D": "DELETE", "T": "POST", "V": "PUT",
}  # fmt: skip
METHODS: Final = (*LETTERS.values(), "INFO")
PROTOCOLS: Final = {"udp": "U", "tcp": "T", "tls": "E", "sctp": "S", "ws": "W", "wss": "V"}
_NO_FORWARDING: Final = "there is no forwarding here: nothing comes of it"


# Logging --------------------------------------------------------------------------------------------------------


def write_log(level: int, message: str) -> None:
    """Write a script's line; it brings the line's end itself."""
    logger.log(level, "%s", message.rstrip("\r\n"))


@core.export
def dbg(_call: Call, message: str) -> None:
    """Log at level debug."""
    write_log(logging.DEBUG, message)


@core.export
def info(_call: Call, message: str) -> None:
    """Log at level info."""
    write_log(logging.INFO, message)


@core.export(partial="logged as info")
def notice(_call: Call, message: str) -> None:
    """Log at level notice."""
    write_log(logging.INFO, message)


@core.export
def warn(_call: Call, message: str) -> None:
    """Log at level warning."""
    write_log(logging.WARNING, message)


@core.export
def err(_call: Call, message: str) -> None:
    """Log at level error."""
    write_log(logging.ERROR, message)


@core.export
def crit(_call: Call, message: str) -> None:
    """Log at level critical."""
    write_log(logging.CRITICAL, message)


@core.export
def log(_call: Call, level: str, message: str) -> None:
    """Log at "dbg", "info", "warn" or "crit"; any other word means error."""
    write_log(LEVELS.get(level, logging.ERROR), message)


@core.export(partial="always 2, Kamailio's level for info")
def get_debug(_call: Call) -> int:
    """Return the log level."""
    return 2


# The request ----------------------------------------------------------------------------------------------------


@core.export
def is_method(call: Call, methods: str) -> bool:
    """Return whether the method is this one, or one of several with | between them, in any case."""
    return call.method.upper() in methods.upper().split("|") and call.method != ""


@core.export
def is_method_in(call: Call, letters: str) -> bool:
    """Return whether the method is one of those that the letters stand for: I for INVITE, O for OPTIONS and so on."""
    return any(LETTERS.get(letter) == call.method for letter in letters.upper())


def _declare_method(method: str) -> None:
    def is_this(call: Call) -> bool:
        return call.request.item.method == wanted

    wanted = method.encode()
    is_this.__doc__ = f"Return whether the method is {method}."
    core.add(f"is_{method}", is_this)


for _method in METHODS:
    _declare_method(_method)


@core.export
def is_proto(call: Call, letters: str) -> bool:
    """Return whether the request's transport is one that the letters stand for: U, T, E for TLS, W, V for WSS, S."""
    return PROTOCOLS.get(call.local.transport, "?") in letters.upper()


def _declare_protocol(name: str, *transports: str) -> None:
    def is_this(call: Call) -> bool:
        return call.local.transport in transports

    is_this.__doc__ = f"Return whether the request came over {' or '.join(transports).upper()}."
    core.add(name, is_this)


for _name, _transports in {
    "is_UDP": ("udp",), "is_TCP": ("tcp",), "is_TLS": ("tls",), "is_WS": ("ws",), "is_WSS": ("wss",),
    "is_WSX": ("ws", "wss"), "is_TCPX": ("tcp", "tls", "ws", "wss"), "is_SCTP": ("sctp",),
}.items():  # fmt: skip
    _declare_protocol(_name, *_transports)


@core.export(name="is_IPv4")
def is_ipv4(call: Call) -> bool:
    """Return whether the request came over IPv4."""
    return "." in call.source.host and ":" not in call.source.host


@core.export(name="is_IPv6")
def is_ipv6(call: Call) -> bool:
    """Return whether the request came over IPv6."""
    return ":" in call.source.host


@core.export
def is_src_port(call: Call, port: int) -> bool:
    """Return whether the request came from this port."""
    return call.source.port == port


@core.export
def is_dst_port(call: Call, port: int) -> bool:
    """Return whether the request came to this port."""
    return call.local.port == port


# Ourselves ------------------------------------------------------------------------------------------------------

_MYSELF: Final = "we are the socket that this request came to, and each --kemi-param core.alias"


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


@core.export(partial=_MYSELF)
def is_myself(call: Call, uri: str) -> bool:
    """Return whether a URI, or a host, is us."""
    return is_own_uri(call, uri) if uri.startswith(("sip:", "sips:")) else is_ours(call, uri, 0)


@core.export(partial=_MYSELF)
def is_myself_ruri(call: Call) -> bool:
    """Return whether the Request-URI leads to us."""
    return is_own_uri(call, call.uri)


@core.export(partial=_MYSELF)
def is_myself_furi(call: Call) -> bool:
    """Return whether From's URI is one of ours."""
    return is_own_uri(call, read_address(call.first(b"from")).uri)


@core.export(partial=_MYSELF)
def is_myself_turi(call: Call) -> bool:
    """Return whether To's URI is one of ours."""
    return is_own_uri(call, read_address(call.first(b"to")).uri)


@core.export(partial=_MYSELF)
def is_myself_duri(call: Call) -> bool:
    """Return whether the destination URI is one of ours; there is none until the script sets it."""
    return call.destination is not None and is_myself(call, call.destination)


@core.export(partial=_MYSELF)
def is_myself_nhuri(call: Call) -> bool:
    """Return whether the next hop, the destination URI or else the Request-URI, is us."""
    return is_myself(call, call.uri if call.destination is None else call.destination)


@core.export(partial=_MYSELF)
def is_myself_suri(call: Call) -> bool:
    """Return whether the request came from one of our own sockets."""
    return is_ours(call, call.source.host, call.source.port, call.local.transport)


@core.export(partial=_MYSELF)
def is_myself_srcip(call: Call) -> bool:
    """Return whether the request came from one of our addresses."""
    return is_ours(call, call.source.host, 0)


# The Request-URI and where to -----------------------------------------------------------------------------------


@core.export
def seturi(call: Call, uri: str) -> bool:
    """Change the Request-URI; a 3xx reply then leads there."""
    call.set_uri(uri)
    return True


@core.export
def setuser(call: Call, user: str) -> bool:
    """Change the user of the Request-URI; "" takes it out."""
    parts = call.parts
    if parts is None:
        return False
    call.set_uri(parts.with_user(user))
    return True


@core.export
def sethost(call: Call, host: str) -> bool:
    """Change the host of the Request-URI; a port may stand behind it where the URI has none."""
    parts = call.parts
    if parts is None:
        return False
    call.set_uri(parts.with_host(host))  # which is no URI any more where it is empty
    return True


@core.export(partial=_NO_FORWARDING)
def setdsturi(call: Call, uri: str) -> bool:
    """Set the destination URI."""
    call.destination = uri
    return True


@core.export(partial=_NO_FORWARDING)
def resetdsturi(call: Call) -> bool:
    """Forget the destination URI."""
    call.destination = None
    return True


@core.export(partial=_NO_FORWARDING)
def isdsturiset(call: Call) -> bool:
    """Return whether there is a destination URI."""
    return call.destination is not None


# What becomes of replies ----------------------------------------------------------------------------------------


@core.export(
    partial="the edge decides by the Via where the reply goes: rport is honoured where the client asked for it"
)
def force_rport(_call: Call) -> bool:
    """Send the reply to the port that the request came from."""
    return True


@core.export(partial=_NO_FORWARDING)
def add_local_rport(_call: Call) -> bool:
    """Ask for rport in the own Via."""
    return True


@core.export
def set_reply_close(call: Call) -> bool:
    """Close the connection when a reply that is made from now on was sent."""
    call.closes = True
    return True


@core.export
def set_reply_no_connect(_call: Call) -> bool:
    """Open no connection to send the reply; the edge never does."""
    return True


@core.export(partial=_NO_FORWARDING)
def set_forward_close(_call: Call) -> bool:
    """Close the connection when the request was forwarded."""
    return True


@core.export(partial=_NO_FORWARDING)
def set_forward_no_connect(_call: Call) -> bool:
    """Open no connection to forward the request."""
    return True


@core.export
def set_drop(_call: Call) -> None:
    """Drop the message when the route ends. A request is not forwarded anyway, and replies are sent all the same."""
