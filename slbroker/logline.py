"""What a log line is made of: words that others wrote, made harmless, and the fields that a JSON line has besides.

Nothing here logs. A peer's bytes go through `shown` where they are put into a line, and each whole line through
`escaped` on its way out (`slbroker.logs`), whoever wrote it: so none is longer than it may be, or two.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker.sip.message import Source

LOGGERS: Final = ("slbroker", "slbroker_edge", "slbroker_handlers")  # below which all of ours are
MOST_LINES: Final = 100  # about one cause in a window: what a worker that is killed had, and no flood
WINDOW: Final = 10.0  # seconds
LONGEST: Final = 100  # characters of a peer's that are shown
MOST_COST: Final = 2_000  # bytes that a line's words have as JSON: what a pipe takes at once has room for the rest, too
FIELD_COST: Final = 300  # ... and that one field has
# The keys of a JSON line that hold what a line is about, in their order; one that has nothing to say is left out.
FIELDS: Final = ("call_id", "method", "source", "pool", "worker", "handler", "status", "duration", "cause", "fate")


def shown(said: bytes | str) -> str:
    """Return a peer's bytes or text as a log can bear them: printable ASCII as it is, all else escaped, on one line."""
    raw = said.encode(errors="backslashreplace") if isinstance(said, str) else said
    short = raw[:LONGEST]
    return repr(short)[2:-1] + ("..." if len(raw) > LONGEST else "")


def event(name: str, **fields: object) -> dict[str, Any]:
    """Return what a logger's method is given as `extra`: what happened, in a word for programs, and some of `FIELDS`.

    Of bytes `shown` is logged. A `duration` is in seconds.
    """
    return {"slbroker": (name, fields)}


def place_of(source: Source) -> str:
    """Return where a request has come from: "udp:192.0.2.7:5060", "tls:[2001:db8::7]:5060"."""
    host = f"[{source.host}]" if ":" in source.host else source.host
    return f"{source.transport}:{host}:{source.port}"


class Call(NamedTuple):
    """What became of one request; its `fate` is a word of the statistics."""

    method: bytes
    call_id: bytes
    source: str  # "udp:192.0.2.7:5060"
    fate: str
    status: int = 0  # of the reply, 0 where there is none
    duration: float = 0.0  # seconds
    pool: str = ""
    worker: str = ""
    handler: str = ""  # of the worker's plugin, by its name in statistics; "" where the worker has not said
    cause: str = ""

    def words(self) -> str:
        """Return it for people."""
        method, call_id, source, fate, status, duration, pool, worker, handler, cause = self
        end = f"{status} in {duration * 1e3:.2f} ms" if status else "unanswered"
        by = _by(pool, worker, handler) if worker else ""
        why = f": {cause}" if cause else ""
        return f"call {shown(method)}, Call-ID {shown(call_id)}, from {source}: {fate}, {end}{by}{why}"


@lru_cache(1_024)
def _by(pool: str, worker: str, handler: str) -> str:
    what = f", handler {shown(handler)}" if handler else ""
    return f", worker {shown(worker)} of pool {shown(pool)}{what}"


def escaped(words: str, most: int = MOST_COST) -> str:
    """Return words with escapes for all that does not print, line ends included, and cut where they are too long.

    `most` is how many bytes they may have as JSON; what is cut off is counted.
    """
    if len(words) <= most and words.isascii() and words.isprintable():
        return words
    kept: list[str] = []
    for at, piece in enumerate(_pieces(words)):
        most -= _cost(piece)
        if most < 0:
            return "".join(kept) + f"... ({len(words) - at} more)"
        kept.append(piece)
    return "".join(kept)


def lines_of(message: bytes) -> list[str]:
    """Return the lines of a whole message, each made harmless; what ends them is not shown."""
    text = message.decode(errors="backslashreplace")
    return [escaped(line.removesuffix("\r")) for line in text.removesuffix("\n").split("\n")]


def _pieces(words: str) -> Iterator[str]:
    for character in words:
        # What joins or turns letters around does not print either: a line is to be read as it was written.
        yield character if character.isprintable() else character.encode("unicode_escape").decode()


def _cost(piece: str) -> int:
    if piece.isascii():
        return len(piece) + piece.count("\\") + piece.count('"')
    return 6 if piece <= "\uffff" else 12
