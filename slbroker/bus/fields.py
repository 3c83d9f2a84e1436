"""What a decision can go by: the fields of a request, by name, and the value that each has (docs/remember.md).

Two requests that have the same values look the same to whoever looks at nothing else: that is all a value has to say.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from slbroker.errors import Reject
from slbroker.sip.address import parse_address
from slbroker.sip.grammar import canonical_name
from slbroker.sip.networks import in_networks, read_networks
from slbroker.sip.uri import Uri, parse_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from slbroker.sip.message import Message, Source

    ReadField: TypeAlias = Callable[[Message, Source], bytes]

HEADER: Final = "header:"  # and its canonical name: all its values, in order; b"" where there is none
SOURCE_IN: Final = "source.in:"  # and networks with commas between them: whether it is in one of those
URI_PARTS: Final = ("scheme", "user", "password", "host", "port", "params", "headers", "opaque")
# What no other request has: nothing can be remembered by it.
UNIQUE_HEADERS: Final = frozenset((b"via", b"call-id", b"cseq"))
# Fields that tell one request from most others and that a Request-URI has; the first of them that a decision goes by.
LEADS: Final = ("uri", "uri.user")

# The user in a URI that is written as it usually is: `parse_uri` finds the same, or that there is no such URI.
_match_user = re.compile(rb"[Ss][Ii][Pp][Ss]?:([^@:%?\\]++)@").match


@lru_cache(maxsize=1_024)
def reader_of(field: str) -> ReadField:
    """Return what reads a field of a request: a message and its source.

    It raises `Reject` where the request has something there that cannot be read. ValueError for what is no field.
    """
    if field in _PLAIN:
        return _PLAIN[field]
    if field.startswith(HEADER):
        return _header_reader(field.removeprefix(HEADER))
    if field.startswith(SOURCE_IN):
        networks = read_networks(field.removeprefix(SOURCE_IN).split(","))
        return lambda _message, source: b"1" if in_networks(source.host, networks) else b"0"
    raise ValueError(f"{field!r:.80} is no field of a request")


def _header_reader(name: str) -> ReadField:
    canonical = canonical_name(name.encode())
    if not canonical or canonical.decode() != name or canonical in UNIQUE_HEADERS:
        raise ValueError(f"header {name!r:.80} is no field of a request")
    return lambda message, _source: join(message.all(canonical))


def join(values: Iterable[bytes]) -> bytes:
    """Return values as one, so that no two lists of them read alike."""
    return b"".join([len(value).to_bytes(4, "big") + value for value in values])


def _part_reader(take_uri: Callable[[Message], Uri], part: str) -> ReadField:
    return lambda message, _source: uri_part(take_uri(message), part)


def uri_part(uri: Uri, part: str) -> bytes:
    """Return the value that a part of a URI has as a field."""
    value = getattr(uri, part)
    if part == "port":
        return b"" if value is None else b"%d" % value
    if part == "params":
        pairs = value.items()
        return join([_encode(text) for name, given in pairs for text in (name, "-" if given is None else f"={given}")])
    return _encode(value)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _address_fields(name: str, header: bytes) -> dict[str, ReadField]:
    def take_uri(message: Message) -> Uri:
        return parse_address(message.first(header) or b"").uri

    return {
        f"{name}.uri": lambda message, _source: parse_address(message.first(header) or b"").uri_bytes,
        f"{name}.display": lambda message, _source: _encode(parse_address(message.first(header) or b"").display),
        **{f"{name}.{part}": _part_reader(take_uri, part) for part in URI_PARTS},
    }


_PLAIN: Final[dict[str, ReadField]] = {
    "uri": lambda message, _source: message.uri,
    **{f"uri.{part}": _part_reader(lambda message: parse_uri(message.uri), part) for part in URI_PARTS},
    **_address_fields("from", b"from"),
    **_address_fields("to", b"to"),
    "initial": lambda message, _source: b"0" if message.to_tag else b"1",
    "body": lambda message, _source: message.body,
    "source.host": lambda _message, source: source.host.encode(),
    "source.transport": lambda _message, source: source.transport.encode(),
    "source.listen": lambda _message, source: source.listen.encode("utf-8", "surrogateescape"),
}


def lead_of(field: str, uri: bytes) -> bytes | None:
    """Return the value that one of `LEADS` has where the Request-URI is that; None where it takes a closer look."""
    if field == "uri":
        return uri
    found = _match_user(uri)
    return None if found is None else found[1]


def key_of(fields: Iterable[str], message: Message, source: Source) -> bytes | None:
    """Return the values of fields as one; None for a request in which one of them cannot be read."""
    try:
        return join([reader_of(field)(message, source) for field in fields])
    except Reject:
        return None
