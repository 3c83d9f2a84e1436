"""A reply from a request and a decision (RFC 3261 8.2.6)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from slbroker.sip.message import Message

# RFC 3261 8.2.6.2: these are echoed, in the request's own order, under their long names.
_ECHOED: Final[dict[bytes, bytes]] = {
    b"via": b"\r\nVia: ",
    b"from": b"\r\nFrom: ",
    b"to": b"\r\nTo: ",
    b"call-id": b"\r\nCall-ID: ",
    b"cseq": b"\r\nCSeq: ",
}
_ECHOED_BY_100: Final = _ECHOED | {b"timestamp": b"\r\nTimestamp: "}  # RFC 3261 8.2.6.1
_ECHOED_BY_DIALOG: Final = _ECHOED | {b"record-route": b"\r\nRecord-Route: "}  # RFC 3261 12.1.1
# Characters. Longer ones are a peer's words, repeated by a plugin: a thousand of these would be many megabytes.
MAX_REMEMBERED_PHRASE: Final = 128
_NO_BODY: Final = b"\r\nContent-Length: 0\r\n\r\n"


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
    echoed = _ECHOED if status >= 300 else _ECHOED_BY_DIALOG if status > 100 else _ECHOED_BY_100
    parts = [status_line(status, reason)]
    wants_tag = status > 100 and not message.to_tag
    flat = iter(message.headers)
    for name, value in zip(flat, flat, strict=True):
        prefix = echoed.get(name)
        if prefix is not None:
            parts += (prefix, value)
            if wants_tag and name == b"to":
                parts += (b";tag=", tag)
    parts.append(extra)
    if body:
        parts.append(b"\r\nContent-Length: %d\r\n\r\n" % len(body))
        parts.append(body)
    else:
        parts.append(_NO_BODY)
    return b"".join(parts)
