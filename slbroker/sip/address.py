"""Addresses with their parameters, as in From, To, Contact and Route (RFC 3261 20.10, 25.1).

    "Bob" <sip:bob@example.com;transport=tcp>;tag=a48s    name-addr: the URI's parameters stand inside <>
    sip:bob@example.com;tag=a48s                          addr-spec: all parameters belong to the header

Values come unfolded. There is one reading: `tag_of` and `parse_address` accept the same, see the same tag.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker.errors import Reject
from slbroker.sip.grammar import A_TOKEN, ADDR_SPEC, DISPLAY, NAME_ADDR, WS, unquoted
from slbroker.sip.uri import parse_uri, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slbroker.sip.uri import Uri

# RFC 3261 25.1: quoted-string = SWS DQUOTE *(qdtext / quoted-pair ) DQUOTE; neither holds a bare CR or LF.
_QUOTED: Final = rb'"[^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*"'
# display-name = *(token LWS): phones put anything here, so only what would change the structure is refused.
_PLAIN: Final = rb"[%b]*+" % DISPLAY
# 20.10: an addr-spec with a comma, a question mark or a semicolon must stand inside <>.
_BARE: Final = rb"[%b]++" % ADDR_SPEC
# Of quotes, which no URI has, only pairs behind "=" can be forgiven, as phones write them in parameters.
_BRACKETED: Final = rb"<([%b]++(?:(?<==)\"[%b]*+\"[%b]*+)*)>" % (NAME_ADDR, NAME_ADDR, NAME_ADDR)

_match_quoted = re.compile(_QUOTED).match
# A display name may be quoted in pieces: ""unknown"", as phones write it.
_DISPLAY: Final = rb"%b(?:[^\"<>;,\x00-\x20\x7f]++%b)*|%b" % (_QUOTED, _QUOTED, _PLAIN)
_match_head = re.compile(rb"%b(?:(%b)%b%b|(%b))%b" % (WS, _DISPLAY, WS, _BRACKETED, _BARE, WS)).match
# generic-param = token [ EQUAL gen-value ]; gen-value = token / host / quoted-string. What is not quoted is
# taken up to the next separator, even if it is empty; a value in <> (instance ids) to the end of those.
_match_param = re.compile(
    rb";%b(%b)%b(?:=%b(%b|<[^<>\"\r\n]*+>|%b)%b)?" % (WS, A_TOKEN, WS, WS, _QUOTED, rb'[^"<>;,\x00-\x20\x7f]*+', WS)
).match
# A tag is a token; phones and gateways put any gen-value there, which has one reading as long as it is not quoted.
_is_tag = re.compile(rb'[^"<>;,\x00-\x20\x7f-\xff]++').fullmatch
# In lists: semicolons with nothing behind them, and commas with nothing between them.
_match_no_params = re.compile(rb"(?:;[ \t]*+(?=[;,]|\Z))*").match
_match_no_address = re.compile(rb"[ \t,]*+").match
# The form that nearly all requests use: no white space around parameters, none but a tag, no escapes.
_match_ordinary = re.compile(
    rb'(?:(?:"[^"\\\r\n]*+"[ \t]*+|%b)%b|%b)(?:;tag=(%b))?' % (_PLAIN, _BRACKETED, _BARE, A_TOKEN)
).fullmatch

MAX_PARAMS: Final = 64  # real addresses have a handful; 30,000 in one datagram would hold up the edge for 20 ms
MAX_ADDRESSES: Final = 128  # in one value; real ones have as many as there are proxies, or registered phones

STAR: Final = b"*"  # RFC 3261 20.10: Contact = ( STAR / (contact-param *(COMMA contact-param)))


def tag_of(value: bytes) -> bytes:
    """Return the tag of a From or To value, b"" where there is none (RFC 3261 19.3).

    Raises Reject(400, reason) for a value that is malformed, or whose tag is empty, quoted, or not alone.
    """
    found = _match_ordinary(value)
    if found is not None:
        return found[2] or b""
    return _read_single(value).tag


def with_param(value: bytes, name: bytes, content: bytes) -> bytes:
    """Return an address in <>, all as written but for one header parameter, `name` in lower case, which it gets last.

    Raises Reject(400, reason) as `tag_of` does.
    """
    reading = _read_single(value)
    head = value[: reading.head_end].strip(b" \t")
    written = [head if head.endswith(b">") else b"<%b>" % head]
    kept = [param for param in reading.params if param[0].lower() != name]
    for own, its in [*kept, (name, content)]:
        written.append(own if its is None else b"%b=%b" % (own, its))
    return b";".join(written)


@dataclass(frozen=True, slots=True)
class Address:
    """One address: its display name, its URI, its header parameters. Two are equal when their bytes are.

    `display` has no quotes and no escapes, "" where there is none. `params` has names in lower case, values
    without quotes, None for a parameter without a value, and the first of two with the same name. `tag` is ""
    where there is none. `uri_bytes` is the URI as written, without <>.
    """

    raw: bytes
    display: str = field(compare=False)
    uri_bytes: bytes = field(compare=False)
    params: Mapping[str, str | None] = field(compare=False)
    tag: str = field(compare=False)
    _uri: Uri | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def uri(self) -> Uri:
        """The URI, parsed when first asked for. Raises InvalidUri, also for the "*" of a Contact."""
        if self._uri is None:
            object.__setattr__(self, "_uri", parse_uri(self.uri_bytes))
        assert self._uri is not None
        return self._uri

    @property
    def wildcard(self) -> bool:
        """Whether this is the "*" of a Contact that removes all bindings (RFC 3261 10.2.2).

        Phones write `<*>` and `*;expires=0`, too, which can mean nothing else.
        """
        return self.uri_bytes == STAR and not self.display

    def __str__(self) -> str:
        return text(self.raw)


def parse_address(raw: bytes) -> Address:
    """Parse a value that holds one address, such as From and To. Raises Reject(400, reason)."""
    return _address(raw, _read_single(raw))


def parse_address_list(raw: bytes) -> list[Address]:
    """Parse a value that may hold several, separated by commas, such as Contact and Route (RFC 3261 7.3.1).

    What has nothing in it is passed over: an empty value, commas and semicolons too many. A "*" comes as the only
    Address, with `wildcard` set. Raises Reject(400, reason).
    """
    addresses: list[Address] = []
    start = _behind_nothing(raw, 0)
    while start < len(raw):
        if len(addresses) == MAX_ADDRESSES:
            raise Reject(400, "Too Many Addresses")
        reading = _read(raw, start, in_list=True)
        addresses.append(_address(raw[start : reading.end], reading))
        start = _behind_nothing(raw, reading.end)
    if len(addresses) > 1 and any(address.wildcard for address in addresses):
        raise Reject(400, "Address Beside *")
    return addresses


def _behind_nothing(value: bytes, start: int) -> int:
    found = _match_no_address(value, start)
    assert found is not None
    return found.end()


class _Reading(NamedTuple):
    """What the grammar found: raw parts, and where in the value they end."""

    display: bytes
    uri: bytes
    params: list[tuple[bytes, bytes | None]]
    tag: bytes
    head_end: int
    end: int


def _read_single(value: bytes) -> _Reading:
    reading = _read(value, 0)
    if reading.end < len(value):
        raise Reject(400, "More Than One Address")
    return reading


def _read(value: bytes, start: int, *, in_list: bool = False) -> _Reading:
    """Read the address that starts at `start` and ends at a comma or at the end of `value`."""
    head = _match_head(value, start)
    if head is None:
        raise _fault(value, start)
    display, bracketed, bare = head.groups()
    params: list[tuple[bytes, bytes | None]] = []
    tag = b""
    end = head.end()
    if in_list:
        end = _behind_empty_params(value, end)
    while (param := _match_param(value, end)) is not None:
        if len(params) == MAX_PARAMS:
            raise Reject(400, "Too Many Parameters In Address")
        name, content = param.groups()
        if name.lower() == b"tag":
            if not content or tag or not _is_tag(content):
                raise Reject(400, "Two Tags" if tag else "Bad Tag")
            tag = content
        params.append((name, content))
        end = _behind_empty_params(value, param.end()) if in_list else param.end()
    if end < len(value) and value[end] != ord(","):
        raise _fault(value, end)
    return _Reading(display or b"", bracketed or bare, params, tag, head.end(), end)


def _behind_empty_params(value: bytes, at: int) -> int:
    found = _match_no_params(value, at)
    assert found is not None
    return found.end()


def _fault(value: bytes, at: int) -> Reject:
    """Return the error for what stands at `at`, where an address or a parameter should."""
    rest = value[at:].lstrip(b"; \t")
    if b'"' in rest and _match_quoted(rest, rest.index(b'"')) is None:
        return Reject(400, "Unclosed Quote In Address")
    if b"<" in rest and b">" not in rest:
        return Reject(400, "Unclosed < In Address")
    if not rest or rest[0] == ord(","):
        return Reject(400, "Empty Address Or Parameter")
    return Reject(400, "Bad Address")


def _address(raw: bytes, reading: _Reading) -> Address:
    params: dict[str, str | None] = {}
    for name, content in reading.params:
        params.setdefault(text(name).lower(), None if content is None else _plain(content))
    return Address(
        raw.strip(b" \t"),
        display=_plain(reading.display),
        uri_bytes=reading.uri.strip(b" \t"),  # "badaspec" of RFC 4475: white space within <> may be forgiven
        params=MappingProxyType(params),
        tag=text(reading.tag),
    )


def _plain(raw: bytes) -> str:
    """Return a display name or a parameter's value as text, without its quotes."""
    return text(unquoted(raw) if raw[:1] == b'"' else raw.strip(b" \t"))
