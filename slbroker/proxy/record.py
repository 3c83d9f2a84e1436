"""What we write so that later requests come through us: Record-Route (RFC 3261 16.6 step 4) and Path (RFC 3327).

    Record-Route: <sip:TOKEN@198.51.100.1:5060;r2=on;lr>                  where the request leaves
    Record-Route: <sip:TOKEN@203.0.113.5:5060;transport=tcp;r2=on;lr>     where it came in

A token in the place of the user leads back to the connection or address on that side (`flow`, `route`). One line stands
for both where the sides are the same, as with Kamailio's `enable_double_rr`; it has no `r2`, and `hop` has the token of
the far side. So each end's requests go where the first one came from or went, and nobody is believed a destination.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from slbroker.proxy.flow import framed
from slbroker.proxy.route import TO_CALLEE, TO_CALLER
from slbroker.sip.message import Source

if TYPE_CHECKING:
    from slbroker.proxy.flow import Flow, Seals
    from slbroker.sip.message import Message

# Methods that set up no dialog, and whose Record-Route nobody would keep.
_NO_DIALOG: Final = frozenset((b"ACK", b"CANCEL", b"REGISTER"))
MAX_LISTENS: Final = 256  # addresses an edge has


def record_routes(
    message: Message, seals: Seals, came: tuple[str, Flow], leaves: tuple[str, Flow], params: bytes = b""
) -> list[bytes]:
    """Return the Record-Route lines of a request that may set up a dialog, the one for the far side first.

    `came` and `leaves` are listen addresses with the flows that the request came by, and goes by. `params` stand behind
    all others, in each. [] inside a dialog, whose route is set.
    """
    if message.method in _NO_DIALOG or message.to_tag:
        return []
    secure = message.uri[:5].lower() == b"sips:"
    back = seals.route.token(came[1].write(), framed(TO_CALLER, message.call_id, message.from_tag))
    on = seals.route.token(leaves[1].write(), framed(TO_CALLEE, message.call_id, message.from_tag))
    if came[0] == leaves[0]:
        return [b"Record-Route: <%b;hop=%b;lr%b>" % (uri_of(came[0], back, secure), on, params)]
    return [
        b"Record-Route: <%b;r2=on;lr%b>" % (uri_of(leaves[0], on, secure), params),
        b"Record-Route: <%b;r2=on;lr%b>" % (uri_of(came[0], back, secure), params),
    ]


def path(seals: Seals, listen: str, flow: Flow) -> bytes:
    """Return the Path line of a REGISTER that came in on `listen` by `flow`."""
    return b"Path: <%b;lr>" % uri_of(listen, seals.path.token(flow.write(), b""), secure=False)


def uri_of(listen: str, user: bytes, secure: bool) -> bytes:
    """Return a URI that leads to `listen`, as peers reach it."""
    host, transport = _parts(listen)
    scheme = b"sips:" if secure else b"sip:"
    if secure:
        transport = {b";transport=tls": b";transport=tcp"}.get(transport, transport)
    return b"%b%b@%b%b" % (scheme, user, host, transport) if user else b"%b%b%b" % (scheme, host, transport)


@lru_cache(maxsize=MAX_LISTENS)
def _parts(listen: str) -> tuple[bytes, bytes]:
    """Return host with port, and the transport parameter."""
    transport = listen.partition(":")[0]
    named = "" if transport == "udp" else ";transport=ws" if transport == "wss" else f";transport={transport}"
    return Source("", 0, listen).advertised.encode(), named.encode()


@lru_cache(maxsize=MAX_LISTENS)
def via_of(listen: str) -> bytes:
    """Return what our Via begins with: "SIP/2.0/UDP 203.0.113.5:5060"."""
    own = Source("", 0, listen)
    return f"SIP/2.0/{own.transport.upper()} {own.advertised}".encode()
