"""Transformations of values, null too, of socket addresses, and of text into lines and prefixes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.exports import Xval

# Values ---------------------------------------------------------------------------------------------------------

_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _json(text: str) -> str:
    """Return text as it stands between the quotes of JSON (RFC 8259 7)."""
    return "".join(_ESCAPES.get(each, each if each >= " " else f"\\u{ord(each):04x}") for each in text)


def _quoted_json(value: Xval) -> Xval:
    return value if isinstance(value, int) else f'"{_json(value or "")}"'


VALUES: Final[dict[str, Callable[[Xval], Xval]]] = {
    "val.n0": lambda value: 0 if value is None else value,
    "val.ne": lambda value: "" if value is None else value,
    "val.json": lambda value: value if isinstance(value, int) else _json(value or ""),
    "val.jsonqe": _quoted_json,
}

# Sockets --------------------------------------------------------------------------------------------------------

_match_socket = re.compile(
    r"(?:(udp|tcp|tls|sctp|wss?):)?(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?", re.IGNORECASE | re.DOTALL
).fullmatch


def _socket(value: str, part: int) -> Xval:
    """Return a part of [proto:]host[:port], "" where it is not written; None for what is no socket."""
    found = _match_socket(value)
    return (found[part] or "") if found else None


def _socket_uri(value: str) -> Xval:
    found = _match_socket(value)
    if found is None:
        return None
    return f"sip:{found[2]}{f':{found[3]}' if found[3] else ''}{f';transport={found[1]}' if found[1] else ''}"


# Text -----------------------------------------------------------------------------------------------------------


def _quoted_prefixes(value: str, most: str = "0") -> str:
    count = min(int(most) or len(value), len(value))
    return ",".join(f"'{value[:length]}'" for length in range(1, count + 1))


def _format(value: str, width: str, indent: str, blank: str) -> str:
    if int(width) <= 0 or int(indent) < 0:
        raise ValueError(width)
    pieces = [value[at : at + int(width)] for at in range(0, len(value), int(width))]
    return ("\r\n" + blank * int(indent)).join(pieces)


def _behind_last(value: str, mark: str) -> str:
    return value.rpartition(mark[0])[2] if mark[0] in value else ""


def _before_last(value: str, mark: str) -> str:
    return value.rpartition(mark[0])[0] if mark[0] in value else value


STRINGS: Final[dict[str, Callable[..., Xval]]] = {
    "s.rafter": _behind_last,
    "s.rbefore": _before_last,
    "s.prefixes.quoted": _quoted_prefixes,
    "s.fmtlines": lambda value, width, indent: _format(value, width, indent, " "),
    "s.fmtlinet": lambda value, width, indent: _format(value, width, indent, "\t"),
    "sock.proto": lambda value: _socket(value, 1),
    "sock.host": lambda value: _socket(value, 2),
    "sock.port": lambda value: _socket(value, 3),
    "sock.touri": _socket_uri,
}
# What they take, as `arguments.KINDS` writes it.
KINDS: Final = {
    "s.rafter": "m", "s.rbefore": "m", "s.prefixes.quoted": "n", "s.fmtlines": "nn", "s.fmtlinet": "nn",
}  # fmt: skip
