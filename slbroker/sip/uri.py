"""URIs, for handlers: the parts of sip and sips, and as much of others as is needed (RFC 3261 19.1).

The edge comes here with a Request-URI that `grammar.match_ordinary_request_line` does not take; what that takes, this
module takes as well.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker.errors import Reject
from slbroker.sip.grammar import MAX_PORT, MAX_URI_PARAMS

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_IPV6: Final = 45  # characters, those of an IPv4 address in it included

# RFC 3986 3.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
_match_scheme = re.compile(rb"([A-Za-z][0-9A-Za-z+.-]*+):").match

# What stands in no URI unescaped (RFC 3986 2 and appendix C). Bytes from 0x80 on stand in none either, but
# phones do send UTF-8 users, and nothing else can be meant by them.
_ILLEGAL: Final = rb'\x00-\x20<>"\x7f'
_find_illegal = re.compile(rb"[%b]" % _ILLEGAL).search

# RFC 3261 25.1: SIP-URI = "sip:" [ userinfo ] hostport uri-parameters [ headers ]. A user may hold ";" and
# "?", but "@" stands once or never: with two, any choice between the readings is one that another element
# does not make. "_" is no host character, but it is in use; so is "@" behind no user. Of an IPv6 address only the
# characters are checked (RFC 5118 4.10); the zone that phones leave behind one (RFC 6874) is theirs, and stays.
_match_sip = re.compile(
    rb"([Ss][Ii][Pp][Ss]?):"
    rb"(?:(?:([^@:%b]++)(?::([^@%b]*+))?)?@)?"  # user, password
    rb"(?:\[([0-9A-Fa-f:.]{2,45}(?:%%[0-9A-Za-z._~-]++)?)\]|([0-9A-Za-z._-]++))"  # host
    rb"(?::([0-9]{1,5}))?"  # port
    rb"(?:;([^?@%b]*+))?"  # parameters
    rb"(?:\?([^@%b]*+))?" % (_ILLEGAL, _ILLEGAL, _ILLEGAL, _ILLEGAL)  # headers
).fullmatch

# RFC 3261 25.1: escaped = "%" HEXDIG HEXDIG
_replace_escapes = re.compile(rb"%([0-9A-Fa-f]{2})").sub
_find_bad_escape = re.compile(rb"%(?![0-9A-Fa-f]{2})").search

# What an escape in a user stands for when it need not be one: unreserved characters, which RFC 3261 19.1.4 has
# equivalent, the "+" of numbers, and others that end no user, nor anything around it.
_FREE: Final = frozenset(
    rb"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+-_.!~*'()#[]^`{|}"
) | frozenset(range(0x80, 0x100))
_settle_user = re.compile(rb"%([0-9A-Fa-f]{2})|[?\\]").sub

_NO_PARAMS: Final[Mapping[str, str | None]] = MappingProxyType({})


class InvalidUri(Reject):
    """A URI that cannot be read: 400 with `reason`, unless the handler catches it (RFC 3261 21.4.1)."""

    def __init__(self, reason: str) -> None:
        super().__init__(400, reason)


class Uri(NamedTuple):
    """A parsed URI; `str()` gives it as it was written. Two are equal when they are written alike.

    sip and sips: `user` so that it can stand in another URI and be the same there, whatever is in it, "" where
    there is none: escapes that it needs stay, in upper case, and no others, so what is the same user reads alike;
    `decoded_user` has none. `password` without escapes, "" where there is none; `host` as `plain_host` has it, IPv6
    without its brackets and with the zone that may be in them; `port` None where it is not given; `params`
    without escapes, names in lower case, None for a parameter without a value, the first of two with the same
    name; `headers`, the text behind "?", as written.
    Other schemes: `opaque`, the text behind the colon; of a tel URI (RFC 3966) also `user`, the number as
    written, and `params`.
    Text is UTF-8; bytes that are not come as surrogate escapes, so that none is lost.
    """

    raw: bytes
    scheme: str
    user: str = ""
    password: str = ""
    host: str = ""
    port: int | None = None
    params: Mapping[str, str | None] = _NO_PARAMS
    headers: str = ""
    opaque: str = ""

    @property
    def decoded_user(self) -> str:
        """The user without escapes, as people write it: for comparing and showing. It cannot stand in a URI."""
        return _unescape(self.user.encode("utf-8", "surrogateescape")) if "%" in self.user else self.user

    def __hash__(self) -> int:
        return hash(self.raw)

    def __str__(self) -> str:
        return text(self.raw)


def parse_uri(raw: bytes) -> Uri:
    """Parse a URI of any scheme. Raises InvalidUri. Takes time in proportion to its length."""
    found = _check_sip(raw)
    if found is None:
        return _parse_other(raw)
    scheme, user, password, ipv6, name, digits, params, headers = found.groups(b"")
    return Uri(
        raw,
        scheme.lower().decode(),
        _user(user),
        _unescape(password),
        plain_host((ipv6 or name).decode()),
        int(digits) if digits else None,
        _parse_params(params) if params else _NO_PARAMS,
        text(headers),
    )


def check_uri(raw: bytes) -> None:
    """Raise InvalidUri where `parse_uri` does, and make nothing: for the edge, which only passes it on."""
    if _check_sip(raw) is None:
        _check_other(raw)


def _check_sip(raw: bytes) -> re.Match[bytes] | None:
    """Return the parts of a sip or sips URI, None when it is of another scheme or form; raise InvalidUri."""
    found = _match_sip(raw)
    if found is None:
        return None
    if b"%" in raw:
        host = 3 if found[3] else 4  # of an IPv6 address, whose zone begins with a %
        if _find_bad_escape(raw, 0, found.start(host)) or _find_bad_escape(raw, found.end(host)):
            raise InvalidUri("Bad Escape In URI")
    if found[6] and int(found[6]) > MAX_PORT:
        raise InvalidUri("Bad Port In URI")
    _check_params(found[7])
    return found


def text(raw: bytes) -> str:
    """Return a peer's bytes as text that can be turned back into the same bytes."""
    return raw.decode("utf-8", "surrogateescape")


def printable(words: str) -> str:
    """Return `text` of a peer's as a terminal can bear it: what does not print is a replacement character."""
    return "".join([character if character.isprintable() else "\ufffd" for character in words])


def _parse_other(raw: bytes) -> Uri:
    scheme, rest = _check_other(raw)
    if scheme != b"tel":
        return Uri(raw, scheme.decode(), opaque=text(rest))
    number, _, params = rest.partition(b";")
    return Uri(raw, "tel", user=text(number), params=_parse_params(params), opaque=text(rest))


def _check_other(raw: bytes) -> tuple[bytes, bytes]:
    """Return the scheme of a URI that is no sip URI, in lower case, and what follows it; raise InvalidUri."""
    found = _match_scheme(raw)
    if found is None:
        raise InvalidUri("URI Without Scheme")
    if _find_illegal(raw):
        raise InvalidUri("Illegal Character In URI")
    scheme, rest = found[1].lower(), raw[found.end() :]
    if scheme in (b"sip", b"sips"):
        raise _fault(rest)
    number, _, params = rest.partition(b";")
    if not number:
        raise InvalidUri("Empty URI")
    if scheme == b"tel":
        if _find_bad_escape(params):
            raise InvalidUri("Bad Escape In URI")
        _check_params(params)
    return scheme, rest


def _fault(rest: bytes) -> InvalidUri:
    """Return the error for a sip URI that does not match; `rest` follows its scheme."""
    userinfo, at, _ = rest.rpartition(b"@")
    if at and (b"@" in userinfo or userinfo[:1] == b":"):
        return InvalidUri("Bad User In URI")
    return InvalidUri("Bad Host In URI")


def _check_params(raw: bytes | None) -> None:
    if raw and raw.count(b";") >= MAX_URI_PARAMS:
        raise InvalidUri("Too Many Parameters In URI")


def _parse_params(raw: bytes) -> Mapping[str, str | None]:
    """Return the parameters of `a=1;b`; a ";" too many, which RFC 3261 does not have, means nothing."""
    params: dict[str, str | None] = {}
    for piece in raw.split(b";"):
        if piece:
            name, equals, value = piece.partition(b"=")
            params.setdefault(_unescape(name).lower(), _unescape(value) if equals else None)
    return MappingProxyType(params)


def plain_host(host: str) -> str:
    """Return a host so that the same one reads alike: lower case, no dot at its end, IPv6 as short as it can be.

    Brackets of IPv6 go; a zone stays, and so does what is no host, such as a pattern for some.
    """
    host = host.lower()
    if ":" not in host:
        return host.removesuffix(".") or host
    if host[0] == "[" and host[-1] == "]":
        host = host[1:-1]
    address, percent, zone = host.partition("%")
    return (_shortest(address) if len(address) <= MAX_IPV6 else address) + percent + zone


@lru_cache(maxsize=1_024)
def _shortest(address: str) -> str:
    if "." in address:  # how one with IPv4 in it is written depends on Python's version
        return address
    try:
        return str(IPv6Address(address))
    except ValueError:
        return address


def _user(raw: bytes) -> str:
    """Return a user with those escapes that it needs."""
    return text(_settle_user(_settled, raw) if b"%" in raw or b"?" in raw or b"\\" in raw else raw)


def _settled(found: re.Match[bytes]) -> bytes:
    code = int(found[1], 16) if found[1] else found[0][0]
    return bytes((code,)) if code in _FREE else b"%%%02X" % code


def _unescape(raw: bytes) -> str:
    return text(_replace_escapes(_escaped_byte, raw) if b"%" in raw else raw)


def _escaped_byte(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode())
