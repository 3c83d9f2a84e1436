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
MAX_ANSWERS: Final = 4_096  # kept; those that strangers' names led to make room first
MAX_QUESTIONS: Final = 256  # on their way at once
MAX_WAITING: Final = 4_096  # searches that wait
SHARE: Final = 2  # strangers, who choose names where --forward-domains lets them, have one in so many of these two


class _Kept(NamedTuple):
    answer: Answer
    until: float
    stale_until: float


class _Waiting:
    """A search that waits for an answer."""

    __slots__ = ("deadline", "query", "search", "strange", "then")

    def __init__(self, search: Search, deadline: float, then: Callable[[list[Place]], None], *, strange: bool) -> None:
        self.search = search
        self.deadline = deadline
        self.then = then
        self.strange = strange  # a stranger has chosen the name
        self.query: Query | None = None


class Lookups:
    """The answers that one process has, and who waits for more."""

    def __init__(self, ask: Callable[[Query, float], None]) -> None:
        """`ask` sends a question off, at a time; `answered` or `unanswered` is told what comes of it, now or later."""
        self._ask = ask
        self._kept: dict[Query, _Kept] = {}
        self._strange: dict[Query, None] = {}  # those of these for which none but strangers have asked
        self._asked: dict[Query, list[_Waiting]] = {}
        self._waiting: dict[_Waiting, None] = {}

    def run(self, search: Search, now: float, then: Callable[[list[Place]], None], *, strange: bool = False) -> None:
        """Call `then` with the places that a search finds: at once when all answers are known, else later.

        [] where there are none, or where too many wait already. `strange` says that a request has chosen the name: a
        flood of such leaves room for next hops that are configured.
        """
        waiting = _Waiting(search, now + PATIENCE, then, strange=strange)
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
                if not waiting.strange:
                    self._strange.pop(query, None)
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
        share = SHARE if waiting.strange else 1
        if len(self._waiting) * share >= MAX_WAITING or (others is None and len(self._asked) * share >= MAX_QUESTIONS):
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
        """Keep an answer; the oldest makes room for it, of those that strangers have asked for if there are any."""
        is_strange = query in self._strange or query not in self._kept
        if any(not waiting.strange for waiting in self._asked.get(query, ())):
            is_strange = False
        self._kept.pop(query, None)
        self._strange.pop(query, None)
        if len(self._kept) >= MAX_ANSWERS:
            oldest = next(iter(self._strange or self._kept))
            del self._kept[oldest]
            self._strange.pop(oldest, None)
        self._kept[query] = kept
        if is_strange:
            self._strange[query] = None
