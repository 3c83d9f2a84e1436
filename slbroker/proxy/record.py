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
NO_DIALOG: Final = frozenset((b"ACK", b"CANCEL", b"REGISTER"))
MAX_LISTENS: Final = 256  # addresses an edge has


def record_routes(
    message: Message, seals: Seals, came: tuple[str, Flow], leaves: tuple[str, Flow], params: bytes = b""
) -> list[bytes]:
    """Return the Record-Route lines of a request that may set up a dialog, the one for the far side first.

    `came` and `leaves` are listen addresses with the flows that the request came by, and goes by. `params` stand behind
    all others, in each. [] inside a dialog, whose route is set.
    """
    if message.method in NO_DIALOG or message.to_tag:
        return []
    back = seals.route.token(came[1].write(), framed(TO_CALLER, message.call_id, message.from_tag))
    on = seals.route.token(leaves[1].write(), framed(TO_CALLEE, message.call_id, message.from_tag))
    before, between, behind = record_pieces(came[0], leaves[0], params, secure=message.uri[:5].lower() == b"sips:")
    first, second = (back, on) if came[0] == leaves[0] else (on, back)
    return (before + first + between + second + behind).split(b"\r\n")


@lru_cache(maxsize=MAX_LISTENS)
def record_pieces(came: str, leaves: str, params: bytes = b"", *, secure: bool = False) -> tuple[bytes, bytes, bytes]:
    """Return what stands before, between and behind two tokens: the one that leads on is in front where there are two
    lines, the one that leads back in a single one.
    """
    before = b"Record-Route: <sips:" if secure else b"Record-Route: <sip:"
    if came == leaves:
        return before, _place(came, secure) + b";hop=", b";lr%b>" % params
    behind = b";r2=on;lr%b>" % params
    return before, b"%b%b\r\n%b" % (_place(leaves, secure), behind, before), _place(came, secure) + behind


def path(seals: Seals, listen: str, flow: Flow) -> bytes:
    """Return the Path line of a REGISTER that came in on `listen` by `flow`."""
    return b"Path: <%b;lr>" % uri_of(listen, seals.path.token(flow.write(), b""), secure=False)


def uri_of(listen: str, user: bytes, secure: bool) -> bytes:
    """Return a URI that leads to `listen`, as peers reach it."""
    return (b"sips:" if secure else b"sip:") + user + _place(listen, secure)


@lru_cache(maxsize=MAX_LISTENS)
def _place(listen: str, secure: bool) -> bytes:
    """Return what stands behind the user of such a URI."""
    transport = listen.partition(":")[0]
    named = {"wss": "ws", "tls": "tcp" if secure else "tls"}.get(transport, transport)
    behind = "" if transport == "udp" else f";transport={named}"
    return f"@{Source('', 0, listen).advertised}{behind}".encode()


@lru_cache(maxsize=MAX_LISTENS)
def via_of(listen: str) -> bytes:
    """Return what our Via begins with: "SIP/2.0/UDP 203.0.113.5:5060"."""
    own = Source("", 0, listen)
    return f"SIP/2.0/{own.transport.upper()} {own.advertised}".encode()
