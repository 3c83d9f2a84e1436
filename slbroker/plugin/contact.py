"""What a handler redirects to: each target is one URI, whatever stands in its parts (RFC 3261 8.3, 20.10, 25.1).

A handler puts a URI together from parts that a peer wrote. Each part gets the escapes that it lacks where it stands,
and what two readers could take for different URIs is refused: so no peer adds a Contact, a parameter or a header, nor
says which host it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from slbroker.errors import Reject
from slbroker.sip.address import Address
from slbroker.sip.grammar import A_TOKEN, WS
from slbroker.sip.uri import Uri, parse_uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.sip.message import Source

NOWHERE: Final = ("", "*", "0.0.0.0", "[::]")  # noqa: S104 - hosts that stand for all addresses, and are none

_QUOTED: Final = rb'"[^"\\\r\n\x00]*+(?:\\[^\r\n\x00][^"\\\r\n\x00]*+)*"'
# name-addr, then contact-params. What handlers write is held to the grammar more closely than what phones do.
_match_name_addr = re.compile(
    rb"(%b%b|[^\"<>;,\x00-\x08\x0a-\x1f\x7f]*+)<([^<>\r\n\x00]++)>((?:%b;%b%b(?:%b=%b(?:%b|[^\"<>;,\x00-\x20\x7f]++))?)*)"
    % (_QUOTED, WS, WS, WS, A_TOKEN, WS, WS, _QUOTED)
).fullmatch
_has_q = re.compile(rb";[ \t]*q[ \t]*(?:=|;|\Z)", re.IGNORECASE).search
_match_scheme = re.compile(rb"([A-Za-z][0-9A-Za-z+.-]*+):").match

_match_port = re.compile(rb"[0-9]{1,5}").fullmatch
_NUMBERED: Final = (b"sip", b"sips", b"tel", b"fax", b"modem")  # schemes whose URIs may be short numbers

# RFC 3261 25.1: what may stand in each part of a sip URI as it is; a "%" only where an escape begins.
_HEX: Final = rb"%(?![0-9A-Fa-f]{2})"
_UNRESERVED: Final = rb"0-9A-Za-z_.!~*'()%\-"
_not_in_user = re.compile(_HEX + rb"|[^%b&=+$,;/]" % _UNRESERVED).sub
_not_in_param = re.compile(_HEX + rb"|[^%b\[\]/:&+$]" % _UNRESERVED).sub
_not_in_header = re.compile(_HEX + rb"|[^%b\[\]/?:+$]" % _UNRESERVED).sub
_not_ascii = re.compile(rb"[\x80-\xff]").sub


def escape(words: str) -> str:
    """Return any text so that it can stand in any part of a URI, and means itself there."""
    return quote(words, safe="+-_.!~*'()", errors="surrogateescape")  # RFC 3261 25.1: mark; and what begins a number


def target_of(given: object) -> tuple[str, float | None]:
    """Return what a handler redirects to, and its q, None where it says none; raise ValueError for anything else."""
    if isinstance(given, str):
        return given, None
    if type(given) is tuple and len(given) == 2 and isinstance(given[0], str) and _is_number(given[1]):
        return given
    if isinstance(given, Uri | Address):
        raise ValueError("redirect wants text; write str(uri)")
    raise ValueError(f"redirect wants 'sip:user@host', or ('sip:user@host', 0.5) with its q, not {given!r:.80}")


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def contact_value(target: str, q: float | None = None) -> str:
    """Return the value of a Contact that leads to `target`, a URI or a name-addr with parameters, with `q` from 0 to 1.

    Raises ValueError for what is no single URI, or could be taken for another one.
    """
    raw = target.encode(errors="surrogateescape").strip(b" \t")
    display, uri, params = b"", raw, b""
    if b"<" in raw:
        found = _match_name_addr(raw)
        if found is None:
            raise ValueError(f"{target!r} is not one address; write <sip:user@host>, and several as so many arguments")
        display, uri, params = found.groups()
    written = b"%b<%b>%b" % (display, _one_uri(uri, target), params)
    if q is not None:
        if not 0 <= q <= 1:
            raise ValueError(f"q={q!r} is not between 0 and 1")
        if _has_q(params):
            raise ValueError(f"{target!r} has a q of its own")
        # RFC 3261 25.1: qvalue has at most three digits behind its point.
        written += b";q=%b" % f"{q:.3f}".rstrip("0").rstrip(".").encode()
    return written.decode(errors="surrogateescape")


def one_uri(target: str) -> bytes:
    """Return `target`, which is one URI, with the escapes that its parts lack; raise ValueError as `contact_value`."""
    return _one_uri(target.encode(errors="surrogateescape").strip(b" \t"), target)


def own_contact(source: Source, user: str, *, sips: bool) -> str:
    """Return a Contact that leads to where a request came in; raise ValueError where nobody could reach that.

    RFC 7118 has transport=ws for both kinds of WebSocket; a sips URI says of itself that it means TLS.
    """
    host, _, port = source.advertised.rpartition(":")
    if host in NOWHERE:
        raise ValueError(f"nobody reaches {source.advertised}: say --advertise HOST:PORT")
    if host.startswith("["):
        host = f"{host.partition('%')[0].rstrip(']')}]"  # a zone means something on this machine only
    written = _not_in_user(_escape, user.encode(errors="surrogateescape")).decode()
    at = f"{written}@" if user else ""
    transport = "ws" if source.transport == "wss" else source.transport
    param = "" if transport == "udp" or (sips and transport == "tls") else f";transport={transport}"
    return f"<{'sips' if sips else 'sip'}:{at}{host}:{port}{param}>"


def _one_uri(raw: bytes, target: str) -> bytes:
    scheme = _match_scheme(raw)
    if scheme is None:
        raise ValueError(f"{target!r} is no URI; write sip:user@host")
    rest = raw[scheme.end() :]
    if _match_port(rest) and scheme[1].lower() not in _NUMBERED:
        raise ValueError(f"{target!r} is a host and its port, no URI; write sip:{target}")
    is_sip = scheme[1].lower() in (b"sip", b"sips")
    written = scheme[0] + (_sip_parts(rest, target) if is_sip else _not_ascii(_escape, rest))
    try:
        parse_uri(written)
    except Reject as reject:
        raise ValueError(f"{target!r}: {reject.reason}") from None
    return written


def _sip_parts(rest: bytes, target: str) -> bytes:
    """Return what follows the scheme, each part with the escapes that it lacks."""
    user, at, behind = rest.rpartition(b"@")
    if b"@" in user:
        raise ValueError(f"{target!r} has two @: which host it is cannot be told; escape() what goes into it")
    if b"?" in user:
        raise ValueError(f"{target!r} has a ? before its @; escape() what goes into it")
    if b":" in user:
        raise ValueError(f"{target!r} has a password, which is not sent; a colon in a user is %3A")
    behind, question, headers = behind.partition(b"?")
    host, semicolon, params = behind.partition(b";")
    user = _not_in_user(_escape, user) + at if user else b""
    params = b";".join(_escape_value(param, _not_in_param) for param in params.split(b";"))
    headers = b"&".join(_escape_value(header, _not_in_header) for header in headers.split(b"&"))
    return user + host + semicolon + params + question + headers


def _escape_value(piece: bytes, substitute: Callable[[Callable[[re.Match[bytes]], bytes], bytes], bytes]) -> bytes:
    name, equals, value = piece.partition(b"=")
    return substitute(_escape, name) + equals + substitute(_escape, value)


def _escape(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % ord(found[0])
