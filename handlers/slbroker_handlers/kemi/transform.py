"""Transformations of pseudo-variables, `$(ru{uri.user})`: those of strings, URIs and addresses that scripts use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from slbroker.errors import Reject
from slbroker.sip.address import parse_address
from slbroker_handlers.kemi import morestrings
from slbroker_handlers.kemi.arguments import KINDS, read_transformation, values
from slbroker_handlers.kemi.pvspec import expand
from slbroker_handlers.kemi.release import NEWEST, Release
from slbroker_handlers.kemi.strings import STRINGS, WRAPS, transform_string, wrap
from slbroker_handlers.kemi.substitution import Substitution
from slbroker_handlers.kemi.uris import UriParts, read_address, split_uri
from slbroker_handlers.kemi.valuestrings import VALUES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from slbroker_handlers.kemi.exports import Xval
    from slbroker_handlers.kemi.release import Release


def _raw(value: str) -> bytes:
    return value.encode(errors="surrogateescape")


# URIs -----------------------------------------------------------------------------------------------------------


def _port(parts: UriParts) -> int:
    return int(parts.port or 0)


def _params(parts: UriParts) -> str:
    """Return the parameters; those of a tel URI count as part of nothing, as in Kamailio."""
    return parts.params[1:] if parts.host else ""


_URIS: Final[dict[str, Callable[..., Xval]]] = {
    "uri.user": lambda parts: parts.user,
    "uri.passwd": lambda parts: parts.password,
    "uri.host": lambda parts: parts.host,
    "uri.port": _port,
    "uri.scheme": lambda parts: parts.scheme,  # as written: see _transform_uri
    "uri.params": _params,
    "uri.param": lambda parts, name: (parts.host and parts.param(name)) or "",
    "uri.headers": lambda parts: parts.headers[1:],
    "uri.transport": lambda parts: parts.param("transport") or "",
    "uri.maddr": lambda parts: parts.param("maddr") or "",
    **morestrings.URIS,
}

# Addresses ------------------------------------------------------------------------------------------------------

# What is repeated is never given back: so a match takes linear time.
_match_name = re.compile(r'((?:"[^"\\]*+(?:\\.[^"\\]*+)*"|[^"<]++)*)<([^>]*+)>', re.DOTALL).match


def _name_and_uri(value: str) -> tuple[str, str]:
    found = _match_name(value.lstrip())
    return (found[1], found[2]) if found else ("", value)


def _length(value: str) -> int:
    """Return how many bytes an address has, up to what is behind its URI's >; all where there is none."""
    found = _match_name(value)
    return len(_raw(value[: found.end()] if found else value))


_NAMES: Final[dict[str, Callable[[str], Xval]]] = {
    "nameaddr.name": lambda value: _name_and_uri(value)[0],
    "nameaddr.uri": lambda value: _name_and_uri(value)[1],
    "nameaddr.len": lambda value: _length(value),
}
_BODIES: Final = ("uri", "tag", "user", "host", "display", "params")


def _body(value: str, part: str) -> Xval:
    """Return a part of one address, as From and To have it; None for what is none."""
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
    }[part]  # fmt: skip


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
    return [(name.strip(), str(STRINGS["s.unquote"](content.strip()))) for name, _, content in parted]


def _at(values: list[str], index: str) -> str:
    return values[int(index)] if -len(values) <= int(index) < len(values) else ""


_PARAMS: Final[dict[str, Callable[..., Xval]]] = {
    "param.value": lambda pairs, name: next((value for key, value in pairs if key.lower() == name.lower()), ""),
    "param.valueat": lambda pairs, index: _at([value for _, value in pairs], index),
    "param.name": lambda pairs, index: _at([key for key, _ in pairs], index),
    "param.count": len,
    "param.in": lambda pairs, name: int(any(key.lower() == name.lower() for key, _ in pairs)),
}

# ----------------------------------------------------------------------------------------------------------------


def transform(value: Xval, transformation: str, value_of: Callable[[str], Xval], release: Release = NEWEST) -> Xval:
    """Return `value` transformed; None when it is None, or when there is no such transformation.

    `value_of` tells the value of a pseudo-variable that is an argument; it raises KeyError for what is none.
    """
    written = read_transformation(transformation)
    if written is None:
        return None
    name = written.name
    if name in SINCE and release < SINCE[name]:
        return None
    if name in VALUES:
        return VALUES[name](value)
    if value is None:
        return None
    text = str(value)
    try:
        if name == "re.subst":
            return _substitute(text, written.arguments[0][1], value_of)
        arguments = values(written, value_of)
        if name == "s.int" and release >= WRAPS:
            return wrap(text)
        if name in STRINGS:
            return transform_string(name, text, arguments)
        if name in _URIS:
            return _transform_uri(text, name, arguments)
        return _transform_list(text, name, arguments) if text else None
    except (TypeError, ValueError, IndexError, OverflowError, OSError):  # arguments, or a number that cannot be
        return None


def _substitute(text: str, expression: str, value_of: Callable[[str], Xval]) -> Xval:
    """Return a text changed by /expression/replacement/flags, in which there may be pseudo-variables."""
    wanted = Substitution.read(expand(expression, lambda name: str(value_of(name)))) if text else None
    if wanted is None:
        return None
    changed = wanted.changed(text)
    return text if changed is None else changed


def _transform_uri(text: str, name: str, arguments: list[str]) -> Xval:
    parts = split_uri(text)
    if parts is None:
        return None
    return text.partition(":")[0] if name == "uri.scheme" else _URIS[name](parts, *arguments)


def _transform_list(text: str, name: str, arguments: list[str]) -> Xval:
    """Return a part of an address, or of parameters."""
    if name in _PARAMS:
        return _transform_params(text, name, arguments)
    if name in _NAMES:
        return _NAMES[name](text)
    kind, _, part = name.partition(".")
    return _body(text, part) if kind == "tobody" and part in _BODIES else None


def _transform_params(text: str, name: str, arguments: list[str]) -> Xval:
    """Return a part of parameters; another character than ";" may be between them, but a comma is between nothing."""
    own = len(KINDS[name].rstrip("d"))
    mark = arguments[own] if len(arguments) > own else ";"
    pairs = _pairs(text, ";" if mark == "," else mark)
    if pairs is None or (mark == "," and own):
        return None
    return 1 if mark == "," else _PARAMS[name](pairs, *arguments[:own])


_OTHERS: Final = (*(f"tobody.{part}" for part in _BODIES), "re.subst")
KNOWN: Final = frozenset((*STRINGS, *VALUES, *_URIS, *_PARAMS, *_NAMES, *_OTHERS))


# The releases of Kamailio that brought those which 5.6 has not.
SINCE: Final[dict[str, Release]] = {**morestrings.SINCE, **dict.fromkeys(VALUES, (5, 8))}


def is_known(transformation: str, release: Release) -> bool:
    """Return whether there is such a transformation here, and in a release of Kamailio's."""
    name = transformation.split(",")[0]
    return name in KNOWN and SINCE.get(name, release) <= release
