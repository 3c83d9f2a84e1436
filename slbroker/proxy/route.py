"""Route on the way through (RFC 3261 16.4, and steps 6 and 7 of 16.6): what names us is taken off, the rest followed.

    from a strict router      the Request-URI is one that we wrote into Record-Route: the last Route takes its place
    Request-URI with maddr    that names us: maddr goes, and the port and transport that go with it
    Route that names us       taken off, both of them where we wrote two
    to a strict router        the next Route has no `lr`: it becomes the Request-URI, which becomes the last Route

What our Record-Route and Path say in the place of the user, and in `hop`, is a flow token (`flow`). It tells where the
first request of the dialog came from, and where it went: behind NAT, at the end of a WebSocket, or a next hop that was
chosen. That is where the others go, too. The Routes that are left, and the Request-URI, are only a peer's word for it:
with a token in front of them anybody who has once called through here could have us send to whom he likes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker.proxy.flow import framed, read_flow
from slbroker.proxy.head import elements
from slbroker.proxy.names import is_us, port_of, transport_of
from slbroker.sip.uri import InvalidUri, parse_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker.proxy.flow import Flow, Seals
    from slbroker.proxy.head import Head
    from slbroker.proxy.names import Us
    from slbroker.sip.address import Address
    from slbroker.sip.message import Message, Source
    from slbroker.sip.uri import Uri

# Which way a token of Record-Route leads: to who sent the request that set up the dialog, or to who was sent it.
TO_CALLER: Final = b"c"
TO_CALLEE: Final = b"d"

_drop_maddr = re.compile(rb";(?:maddr|transport)=[^;?]*", re.IGNORECASE).sub
_drop_port = re.compile(rb"(?:(?<=\])|(?<=[0-9A-Za-z._-])):[0-9]{1,5}\Z").sub


class Routed(NamedTuple):
    """Where a request wants to go.

    `uri` is its Request-URI from now on, `target` the URI to which it is to be sent: that, or a Route. `flow` is where
    the peer is that a token of ours stands for; then `target` does not count. `signed` says that a token of ours came
    with the request, so that its dialog, or its registration, went through us.
    """

    uri: bytes
    target: bytes
    flow: Flow | None
    signed: bool


def follow(head: Head, message: Message, source: Source, us: Us, seals: Seals) -> Routed:
    """Do to the lines of `head` what Route says; return where the request wants to go. Raises Reject(400, reason)."""
    uri = message.uri
    if b"route" not in message.headers:  # a value may read so, too: then nothing is found
        uri = _without_maddr(uri, source, us)
        return Routed(uri, uri, None, signed=False)
    routes = [(at, *found) for at in head.find_all(b"route") for found in elements(head.lines[at])]
    marks: list[Uri] = []
    if routes and b"lr" in uri and (record := _record_of_ours(uri, us)):
        marks.append(record)
        uri = _checked(routes[-1][3])
        _cut_last(head, routes)
        routes.pop()
    uri = _without_maddr(uri, source, us)
    ours = 0
    while ours < len(routes) and is_us(routes[ours][3].uri, us):
        marks.append(routes[ours][3].uri)
        ours += 1
    _cut_first(head, routes, ours)
    signed, flow = _read_marks(marks, message, seals)
    if ours == len(routes):
        return Routed(uri, uri, flow, signed)
    target = _checked(routes[ours][3])
    if "lr" not in routes[ours][3].uri.params:
        _to_strict(head, uri)
        uri = target
    return Routed(uri, target, flow, signed)


def _checked(address: Address) -> bytes:
    """Return the URI of a Route; raise InvalidUri for one that could not be a Request-URI."""
    if address.uri.scheme not in ("sip", "sips"):
        raise InvalidUri("Bad Scheme In Route")
    return address.uri_bytes


def _record_of_ours(raw: bytes, us: Us) -> Uri | None:
    uri = parse_uri(raw)
    return uri if "lr" in uri.params and is_us(uri, us) else None


def _without_maddr(raw: bytes, source: Source, us: Us) -> bytes:
    """Return the Request-URI without a maddr that is ours, where it came by the port and transport that go with it."""
    if b"maddr" not in raw.lower():
        return raw
    uri = parse_uri(raw)
    maddr = uri.params.get("maddr")
    transport, _, rest = source.asked.partition(":")
    port = int(rest.rpartition(":")[2] or 0)
    named = transport_of(uri) or ("tls" if uri.scheme == "sips" else "udp")
    if not maddr or not us(maddr, port_of(uri)) or (named, port_of(uri)) != (transport, port):
        return raw
    host, mark, params = raw.partition(b";") if b"@" not in raw else _split_behind_user(raw)
    return _drop_port(b"", host) + _drop_maddr(b"", mark + params)


def _split_behind_user(raw: bytes) -> tuple[bytes, bytes, bytes]:
    user, at, rest = raw.rpartition(b"@")
    host, mark, params = rest.partition(b";")
    return user + at + host, mark, params


def _read_marks(marks: list[Uri], message: Message, seals: Seals) -> tuple[bool, Flow | None]:
    """Return whether one of these URIs of ours has a token of ours, and the flow that this request is to take.

    Of two for this way, of a request that came by here twice, the one that leads further counts: the last.
    """
    if not marks:
        return False, None
    signed, flow = False, None
    call, caller, callee = message.call_id, message.from_tag, message.to_tag
    # Which of the two tags a token is bound to says who sends: for the other one it is meant.
    bound = [
        (seals.route, framed(way, call, tag), is_meant)
        for way, tag, is_meant in (
            (TO_CALLER, callee, True), (TO_CALLEE, caller, True),
            (TO_CALLER, caller, False), (TO_CALLEE, callee, False),
        )
        if tag
    ]  # fmt: skip
    bound.append((seals.path, b"", True))
    for token in _tokens(marks):
        for seal, to, is_meant in bound:
            if (found := seal.open(token, to)) is not None:
                signed = True
                flow = read_flow(found) if is_meant else flow
                break  # a token is of one place
    return signed, flow


def _tokens(marks: list[Uri]) -> Iterator[bytes]:
    for uri in marks:
        for token in (uri.user, uri.params.get("hop")):
            if token:
                yield token.encode("utf-8", "surrogateescape")


# Lines --------------------------------------------------------------------------------------------------------------


def _cut_first(head: Head, routes: list[tuple[int, int, int, Address]], count: int) -> None:
    """Take away the first `count` of the addresses; what is left of a line stays as it is."""
    if not count:
        return
    gone = {routes[at][0] for at in range(count)}
    if count < len(routes):
        at, start = routes[count][:2]
        if at in gone:
            gone.discard(at)
            begin = next(route[1] for route in routes if route[0] == at)
            head.lines[at] = head.lines[at][:begin] + head.lines[at][start:]
    for at in sorted(gone, reverse=True):
        head.delete(at)
    # Empty Route lines may stand between them: they say nothing, and stay.


def _cut_last(head: Head, routes: list[tuple[int, int, int, Address]]) -> None:
    at = routes[-1][0]
    if len(routes) > 1 and routes[-2][0] == at:
        head.lines[at] = head.lines[at][: routes[-2][2]]
    else:
        head.delete(at)


def _to_strict(head: Head, uri: bytes) -> None:
    """Take the first Route away, and put the Request-URI behind the last one: behind all headers, as Kamailio does."""
    routes = [(at, *found) for at in head.find_all(b"route") for found in elements(head.lines[at])]
    head.append(b"route", b"Route: <%b>" % uri)
    _cut_first(head, routes, 1)
