"""Transformations of addresses: URIs, names before them, parameters behind them, sockets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from slbroker.errors import Reject
from slbroker.sip.address import parse_address
from slbroker_handlers.kemi.uris import PROTOCOL_NUMBERS, read_address, split_uri
from slbroker_handlers.kemi.values import Xval, pick
from slbroker_handlers.kemi.variables.arguments import Form, forms, text_forms
from slbroker_handlers.kemi.variables.strings import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from slbroker_handlers.kemi.release import Release
    from slbroker_handlers.kemi.uris import UriParts


# URIs -----------------------------------------------------------------------------------------------------------


def _of_uri(function: Callable[..., Xval]) -> Callable[..., Xval]:
    """Return a function of a URI's parts as one of the URI; null for what is none."""

    def transform(value: str, *words: str) -> Xval:
        parts = split_uri(value)
        return None if parts is None else function(parts, *words)

    return transform


def _param(name: str) -> Callable[[UriParts], str]:
    return lambda parts: parts.param(name) or ""


def _short_uri(parts: UriParts, *, with_user: bool, with_port: bool) -> str:
    if not parts.host:
        return f"{parts.scheme}:{parts.user}"
    user = f"{parts.user}@" if with_user and parts.user else ""
    transport = parts.param("transport") if with_port else None
    port = f":{parts.port}" if with_port and parts.port else ""
    return f"{parts.scheme}:{user}{parts.host}{port}{f';transport={transport}' if transport else ''}"


def _to_socket(parts: UriParts) -> str:
    transport = parts.param("transport")
    return f"{transport.lower()}:{parts.host}:{parts.port or 5060}" if transport else ""


def _uri_forms(
    functions: Mapping[str, Callable[..., Xval]], takes: str = "", since: Release | None = None
) -> dict[str, Form]:
    made = {f"uri.{name}": _of_uri(function) for name, function in functions.items()}
    return forms(made, takes, since) if since else forms(made, takes)


_URIS: Final = {
    # A scheme is shown as written.
    **forms({"uri.scheme": lambda value: value.partition(":")[0] if split_uri(value) else None}),
    **_uri_forms({
        "user": lambda parts: parts.user,
        "passwd": lambda parts: parts.password,
        "host": lambda parts: parts.host,
        "domain": lambda parts: parts.host,
        "port": lambda parts: int(parts.port or 0),
        "params": lambda parts: parts.params[1:] if parts.host else "",  # those of a tel URI are part of nothing
        "headers": lambda parts: parts.headers[1:],
        **{name: _param(name) for name in ("transport", "maddr", "ttl", "lr", "r2", "method")},
        "uparam": _param("user"),
        "duri": lambda parts: _short_uri(parts, with_user=False, with_port=True),
        "saor": lambda parts: _short_uri(parts, with_user=True, with_port=False),
        "suri": lambda parts: _short_uri(parts, with_user=True, with_port=True),
        "tosocket": _to_socket,
    }),
    **_uri_forms({"param": lambda parts, name: (parts.host and parts.param(name)) or ""}, "t"),
    **_uri_forms({"rmparam": lambda parts, name: parts.without_param(name)}, "t", (6, 1)),
}  # fmt: skip


# Addresses ------------------------------------------------------------------------------------------------------

# What is repeated is never given back: so a match takes linear time.
_match_name = re.compile(r'((?:"[^"\\]*+(?:\\.[^"\\]*+)*"|[^"<]++)*)<([^>]*+)>', re.DOTALL).match


def _raw(value: str) -> bytes:
    return value.encode(errors="surrogateescape")


def _name_and_uri(value: str) -> tuple[str | None, str | None]:
    """Return what stands before <> and what in them; all is the URI where there are none."""
    found = _match_name(value.lstrip())
    return (found[1], found[2]) if found else ("", value) if value else (None, None)


def _length(value: str) -> int | None:
    """Return how many bytes an address has, up to what is behind its URI's >; all where there is none."""
    found = _match_name(value)
    return len(_raw(value[: found.end()] if found else value)) if value else None


def _body_part(part: str) -> Callable[[str], Xval]:
    return lambda value: (_body(value) or {}).get(part)


def _body(value: str) -> dict[str, str] | None:
    """Return the parts of one address, as From and To have it; None for what is none."""
    try:
        parse_address(_raw(value))
    except Reject:
        return None
    address = read_address(_raw(value))
    uri = split_uri(address.uri)
    if uri is None:
        return None
    found = _match_name(value.lstrip())
    behind = value.lstrip()[found.end() :] if found else value.lstrip()[len(address.uri) :]
    return {
        "uri": address.uri, "tag": address.tag, "user": uri.user, "host": uri.host, "display": address.display,
        "params": behind.lstrip(" \t;"),
    }  # fmt: skip


# Parameters -----------------------------------------------------------------------------------------------------


def split_params(value: str, mark: str = ";") -> Iterator[str]:
    """Yield what stands between marks; those in quotes do not count."""
    begun, is_quoted, is_escaped = 0, False, False
    for at, character in enumerate(value):
        if is_escaped:
            is_escaped = False
        elif character == '"':
            is_quoted = not is_quoted
        elif character == "\\":
            is_escaped = is_quoted
        elif character == mark and not is_quoted:
            yield value[begun:at]
            begun = at + 1
    yield value[begun:]


_is_param = re.compile(r'[^\s"]*\s*(?:=\s*(?:"[^"\\]*(?:\\.[^"\\]*)*"|[^\s"]*))?', re.DOTALL).fullmatch


def _pairs(value: str, mark: str) -> list[tuple[str, str]] | None:
    """Return names and values, quotes taken off; None where a name or a value has blanks in it."""
    pieces = [piece.strip() for piece in split_params(next(split_params(value, ",")), mark)]
    if not pieces[-1]:
        del pieces[-1]
    if not pieces or not all(map(_is_param, pieces)):
        return None
    parted = (piece.partition("=") for piece in pieces)
    return [(name.strip(), unquote(content.strip())) for name, _, content in parted]


def _of_params(function: Callable[..., Xval], own: int) -> Callable[..., Xval]:
    """Return a function of parameters, and of `own` words, as one of a text.

    Another character than ";" may be said, as the last word, to be between them; but a comma is between nothing.
    """

    def transform(value: str, *words: str) -> Xval:
        mark = words[own] if len(words) > own else ";"
        pairs = _pairs(value, ";" if mark == "," else mark)
        if pairs is None or (mark == "," and own):
            return None
        return 1 if mark == "," else function(pairs, *words[:own])

    return transform


def _param_forms(functions: Mapping[str, Callable[..., Xval]], takes: str) -> dict[str, Form]:
    own = len(takes.rstrip("d"))
    return forms({f"param.{name}": _of_params(function, own) for name, function in functions.items()}, takes)


_PARAMS: Final = {
    **_param_forms({
        "value": lambda pairs, name: next((value for key, value in pairs if key.lower() == name.lower()), ""),
        "in": lambda pairs, name: int(any(key.lower() == name.lower() for key, _ in pairs)),
    }, "td"),
    **_param_forms({
        "name": lambda pairs, index: (pick(pairs, int(index)) or ("", ""))[0],
        "valueat": lambda pairs, index: (pick(pairs, int(index)) or ("", ""))[1],
    }, "nd"),
    **_param_forms({"count": len}, "d"),
}  # fmt: skip


# Sockets --------------------------------------------------------------------------------------------------------

_match_alias = re.compile(r"(.*)~([^~]*)~([1-6])", re.DOTALL).fullmatch
_match_socket = re.compile(
    r"(?:(udp|tcp|tls|sctp|wss?):)?(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?", re.IGNORECASE | re.DOTALL
).fullmatch


def _encode_alias(value: str) -> str | None:
    parts = split_uri(value)
    if parts is None:
        return "" if value else None
    transport = (parts.param("transport") or "udp").lower()
    return f"{parts.host}~{parts.port or 5060}~{PROTOCOL_NUMBERS.get(transport, 1)}"


def _decode_alias(value: str) -> str | None:
    found = _match_alias(value)
    if found is None:
        return "" if value else None
    transport = next(name for name, number in PROTOCOL_NUMBERS.items() if str(number) == found[3])
    return f"sip:{found[1]}:{found[2]}{'' if transport == 'udp' else f';transport={transport}'}"


def _socket_part(part: int) -> Callable[[str], Xval]:
    """Return what takes a part of [proto:]host[:port], "" where it is not written; None for what is no socket."""
    return lambda value: (found[part] or "") if (found := _match_socket(value)) else None


def _socket_uri(value: str) -> Xval:
    found = _match_socket(value)
    if found is None:
        return None
    return f"sip:{found[2]}{f':{found[3]}' if found[3] else ''}{f';transport={found[1]}' if found[1] else ''}"


FORMS: Final[dict[str, Form]] = {
    **_URIS,
    **forms({
        "nameaddr.name": lambda value: _name_and_uri(value)[0],
        "nameaddr.uri": lambda value: _name_and_uri(value)[1],
        "nameaddr.len": _length,
        **{f"tobody.{part}": _body_part(part) for part in ("uri", "tag", "user", "host", "display", "params")},
    }),
    **_PARAMS,
    **text_forms({
        "sock.proto": _socket_part(1),
        "sock.host": _socket_part(2),
        "sock.port": _socket_part(3),
        "sock.touri": _socket_uri,
        "urialias.encode": _encode_alias,
        "urialias.decode": _decode_alias,
    }),
}  # fmt: skip
