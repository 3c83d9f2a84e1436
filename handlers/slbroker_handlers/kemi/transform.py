"""Transformations of pseudo-variables, `$(ru{uri.user})`: those of strings, URIs and addresses that scripts use."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.uris import UriParts, read_address, split_uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.exports import Xval


def _substr(value: str, start: str, length: str) -> str | None:
    first, count = int(start), int(length)
    first = first + len(value) if first < 0 else first
    if not 0 <= first < len(value) or count < 0:
        return None
    return value[first : first + count] if count else value[first:]


def _select(value: str, index: str, separator: str) -> str | None:
    pieces, at = value.split(separator), int(index)
    return pieces[at] if -len(pieces) <= at < len(pieces) else None


def _number(value: str) -> int:
    digits = value.strip()
    sign, digits = (-1, digits[1:]) if digits[:1] == "-" else (1, digits)
    return sign * int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else 0


def _raw(value: str) -> bytes:
    return value.encode(errors="surrogateescape")


_STRINGS: Final[dict[str, Callable[..., Xval]]] = {
    "s.len": lambda value: len(_raw(value)),
    "s.int": _number,
    "s.toupper": str.upper,
    "s.tolower": str.lower,
    "s.substr": _substr,
    "s.select": _select,
    "s.strip": lambda value, count: value[int(count) :],
    "s.striptail": lambda value, count: value[: max(0, len(value) - int(count))],
    "s.trim": str.strip,
    "s.rm": lambda value, what: value.replace(what, ""),
    "s.rmws": lambda value: "".join(value.split()),
    "s.replace": lambda value, what, by: value.replace(what, by),
    "s.md5": lambda value: hashlib.md5(_raw(value), usedforsecurity=False).hexdigest(),
    "s.sha256": lambda value: hashlib.sha256(_raw(value)).hexdigest(),
    "s.encode.hexa": lambda value: _raw(value).hex(),
    "s.encode.base64": lambda value: base64.b64encode(_raw(value)).decode(),
}


def _port(parts: UriParts) -> int:
    return int(parts.port or 0)


_URIS: Final[dict[str, Callable[..., Xval]]] = {
    "uri.user": lambda parts: parts.user,
    "uri.passwd": lambda parts: parts.password,
    "uri.host": lambda parts: parts.host,
    "uri.port": _port,
    "uri.scheme": lambda parts: parts.scheme,
    "uri.params": lambda parts: parts.params[1:],
    "uri.param": lambda parts, name: parts.param(name) or "",
    "uri.headers": lambda parts: parts.headers[1:],
    "uri.transport": lambda parts: parts.param("transport") or "",
}
_ADDRESSES: Final = {"uri": 1, "name": 0, "tag": 2}


def _param(value: str, name: str) -> str | None:
    for piece in value.split(";"):
        key, equals, content = piece.strip().partition("=")
        if equals and key.strip().lower() == name.lower():
            return content.strip()
    return None


def transform(value: Xval, transformation: str) -> Xval:
    """Return `value` transformed; None when it is None, or when there is no such transformation."""
    if value is None:
        return None
    name, *arguments = transformation.split(",")
    text = str(value)
    try:
        if name in _STRINGS:
            return _STRINGS[name](text, *arguments)
        if name in _URIS:
            parts = split_uri(text)
            return None if parts is None else _URIS[name](parts, *arguments)
        if name == "param.value":
            return _param(text, *arguments)
        kind, _, part = name.partition(".")
        if kind in ("nameaddr", "tobody") and part in _ADDRESSES:
            return read_address(_raw(text))[_ADDRESSES[part]]
    except (TypeError, ValueError):  # too few arguments, or one that is no number
        return None
    return None


def is_known(transformation: str) -> bool:
    """Return whether there is such a transformation here."""
    name = transformation.split(",")[0]
    kind, _, part = name.partition(".")
    return name in _STRINGS or name in _URIS or name == "param.value" or (
        kind in ("nameaddr", "tobody") and part in _ADDRESSES
    )  # fmt: skip
