"""Running recorded requests through a plugin with no sockets: for `slbroker replay` and `slbroker explain`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, NamedTuple, Self

from slbroker.authnonce import NonceKeys
from slbroker.bus.envelope import FORWARDED_REPLY
from slbroker.bus.items import Item
from slbroker.bus.memo import Kept
from slbroker.plugin import Request, lifecycle
from slbroker.plugin.keeping import Explaining
from slbroker.plugin.responder import Responder
from slbroker.plugin.unmatched import ASKED_FOR
from slbroker.proxy.decision import read_amended, read_forward
from slbroker.proxy.told import tell_amended, tell_forward
from slbroker.sip.response import Response, parse_response
from slbroker.sip.uri import printable
from slbroker.totag import TAG_LENGTH, Signer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from slbroker.keys import KeyRing
    from slbroker.plugin import Handlers
    from slbroker.recording import Record

# What two runs of one plugin may say differently: the times in it.
_FLEETING = ("www-authenticate", "proxy-authenticate", "date", "timestamp")


class Run(NamedTuple):
    """What a plugin made of a request: its replies' bytes, and how many seconds it took.

    `onward` says in words that it goes on and how; for a reply on its way back, what becomes of that.
    """

    replies: tuple[bytes, ...]
    seconds: float
    onward: str = ""


class Player:
    """A plugin, started, that is given one request after the other; a context manager."""

    def __init__(self, app: Handlers, ring: KeyRing) -> None:
        accepted = ring.accepted(time.time())
        self.app = app
        self.responder = Responder(app, Signer(ring.current, accepted), NonceKeys(ring.current, accepted))
        self._runner = asyncio.Runner()
        self._played = 0
        self._seconds = 0.0

    def __enter__(self) -> Self:
        self._runner.run(lifecycle.start(self.app))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._runner.run(lifecycle.stop(self.app))
        self._runner.close()

    def play(self, record: Record, explaining: Explaining | None = None) -> Run:
        """Return what the plugin answers to a request; what is read for it is explained, where that is wanted."""
        item = Item(0, record.message, record.source)
        begun = time.perf_counter()
        answer = self.responder.watch(item, explaining) if explaining is not None else self.responder.answer(item)
        if isinstance(answer, Coroutine):
            answer = self._runner.run(answer)
        seconds = time.perf_counter() - begun
        if isinstance(answer, Kept):
            answer = answer.answer
        self._played += 1
        self._seconds += seconds
        self.responder.tell()
        several = answer if isinstance(answer, tuple) else (answer,)
        onward = _tell(item.method, answer) if isinstance(answer, dict) else ""
        return Run(tuple(reply for reply in several if isinstance(reply, bytes)), seconds, onward)

    @property
    def microseconds(self) -> float:
        """Return how long a request has taken, on average; 0 before the first."""
        return self._seconds * 1e6 / max(self._played, 1)

    def explain(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield what there is to say of one request: (subject, words)."""
        message, source = record.message, record.source
        request, is_reply = Request(message, source), message.method == FORWARDED_REPLY
        line = f"{request.method} {message.uri.decode(errors='replace')}"
        yield "message" if is_reply else "request", f"{line} from {source.host}:{source.port} to {source.asked}"
        route = self.app.route_of(request)
        if route is not None and is_reply:
            yield "route", "on_reply"
        elif route is not None:
            yield "route", f"on({message.method.decode()!r}) {route.words}".strip()
        elif message.method in ASKED_FOR or not self.app.has_otherwise:
            yield "route", "none matches: nobody"
        else:
            yield "route", "none matches: the otherwise handler"
        yield "handler", self.app.describe(request)
        explaining = Explaining(self.app)
        run = self.play(record, None if is_reply else explaining)
        yield "time", f"{run.seconds * 1e6:.0f} us"
        if run.onward or is_reply:
            yield "onward", run.onward or "dropped: it goes nowhere"
        for reply in run.replies:
            yield "reply", "\n" + reply.decode(errors="backslashreplace").replace("\r\n", "\n").rstrip("\n")
            yield from _explain_tag(reply, message.to_tag)
        if not run.replies and not is_reply:
            yield "reply", "none"
        if not is_reply:
            yield "read", ", ".join(("method", *explaining.fields))
            yield "memory", explaining.words


def _tell(method: bytes, words: dict[Any, Any]) -> str:
    if method == FORWARDED_REPLY:
        return tell_amended(read_amended(words))
    return tell_forward(read_forward(words))


def _explain_tag(reply: bytes, theirs: bytes) -> Iterator[tuple[str, str]]:
    read = parse_response(reply)
    tag = (read.first("To") or "").rpartition(";tag=")[2] if read is not None else ""
    if theirs:
        yield "to-tag", f"{theirs.decode(errors='replace')}: the request's own, so an edge knows its ACK by a hash"
    elif len(tag) == TAG_LENGTH and tag.startswith("s1"):
        yield "to-tag", f"{tag}: version {tag[:2]}, key {tag[2:6]}, MAC {tag[7:]} over Call-ID, From tag, CSeq number"
    elif read is not None and read.status == 100:
        yield "to-tag", "none: a 100 has none"


def differences(one: Run, other: Run) -> list[str]:
    """Return in words how two answers to one request differ; [] when a peer could not tell.

    To-tags differ where the key rings do, nonces and dates with the time; they are not compared.
    """
    ones, others = ([parse_response(reply) for reply in run.replies] for run in (one, other))
    if one.onward != other.onward:
        return [f"{one.onward or _statuses(ones)} | {other.onward or _statuses(others)}"]
    if [_status(read) for read in ones] != [_status(read) for read in others]:
        return [f"{_statuses(ones)} | {_statuses(others)}"]
    found: list[str] = []
    for left, right in zip(ones, others, strict=True):
        if left is None or right is None:
            continue
        found += _header_differences(left, right)
        if left.body != right.body:
            found.append(f"body of {len(left.body)} bytes | body of {len(right.body)} bytes")
    return found


def _header_differences(left: Response, right: Response) -> list[str]:
    found = []
    names = dict.fromkeys(name for name, _value in (*left.headers, *right.headers))
    for name in names:
        if name in _FLEETING or name == "to":
            if len(left.all(name)) != len(right.all(name)):
                found.append(f"{name}: {len(left.all(name))} times | {len(right.all(name))} times")
        elif left.all(name) != right.all(name):
            found.append(f"{name}: {', '.join(left.all(name)) or '-'} | {', '.join(right.all(name)) or '-'}")
    return found


def _status(read: Response | None) -> tuple[int, str] | None:
    return None if read is None else (read.status, read.reason)


def _statuses(replies: list[Response | None]) -> str:
    words = [f"{read.status} {printable(read.reason)}" if read else "no SIP" for read in replies]
    return ", ".join(words) or "silence"
