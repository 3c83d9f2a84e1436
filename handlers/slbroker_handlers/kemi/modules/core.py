"""KSR's own functions, those without a module: logging, tests of the request, flags, the Request-URI."""

from __future__ import annotations

import logging
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.addresses import read_ip
from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.flags import changed, is_flag
from slbroker_handlers.kemi.ourselves import PROTOCOLS, is_ours, is_own, is_own_uri
from slbroker_handlers.kemi.passage import go_on
from slbroker_handlers.kemi.scriptlog import LEVELS, write_log
from slbroker_handlers.kemi.uris import split_uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.uris import UriParts

core = Module("")

LETTERS: Final = {
    "I": "INVITE", "A": "ACK", "B": "BYE", "C": "CANCEL", "M": "MESSAGE", "R": "REGISTER", "E": "PRACK",
    "P": "PUBLISH", "S": "SUBSCRIBE", "N": "NOTIFY", "O": "OPTIONS", "F": "REFER", "U": "UPDATE", "K": "KDMQ",
    "G": "GET", "D": "DELETE", "T": "POST", "V": "PUT",
}  # fmt: skip
METHODS: Final = (*LETTERS.values(), "INFO")
_EDGE_CONNECTS: Final = "the edge keeps its connections itself: nothing comes of it"


def _add_tests(tests: dict[str, tuple[str, Callable[[Call], bool]]], partial: str = "") -> None:
    """Declare functions that take nothing: what is true where they return True, and how that is seen."""
    for name, (what, test) in tests.items():
        core.add(name, test, f"Return whether {what}.", partial=partial, result="bool")


# Logging --------------------------------------------------------------------------------------------------------


def _add_level(name: str, level: str, partial: str = "") -> None:
    def write(_call: Call, message: str) -> None:
        write_log(LEVELS[name], message)

    core.add(name, write, f"Log at level {level}.", partial=partial)


for _name, _level in {"dbg": "debug", "info": "info", "warn": "warning", "err": "error", "crit": "critical"}.items():
    _add_level(_name, _level)
_add_level("notice", "notice", "logged as info")


@core.export
def log(_call: Call, level: str, message: str) -> None:
    """Log at "dbg", "info", "warn" or "crit"; any other word means error."""
    write_log(LEVELS.get(level, logging.ERROR), message)


core.answer(2, {"get_debug()": "Return the log level."}, partial="always 2, Kamailio's level for info")

# The request ----------------------------------------------------------------------------------------------------


@core.export
def is_method(call: Call, methods: str) -> bool:
    """Return whether the method is this one, or one of several with | between them, in any case."""
    return call.method.upper() in methods.upper().split("|") and call.method != ""


@core.export
def is_method_in(call: Call, letters: str) -> bool:
    """Return whether the method is one of those that the letters stand for: I for INVITE, O for OPTIONS and so on."""
    return any(LETTERS.get(letter) == call.method for letter in letters.upper())


@core.export
def is_proto(call: Call, letters: str) -> bool:
    """Return whether the request's transport is one that the letters stand for: U, T, E for TLS, W, V for WSS, S."""
    return PROTOCOLS.get(call.local.transport, "?") in letters.upper()


@core.export
def is_src_port(call: Call, port: int) -> bool:
    """Return whether the request came from this port."""
    return call.source.port == port


@core.export
def is_dst_port(call: Call, port: int) -> bool:
    """Return whether the request came to this port."""
    return call.local.port == port


def _has_method(wanted: bytes) -> Callable[[Call], bool]:
    return lambda call: call.request.item.method == wanted


def _came_over(transports: tuple[str, ...]) -> Callable[[Call], bool]:
    return lambda call: call.local.transport in transports


_add_tests({
    **{f"is_{method}": (f"the method is {method}", _has_method(method.encode())) for method in METHODS},
    **{
        f"is_{name}": (f"the request came over {' or '.join(transports).upper()}", _came_over(transports))
        for name, transports in {
            "UDP": ("udp",), "TCP": ("tcp",), "TLS": ("tls",), "WS": ("ws",), "WSS": ("wss",), "SCTP": ("sctp",),
            "WSX": ("ws", "wss"), "TCPX": ("tcp", "tls", "ws", "wss"),
        }.items()
    },
    "is_IPv4": ("the request came over IPv4", lambda call: "." in call.source.host and ":" not in call.source.host),
    "is_IPv6": ("the request came over IPv6", lambda call: ":" in call.source.host),
})  # fmt: skip


# Ourselves ------------------------------------------------------------------------------------------------------

_MYSELF: Final = "we are the socket that this request came to, and each --kemi-param core.alias"


@core.export(partial=_MYSELF)
def is_myself(call: Call, uri: str) -> bool:
    """Return whether a URI, or a host, is us."""
    return is_own(call, uri)


_add_tests(
    {
        "is_myself_ruri": ("the Request-URI leads to us", lambda call: is_own_uri(call, call.uri)),
        "is_myself_furi": (
            "From's URI is one of ours", lambda call: is_own_uri(call, call.uri_in(b"from"))
        ),
        "is_myself_turi": (
            "To's URI is one of ours", lambda call: is_own_uri(call, call.uri_in(b"to"))
        ),
        "is_myself_duri": (
            "the destination URI is one of ours; there is none until the script sets it",
            lambda call: call.destination is not None and is_own(call, call.destination),
        ),
        "is_myself_nhuri": (
            "the next hop, the destination URI or else the Request-URI, is us",
            lambda call: is_own(call, call.next_hop),
        ),
        "is_myself_suri": (
            "the request came from one of our own sockets",
            lambda call: is_ours(call, call.source.host, call.source.port, call.local.transport),
        ),
        "is_myself_srcip": (
            "the request came from one of our addresses", lambda call: is_ours(call, call.source.host, 0)
        ),
    },
    _MYSELF,
)  # fmt: skip


# Flags ----------------------------------------------------------------------------------------------------------


def _add_flags(infix: str, attribute: str, what: str, more: str) -> None:
    """Declare what sets, clears and asks for a flag of those that a call has in an attribute."""

    def change(call: Call, flag: int, value: bool) -> bool:
        if not is_flag(flag):
            return False
        setattr(call, attribute, changed(getattr(call, attribute), flag, value))
        return True

    def put(call: Call, flag: int) -> bool:
        return change(call, flag, True)

    def clear(call: Call, flag: int) -> bool:
        return change(call, flag, False)

    def ask(call: Call, flag: int) -> bool:
        return is_flag(flag) and bool(getattr(call, attribute) >> flag & 1)

    core.add(f"set{infix}flag", put, f"Set {what}{more}.")
    core.add(f"reset{infix}flag", clear, f"Clear {what}.")
    core.add(f"is{infix}flagset", ask, f"Return whether {what} is set.")


_add_flags("", "flags", "a flag of the request", ", 0 to 31")
_add_flags(
    "s", "script_flags", "a script flag", "; it is cleared with the route's end, as the flags of the request are"
)


def _change(call: Call, flag: int, branch: int, value: bool) -> bool:
    if not is_flag(flag):
        return False
    if 0 <= branch <= len(call.branches):  # a branch that is not there keeps nothing
        call.branch_flags[branch] = changed(call.branch_flags.get(branch, 0), flag, value)
    return True


@core.export
def setbiflag(call: Call, flag: int, branch: int) -> bool:
    """Set a flag of a branch."""
    return _change(call, flag, branch, True)


@core.export
def resetbiflag(call: Call, flag: int, branch: int) -> bool:
    """Clear a flag of a branch."""
    return _change(call, flag, branch, False)


@core.export
def isbiflagset(call: Call, flag: int, branch: int) -> bool:
    """Return whether a flag of a branch is set."""
    return is_flag(flag) and bool(call.branch_flags.get(branch, 0) >> flag & 1)


@core.export(partial="there are no branches, so the flag serves the script alone")
def setbflag(call: Call, flag: int) -> bool:
    """Set a flag of the first branch."""
    return setbiflag(call, flag, 0)


@core.export
def resetbflag(call: Call, flag: int) -> bool:
    """Clear a flag of the first branch."""
    return resetbiflag(call, flag, 0)


@core.export
def isbflagset(call: Call, flag: int) -> bool:
    """Return whether a flag of the first branch is set."""
    return isbiflagset(call, flag, 0)


# The Request-URI and where to -----------------------------------------------------------------------------------


@core.export
def seturi(call: Call, uri: str) -> bool:
    """Change the Request-URI; a 3xx reply then leads there."""
    call.set_uri(uri)
    return True


@core.export
def setuser(call: Call, user: str) -> bool:
    """Change the user of the Request-URI; "" takes it out."""
    return call.set_user(user)


@core.export
def sethost(call: Call, host: str) -> bool:
    """Change the host of the Request-URI; a port may stand behind it where the URI has none."""
    return call.set_host(host)


@core.export
def setdsturi(call: Call, uri: str) -> bool:
    """Set the destination URI, to which the request goes when it goes on; "" is none."""
    call.destination = uri or None
    return True


@core.export
def resetdsturi(call: Call) -> bool:
    """Forget the destination URI."""
    call.destination = None
    return True


_add_tests({"isdsturiset": ("there is a destination URI", lambda call: call.destination is not None)})

# Going on -------------------------------------------------------------------------------------------------------

_ONCE: Final = (
    "it goes on when the route has ended, once: a second call is -1; the edge looks the name up then, and the script is"
    " told 1; sips means TLS"
)


@core.export(partial=_ONCE)
def forward(call: Call) -> int:
    """Let the request go on, statelessly, to the destination URI or else to the Request-URI: 1; -1 for no SIP URI."""
    return go_on(call)


@core.export(partial=_ONCE)
def forward_uri(call: Call, uri: str) -> int:
    """Let the request go on to `uri`; as `forward` where that is ""."""
    return go_on(call, uri)


def _next_hop_is(test: Callable[[UriParts], bool]) -> Callable[[Call], bool]:
    return lambda call: (parts := split_uri(call.next_hop)) is not None and test(parts)


def _is_ip4(host: str) -> bool:
    return isinstance(read_ip(host), IPv4Address)


def _goes_over(*transports: str) -> Callable[[Call], bool]:
    return _next_hop_is(lambda parts: (parts.param("transport") or "").lower() in transports)


_add_tests({
    **{
        f"to_{name}": (f"the next hop's URI names {' or '.join(transports).upper()}", _goes_over(*transports))
        for name, transports in {
            "UDP": ("udp",), "TCP": ("tcp",), "TLS": ("tls",), "WS": ("ws",), "WSS": ("wss",), "SCTP": ("sctp",),
            "WSX": ("ws", "wss"),
        }.items()
    },
    "to_IPv4": ("the next hop is an IPv4 address", _next_hop_is(lambda parts: _is_ip4(parts.host))),
    "to_IPv6": ("the next hop is an IPv6 address", _next_hop_is(lambda parts: parts.host.startswith("["))),
})  # fmt: skip

# What becomes of replies ----------------------------------------------------------------------------------------


@core.export
def set_reply_close(call: Call) -> bool:
    """Close the connection when a reply that is made from now on was sent."""
    call.closes = True
    return True


@core.export
def set_drop(call: Call) -> None:
    """Drop a reply when its route ends. A request that goes on, and replies of ours, leave all the same."""
    call.passage.is_dropped = True


core.answer(
    True,
    {"force_rport()": "Send the reply to the port that the request came from."},
    partial="the edge decides by the Via where the reply goes: rport is honoured where the client asked for it",
)
core.answer(True, {"set_reply_no_connect()": "Open no connection to send the reply; the edge never does."})
core.answer(
    True,
    {
        "add_local_rport()": "Ask for rport in the own Via.",
        "set_forward_close()": "Close the connection when the request was forwarded.",
        "set_forward_no_connect()": "Open no connection to forward the request.",
    },
    partial=_EDGE_CONNECTS,
)
