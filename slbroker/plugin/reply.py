"""What a handler answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Final, TypeAlias

from slbroker.sip.grammar import canonical_name
from slbroker.sip.reasons import reason_for
from slbroker.sip.reply import MAX_REMEMBERED_PHRASE, status_line

Headers: TypeAlias = Mapping[str, str | Sequence[str]] | Iterable[tuple[str, str]]

# RFC 3261 8.2.6: slbroker copies these from the request, or counts them, itself.
_OURS: Final = frozenset((b"via", b"from", b"to", b"call-id", b"cseq", b"content-length"))
# Characters. Longer ones are a peer's words, repeated by a plugin: a thousand of these would be many megabytes.
MAX_REMEMBERED_LINE: Final = 256
_has_line_end = re.compile(r"[\r\n\x00]").search
_has_content_type = re.compile(rb"\r\n(?:content-type|c)[ \t]*:", re.IGNORECASE).search


class Reply:
    """A SIP reply without what the request gives it: status, reason phrase, further headers and body.

    Raises ValueError, where the handler gave it, for arguments of another kind, a status outside 100-699, an empty
    reason, a CR, LF or NUL in a reason or header, a header that slbroker writes itself, and a body without a
    Content-Type (RFC 3261 7.4.1).
    """

    __slots__ = ("_reason", "_status", "body", "extra", "line")
    closes = False  # whether the connection that the request came on is closed behind the reply

    def __init__(
        self, status: int, reason: str | None = None, headers: Headers | None = None, body: bytes | str = b""
    ) -> None:
        try:
            is_short = reason is None or len(reason) <= MAX_REMEMBERED_PHRASE
            # `line` is the status line as it goes out.
            self._reason, self.line = _remember_phrase(status, reason) if is_short else _write_phrase(status, reason)
        except TypeError:  # no length, no hash
            _check_kinds(status, reason)
            raise
        self._status = status
        self.extra = header_lines(headers) if headers else b""
        self.body = _body(body) if body else b""
        if body and not _has_content_type(self.extra):
            raise ValueError("a body needs a Content-Type header")

    @property
    def status(self) -> int:
        """Return the status code, 100 to 699."""
        return self._status

    @property
    def reason(self) -> str:
        """Return the reason phrase."""
        return self._reason

    def with_headers(self, headers: Headers) -> Reply:
        """Return this reply with further headers: a new one, for an `after` hook. Raises ValueError as `Reply` does."""
        reply = type(self)(self.status, self.reason)
        reply.extra = self.extra + header_lines(headers)
        reply.body = self.body
        return reply

    def closing(self) -> Reply:
        """Return this reply so that the connection which the request came on is closed behind it, where there is one.

        All replies to the request leave first. Answers to others that came on that connection are lost.
        """
        reply = _ClosingReply(self.status, self.reason)
        reply.extra = self.extra
        reply.body = self.body
        return reply

    def __repr__(self) -> str:
        return f"Reply({self.status}, {self.reason!r})"


class _ClosingReply(Reply):
    """What `Reply.closing` returns: a kind of its own, so that all others are known to be none."""

    __slots__ = ()
    closes = True


class Drop(Enum):
    """The decision to stay silent."""

    DROP = "drop"


DROP: Final = Drop.DROP


def _check_kinds(status: object, reason: object) -> None:
    """Raise ValueError for a status that is no number, a reason that is no text."""
    if not isinstance(status, int) or isinstance(status, bool):
        raise ValueError(f"status {status!r:.80} is no whole number; write it as 486")
    if reason is not None and not isinstance(reason, str):
        raise ValueError(f"reason {reason!r:.80} is no text; reply(status, reason, headers, body) is the order")


def _body(body: object) -> bytes:
    """Return a body's bytes; raise ValueError for what has none."""
    if isinstance(body, str):
        # What a peer wrote, and a plugin repeats, goes back as its bytes, as it does in a header.
        return body.encode(errors="surrogateescape")
    if not isinstance(body, bytes | bytearray | memoryview):
        raise ValueError(f"a body is text or bytes, not {body!r:.80}")
    return bytes(body)


def _write_phrase(status: int, reason: str | None) -> tuple[str, bytes]:
    """Return the reason phrase of a reply, and its status line."""
    checked = _check_phrase(status, reason)
    return checked, status_line(status, checked)


def _check_phrase(status: int, reason: str | None) -> str:
    """Return the reason phrase of a reply; raise ValueError when it or the status cannot be."""
    _check_kinds(status, reason)
    if not 100 <= status <= 699:
        raise ValueError(f"status {status} is not between 100 and 699")
    if reason is None:
        return reason_for(status)
    if not reason or _has_line_end(reason):
        raise ValueError(f"reason {reason!r} is empty or has a line end in it")
    # RFC 3261 25.1: UTF-8; what a peer wrote, and a plugin repeats, may be anything
    return reason if reason.isascii() else reason.encode(errors="replace").decode()


_remember_phrase: Final = lru_cache(maxsize=1_024, typed=True)(_write_phrase)  # typed: 486.0 is no 486


def header_lines(headers: Headers) -> bytes:
    """Return headers as lines, each with its CRLF before it; raise ValueError for one that cannot be sent."""
    # The usual kinds are asked for by name: what is behind isinstance(..., Mapping) takes longer than all the rest.
    if type(headers) is dict:
        pairs: Iterable[tuple[str, str | Sequence[str]]] = headers.items()
    elif type(headers) is list:
        pairs = _pairs(headers)
    else:
        pairs = headers.items() if isinstance(headers, Mapping) else _pairs(headers)
    lines: list[bytes] = []
    for name, value in pairs:
        if not isinstance(name, str):
            raise ValueError(f"{name!r:.80} is no header name; write headers={{'Name': 'value'}}")
        if isinstance(value, str):
            is_short = len(name) + len(value) <= MAX_REMEMBERED_LINE
            lines.append(_remember(name, value) if is_short else _write(name, value))
        elif isinstance(value, Iterable) and all(isinstance(single, str) for single in value):
            lines.append(header_lines([(name, single) for single in value]))
        else:
            raise ValueError(f"header {name} wants text, or several in a list, not {value!r:.80}")
    return b"".join(lines)


def _pairs(headers: object) -> Iterable[tuple[str, str]]:
    """Return pairs as they are; raise ValueError for what holds none."""
    if type(headers) is list:
        pairs = headers
    else:
        pairs = list(headers) if isinstance(headers, Iterable) and not isinstance(headers, str | bytes) else [headers]
    for pair in pairs:
        if not ((type(pair) is tuple or isinstance(pair, tuple | list)) and len(pair) == 2):
            raise ValueError(f"headers want a dict, {{'Name': 'value'}}, or pairs; {pair!r:.80} is none")
    return pairs  # what pairs hold is looked at one by one


def _write(name: str, value: str) -> bytes:
    canonical = canonical_name(name.encode())
    if not canonical:
        raise ValueError(f"{name!r} is no header name")
    if canonical in _OURS:
        raise ValueError(f"slbroker writes the {name} header itself")
    if _has_line_end(value):
        raise ValueError(f"header {name} has a line end or NUL in its value {value!r}")
    return f"\r\n{name}: {value}".encode(errors="surrogateescape")


_remember: Final = lru_cache(maxsize=1_024)(_write)
