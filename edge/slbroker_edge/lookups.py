"""What names lead to: answers of DNS kept to their TTL, and the searches that wait for one (RFC 3263); no sockets.

    run(search) -> known answers are given to it -> its places
                -> else `ask(query)`, once however many wait -> answered or unanswered -> its places

Where a server cannot be asked, the last answer goes on to count (RFC 8767): a DNS that is away for a while ends no
calls to places that are still there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.proxy.locate import Answer, Place, Query, Search

MIN_TTL: Final = 1.0  # seconds: 0 would be a question for each request; a repetition is to find what its first found
MAX_TTL: Final = 86_400.0
NO_SERVER: Final = 5.0  # seconds until a server is asked again that has not answered, or has failed
STALE: Final = 86_400.0  # seconds for which an answer counts beyond its TTL while no server answers
PATIENCE: Final = 4.0  # seconds that a search may take in all
MAX_ANSWERS: Final = 4_096  # kept; with --forward-domains strangers choose the names
MAX_QUESTIONS: Final = 256  # on their way at once
MAX_WAITING: Final = 4_096  # searches that wait


class _Kept(NamedTuple):
    answer: Answer
    until: float
    stale_until: float


class _Waiting:
    """A search that waits for an answer."""

    __slots__ = ("deadline", "query", "search", "then")

    def __init__(self, search: Search, deadline: float, then: Callable[[list[Place]], None]) -> None:
        self.search = search
        self.deadline = deadline
        self.then = then
        self.query: Query | None = None


class Lookups:
    """The answers that one process has, and who waits for more."""

    def __init__(self, ask: Callable[[Query, float], None]) -> None:
        """`ask` sends a question off, at a time; `answered` or `unanswered` is told what comes of it, now or later."""
        self._ask = ask
        self._kept: dict[Query, _Kept] = {}
        self._asked: dict[Query, list[_Waiting]] = {}
        self._waiting: dict[_Waiting, None] = {}

    def run(self, search: Search, now: float, then: Callable[[list[Place]], None]) -> None:
        """Call `then` with the places that a search finds: at once when all answers are known, else later.

        [] where there are none, or where too many wait already.
        """
        waiting = _Waiting(search, now + PATIENCE, then)
        self._go_on(waiting, None, now)

    def answered(self, query: Query, answer: Answer, ttl: float, now: float) -> None:
        """Take the answer to a question, [] where there are no such records; `ttl` is in seconds."""
        until = now + min(max(ttl, MIN_TTL), MAX_TTL)
        self._keep(query, _Kept(answer, until, until + STALE))
        self._serve(query, answer, now)

    def unanswered(self, query: Query, now: float) -> None:
        """Note that no server has answered a question, or none could."""
        kept = self._kept.get(query)
        answer: Answer = kept.answer if kept is not None and now < kept.stale_until else []
        self._keep(query, _Kept(answer, now + NO_SERVER, kept.stale_until if kept is not None else now))
        self._serve(query, answer, now)

    def expire(self, now: float) -> None:
        """End the searches that have taken too long."""
        for waiting in [each for each in self._waiting if each.deadline <= now]:
            del self._waiting[waiting]
            if waiting.query is not None:
                self._asked[waiting.query].remove(waiting)
            waiting.search.close()
            waiting.then([])

    @property
    def waiting(self) -> int:
        """How many searches wait for an answer."""
        return len(self._waiting)

    def _serve(self, query: Query, answer: Answer, now: float) -> None:
        for waiting in self._asked.pop(query, ()):
            del self._waiting[waiting]
            self._go_on(waiting, answer, now)

    def _go_on(self, waiting: _Waiting, answer: Answer | None, now: float) -> None:
        """Give a search its answer, None for its beginning, and then all that are known."""
        search = waiting.search
        try:
            query = next(search) if answer is None else search.send(answer)
            while (kept := self._kept.get(query)) is not None and now < kept.until:
                query = search.send(kept.answer)
        except StopIteration as found:
            waiting.then(found.value)
            return
        if not self._waits(waiting, query, now):
            search.close()
            waiting.then([])

    def _waits(self, waiting: _Waiting, query: Query, now: float) -> bool:
        """Have a search wait for the answer to a question; return False where there is no room for that."""
        others = self._asked.get(query)
        if len(self._waiting) >= MAX_WAITING or (others is None and len(self._asked) >= MAX_QUESTIONS):
            return False
        waiting.query = query
        self._waiting[waiting] = None
        if others is not None:
            others.append(waiting)
        else:
            self._asked[query] = [waiting]
            self._ask(query, now)
        return True

    def _keep(self, query: Query, kept: _Kept) -> None:
        """Keep an answer; the one that was kept first makes room for it."""
        self._kept.pop(query, None)
        if len(self._kept) >= MAX_ANSWERS:
            del self._kept[next(iter(self._kept))]
        self._kept[query] = kept
