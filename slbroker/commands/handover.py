"""The lines of kamailio.cfg and opensips.cfg by which a proxy hands requests over to an edge."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from slbroker.listen import EVERYWHERE, WEBSOCKETS, parse_advertised

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from slbroker.listen import ListenAddress

_KAMAILIO: Final = """\
# kamailio.cfg (modules tm, sl, pv, textops): route(SLBROKER) hands a request over to this edge.
route[SLBROKER] {{
    $du = "{target}";{others}
    if (is_method("CANCEL") && !t_check_trans()) {{
        forward();
        exit;
    }}
    if (!t_relay() && !is_method("ACK")) sl_reply_error();
    exit;
}}
"""
_OPENSIPS: Final = """\
# opensips.cfg (modules tm, sl, {proto}): route(slbroker) does.
route[slbroker] {{
    $du = "{target}";{others}
    if (!t_relay() && !is_method("ACK"))
        sl_reply_error();
    exit;
}}
"""
_LIST: Final = """\
# Several edges: their lines in the list of Kamailio's dispatcher, and modparam("dispatcher", "ds_probing_mode", 1).
"""


def handing_over(listen: Sequence[ListenAddress]) -> Iterator[str]:
    """Yield the lines for an edge that listens there; none where a proxy cannot reach it, as over WebSocket alone."""
    targets = [uri for address in listen if address.transport not in WEBSOCKETS and (uri := target(address))]
    if not targets:
        return
    others = "".join(f"\n    # or {uri}" for uri in targets[1:])
    proto = "proto_" + (targets[0].partition(";transport=")[2] or "udp")
    yield from _KAMAILIO.format(target=targets[0], others=others).splitlines()
    yield ""
    yield from _OPENSIPS.format(target=targets[0], others=others, proto=proto).splitlines()
    yield ""
    yield from _LIST.splitlines()
    yield f"1 {targets[0]} 0 0"


def target(address: ListenAddress) -> str:
    """Return the SIP URI by which a proxy reaches an address, "" where the port is one that the kernel chooses."""
    host, port = f"[{address.host}]" if ":" in address.host else address.host, address.port
    if address.advertised:
        host, _, digits = parse_advertised(address.advertised).rpartition(":")
        if not digits.isdigit():  # a host alone
            host, digits = address.advertised.strip(), ""
        port = int(digits) if digits else address.port
    elif address.host in EVERYWHERE:
        host = own_address(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    if not port:
        return ""
    transport = "" if address.transport == "udp" else f";transport={address.transport}"
    return f"sip:{host}:{port}{transport}"


def own_address(family: socket.AddressFamily) -> str:
    """Return the address by which this machine reaches others, in brackets if it is IPv6; loopback without a way."""
    there, loopback = ("2001:db8::1", "[::1]") if family is socket.AF_INET6 else ("192.0.2.1", "127.0.0.1")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((there, 9))  # nothing is sent
            host = str(asked.getsockname()[0])
    except OSError:
        return loopback
    return f"[{host}]" if family is socket.AF_INET6 else host
