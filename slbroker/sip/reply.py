"""A reply from a request and a decision (RFC 3261 8.2.6)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from slbroker.sip.message import pairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slbroker.sip.message import Message

# Characters. Longer ones are a peer's words, repeated by a plugin: a thousand of these would be many megabytes.
MAX_REMEMBERED_PHRASE: Final = 128
NO_BODY: Final = b"\r\nContent-Length: 0\r\n\r\n"


# RFC 3261 8.2.6.2: these are echoed, in the request's own order, under their long names.
ECHOED: Final = {name.lower(): b"\r\n%b: " % name for name in (b"Via", b"From", b"To", b"Call-ID", b"CSeq")}
_ECHOED_BY_100: Final = ECHOED | {b"timestamp": b"\r\nTimestamp: "}  # RFC 3261 8.2.6.1
_ECHOED_BY_DIALOG: Final = ECHOED | {b"record-route": b"\r\nRecord-Route: "}  # RFC 3261 12.1.1


def echoed_by(status: int) -> Mapping[bytes, bytes]:
    """Return the headers that a reply of `status` echoes, by canonical name; each with what stands before its value."""
    return ECHOED if status >= 300 else _ECHOED_BY_DIALOG if status > 100 else _ECHOED_BY_100


def status_line(status: int, reason: str) -> bytes:
    """Return the status line without its CRLF; the version is ours, whatever case the request wrote it in."""
    return _write(status, reason) if len(reason) > MAX_REMEMBERED_PHRASE else _remember(status, reason)


def _write(status: int, reason: str) -> bytes:
    return b"SIP/2.0 %d %b" % (status, reason.encode())


_remember: Final = lru_cache(maxsize=1_024)(_write)


def build_reply(message: Message, status: int, reason: str, tag: bytes, extra: bytes = b"", body: bytes = b"") -> bytes:
    """Return the bytes of a reply to `message`.

    `message`'s top Via must be stamped already (`via.stamp`). `tag` goes into To when the request's To has none and
    `status` is above 100. `extra` holds whole header lines, each with a CRLF *before* it. The caller has checked that
    reason and extra bring no line ends of their own.
    """
    tag = tag if status > 100 and not message.to_tag else b""
    return join_reply(status_line(status, reason), tuple(message.headers), status, tag, tail(extra, body))


def tail(extra: bytes, body: bytes) -> bytes:
    """Return what follows the headers that a reply echoes: header lines of its own, Content-Length, body."""
    if body:
        return b"%b\r\nContent-Length: %d\r\n\r\n%b" % (extra, len(body), body)
    return extra + NO_BODY if extra else NO_BODY


def join_reply(line: bytes, headers: Sequence[bytes], status: int, tag: bytes, tail: bytes) -> bytes:
    """Return a reply: status line, the headers that a reply of that `status` echoes, and `tail` (RFC 3261 8.2.6).

    `headers` are the request's, names and values in turn; `tag` goes into To unless it is b"".
    """
    echoed = echoed_by(status)
    parts = [line]
    for name, value in pairs(headers):
        prefix = echoed.get(name)
        if prefix is not None:
            parts += (prefix, value)
            if tag and name == b"to":
                parts += (b";tag=", tag)
    parts.append(tail)
    return b"".join(parts)
