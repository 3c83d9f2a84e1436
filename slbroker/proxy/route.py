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
from slbroker.proxy.names import port_of, transport_of
from slbroker.sip.address import MAX_ADDRESSES
from slbroker.sip.grammar import HOST, IPV6, MAX_URI_PARAMS, NAME_ADDR, URI_PARAM, URI_USER
from slbroker.sip.uri import InvalidUri, parse_uri

if TYPE_CHECKING:
    from slbroker.proxy.flow import Flow, Seals
    from slbroker.proxy.head import Head
    from slbroker.proxy.names import Ours, Us
    from slbroker.sip.message import Message, Source
    from slbroker.sip.uri import Uri

# Which way a token of Record-Route leads: to who sent the request that set up the dialog, or to who was sent it.
TO_CALLER: Final = b"c"
TO_CALLEE: Final = b"d"

# The forms that nearly all have: a URI in <> with nothing beside it, and of that one without password and escapes. All
# others are read by `sip.address` and `sip.uri`, which read these to the same effect.
_match_usual_route = re.compile(rb"[ \t]*+(<([A-Za-z][%b]*+)>)[ \t]*+(,|\Z)" % NAME_ADDR).match
_match_usual_uri = re.compile(
    rb"sip:(?:([%b]++)@)?((?:[%b]++|\[[%b]{2,45}\])(:[0-9]{1,5})?)((?:;[%b]*+){0,%d})"
    % (URI_USER, HOST, IPV6, URI_PARAM, MAX_URI_PARAMS)
).fullmatch
# Parameters of such a one.
_find_loose = re.compile(rb";lr(?=[;=]|\Z)", re.IGNORECASE).search
_find_hop = re.compile(rb";hop(?:=([^;]*+))?(?=;|\Z)", re.IGNORECASE).search

_drop_maddr = re.compile(rb";(?:maddr|transport)=[^;?]*", re.IGNORECASE).sub
_drop_port = re.compile(rb"(?:(?<=\])|(?<=[0-9A-Za-z._-])):[0-9]{1,5}\Z").sub


class Routed(NamedTuple):
    """Where a request wants to go.

    `uri` is its Request-URI from now on, `target` the URI to which it is to be sent: that, or a Route. `flow` is where
    the peer is that a token of ours stands for; then `target` does not count.
    """

    uri: bytes
    target: bytes
    flow: Flow | None


class _Route(NamedTuple):
    """An address of Route: in which line it stands, where it begins there and ends, and its URI."""

    at: int
    start: int
    end: int
    uri: bytes


class _Hop(NamedTuple):
    """What counts here of the URI of a Route."""

    is_sip: bool  # or sips
    is_ours: bool
    is_loose: bool
    tokens: list[bytes]  # what may be some of ours, if it is


def follow(head: Head, message: Message, source: Source, us: Ours, seals: Seals) -> Routed:
    """Do to the lines of `head` what Route says; return where the request wants to go. Raises Reject(400, reason)."""
    uri = message.uri
    if b"route" not in head.names:
        uri = _without_maddr(uri, source, us)
        return Routed(uri, uri, None)
    routes = _routes(head)
    tokens: list[bytes] = []
    if routes and b"lr" in uri and (record := _record_of_ours(uri, us)):
        tokens += record.tokens
        uri = _checked(routes[-1].uri, _read_hop(routes[-1].uri, us))
        _cut_last(head, routes)
        routes.pop()
    uri = _without_maddr(uri, source, us)
    ours = 0
    further: _Hop | None = None
    for route in routes:
        further = _read_hop(route.uri, us)
        if not further.is_ours:
            break
        tokens += further.tokens
        ours += 1
        further = None
    _cut_first(head, routes, ours)
    flow = _flow_of(tokens, message, seals) if tokens else None
    if further is None:
        return Routed(uri, uri, flow)
    target = _checked(routes[ours].uri, further)
    if not further.is_loose:
        _to_strict(head, uri)
        uri = target
    return Routed(uri, target, flow)


def _checked(uri: bytes, hop: _Hop) -> bytes:
    """Return the URI of a Route; raise InvalidUri for one that could not be a Request-URI."""
    if not hop.is_sip:
        raise InvalidUri("Bad Scheme In Route")
    return uri


def _record_of_ours(raw: bytes, us: Ours) -> _Hop | None:
    hop = _read_hop(raw, us)
    return hop if hop.is_loose and hop.is_ours else None


def _routes(head: Head) -> list[_Route]:
    """Return the addresses of all Routes."""
    return [_Route(at, *found) for at in head.find_all(b"route") for found in _addresses(head.lines[at])]


def _addresses(line: bytes) -> list[tuple[int, int, bytes]]:
    """Return the addresses of a line of Route: where each begins and ends, and its URI."""
    found: list[tuple[int, int, bytes]] = []
    at = line.index(b":") + 1
    while (usual := _match_usual_route(line, at)) is not None and len(found) < MAX_ADDRESSES:
        found.append((usual.start(1), usual.start(3), usual[2]))
        if not usual[3]:
            return found
        at = usual.end()
    return [(start, end, address.uri_bytes) for start, end, address in elements(line)]


def _read_hop(raw: bytes, us: Ours) -> _Hop:
    """Read the URI of a Route. Raises InvalidUri."""
    usual = _match_usual_uri(raw)
    if usual is None or (not usual[3] and b"transport" in raw.lower()):  # the port is that of the transport
        return _hop_of(parse_uri(raw), us)
    user, place, _, params = usual.groups()
    is_ours = us[place]
    hop = _find_hop(params) if is_ours else None
    tokens = [token for token in (user, hop and hop[1]) if token]
    return _Hop(True, is_ours, _find_loose(params) is not None, tokens)


def _hop_of(uri: Uri, us: Ours) -> _Hop:
    tokens = [token.encode("utf-8", "surrogateescape") for token in (uri.user, uri.params.get("hop")) if token]
    is_sip = uri.scheme in ("sip", "sips")
    return _Hop(is_sip, is_sip and us(uri.host, port_of(uri)), "lr" in uri.params, tokens)


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


def _flow_of(tokens: list[bytes], message: Message, seals: Seals) -> Flow | None:
    """Return the flow that this request is to take by one of these, which may be tokens of ours.

    Of two for this way, of a request that came by here twice, the one that leads further counts: the last.
    """
    # Which of the two tags a token is bound to says who sends; one for the other way opens none of these.
    call, caller, callee = message.call_id, message.from_tag, message.to_tag
    on = framed(TO_CALLEE, call, caller)
    back = b""
    for token in reversed(tokens):
        found = seals.route.open(token, on) if caller else None
        if found is None and callee:
            back = back or framed(TO_CALLER, call, callee)
            found = seals.route.open(token, back)
        if found is None:
            found = seals.path.open(token, b"")
        if found is not None:
            return read_flow(found)
    return None


# Lines --------------------------------------------------------------------------------------------------------------


def _cut_first(head: Head, routes: list[_Route], count: int) -> None:
    """Take away the first `count` of the addresses; what is left of a line stays as it is."""
    if not count:
        return
    gone = {route.at for route in routes[:count]}
    if count < len(routes):
        at, start, _, _ = routes[count]
        if at in gone:
            gone.discard(at)
            begin = next(route.start for route in routes if route.at == at)
            head.lines[at] = head.lines[at][:begin] + head.lines[at][start:]
    for at in sorted(gone, reverse=True):
        head.delete(at)
    # Empty Route lines may stand between them: they say nothing, and stay.


def _cut_last(head: Head, routes: list[_Route]) -> None:
    at = routes[-1].at
    if len(routes) > 1 and routes[-2].at == at:
        head.lines[at] = head.lines[at][: routes[-2].end]
    else:
        head.delete(at)


def _to_strict(head: Head, uri: bytes) -> None:
    """Take the first Route away, and put the Request-URI behind the last one: behind all headers, as Kamailio does."""
    routes = _routes(head)
    head.append(b"route", b"Route: <%b>" % uri)
    _cut_first(head, routes, 1)
