"""`--log-calls`: an edge that tells of each request what became of it. An edge without it has nothing of this.

What repeats a request in flight has no line, and no ACK has: both belong to a request that is told of. What goes on
takes the long way, where each request is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgpack

from slbroker.bus.envelope import FILTERED_ACK, FORWARDED_REPLY
from slbroker.bus.memo import NAMED, Maker, unpack_maker
from slbroker.logline import Call, place_of
from slbroker.sip.message import Source
from slbroker_edge.edge import Edge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slbroker.bus.dispatcher import Dispatcher
    from slbroker.bus.envelope import Answer
    from slbroker.bus.jobs import Job
    from slbroker.settings.dispatch import Policies
    from slbroker.sip.message import Message
    from slbroker.sip.reading import Address
    from slbroker.sip.validate import Checks
    from slbroker_edge.ackfilter import AckFilter
    from slbroker_edge.listener import Listener
    from slbroker_edge.onward import Forwarding
    from slbroker_edge.remembered import Remembered
    from slbroker_edge.repeats import Repeats

_UNTOLD: Final = frozenset((b"ACK", FILTERED_ACK, FORWARDED_REPLY))
_LOST: Final = frozenset(("failed", "dropped"))  # fates that the dispatcher knows more of
_NO_REQUESTS: Final = frozenset(("keepalive", "response", "bad-ack"))  # causes of drops that are nobody's call
MOST_KNOWN: Final = 4_096  # of a kind that are known at once: makers, sources, requests that go on
Made: TypeAlias = "tuple[Maker, bool] | None"


class LoggedEdge(Edge):
    """An edge whose requests have a line each."""

    tells_calls = True

    def __init__(
        self,
        dispatcher: Dispatcher[Job],
        ack_filter: AckFilter,
        policies: Policies,
        checks: Checks,
        tell: Callable[[Sequence[Call]], None],
    ) -> None:
        """`tell` writes the lines of a turn."""
        super().__init__(dispatcher, ack_filter, policies, checks)
        self._tell_calls = tell
        self._calls: list[Call] = []
        self._noted = 0  # calls so far
        self._makers: dict[bytes, Made] = {}  # who has made an answer, by what stands behind it
        self._made: dict[int, Maker] = {}  # ... of this turn, by the requests' numbers
        self._going: dict[int, Maker] = {}  # ... that it goes on
        self._unpacker = msgpack.Unpacker(use_list=False)
        self._places: dict[tuple[str, int, str], str] = {}
        self.dispatcher.reasons = {}
        self.dispatcher.mark_ids(NAMED)

    # What is decided of requests --------------------------------------------------------------------------------

    def _hear_of_workers(self, now: float) -> None:
        """Hear who has made the answers, too."""
        dispatcher = self.dispatcher
        memos, dispatcher.memos = dispatcher.memos, []
        for job, answer, packed in memos:
            made = self._read(packed)
            if made is not None:
                self._made[job.number] = made[0]
                if isinstance(answer, dict):  # it may be told of when names have been looked up
                    self._going[job.number] = made[0]
                    if len(self._going) > MOST_KNOWN:  # copies for shadow workers are nobody's calls
                        del self._going[next(iter(self._going))]
            if made is None or made[1]:
                dispatcher.memos.append((job, answer, packed))
        if dispatcher.memos or dispatcher.restaffed:
            super()._hear_of_workers(now)

    def _read(self, packed: bytes) -> Made:
        """Return who has made an answer, and whether it may be remembered besides."""
        if packed in self._makers:
            return self._makers[packed]
        if len(self._makers) >= MOST_KNOWN:
            self._makers.clear()
        made = self._makers[packed] = unpack_maker(packed)
        return made

    def answer(self, identity: bytes, frames: Sequence[bytes], now: float) -> None:
        """Take one envelope from a worker; call `flush` afterwards."""
        super().answer(identity, frames, now)
        self._made.clear()

    def _note_replied(self, ended: Sequence[tuple[Job, Answer]], now: float) -> None:
        for job, answer in ended:
            reply = answer if isinstance(answer, bytes) else [one for one in answer or () if one is not None][-1]
            self._note_end(job, now, "replied", int(reply[8:11]), "" if job.last_worker is not None else "rules")

    def _say_again(
        self, remembered: Remembered, pool: str, jobs: list[Job], repeats: Repeats[Job] | None, now: float
    ) -> list[Job]:
        """Do it one by one: so it is seen which reply is whose."""
        rest: list[Job] = []
        for job in jobs:
            noted, pending = self._noted, self.in_flight
            replies = len(self._outbox.get(job.listener, ()))
            if super()._say_again(remembered, pool, [job], repeats, now):
                rest.append(job)
            elif len(sent := self._outbox.get(job.listener, [])) > replies:
                self._note_end(job, now, "remembered", int(sent[-1][0][8:11]))
            elif (self._noted, self.in_flight) == (noted, pending):  # else it goes on, and is told of where it does
                self._note_end(job, now, "dropped", cause="handler, remembered")
        return rest

    def _send_plain(
        self, forwarding: Forwarding, datagrams: Sequence[tuple[bytes, Address]], listener: Listener, now: float
    ) -> Sequence[tuple[bytes, Address]]:
        """Let nothing take the way where it is not looked at."""
        del forwarding, listener, now
        return datagrams

    # What becomes of them ---------------------------------------------------------------------------------------

    def _note_end(self, job: Job, now: float, fate: str, status: int = 0, cause: str = "") -> None:
        if job.asks in _UNTOLD:
            return
        reading, worker, made = job.reading, job.last_worker, None
        if fate in _LOST and self.dispatcher.reasons:
            why = self.dispatcher.reasons.pop(job.number, "")
            cause = f"{cause}: {why}" if why and cause else why or cause
        if self._made or self._going:
            made = self._made.get(job.number) or self._going.pop(job.number, None)
        pool, name, handler = "", "", ""
        if worker is not None:
            pool, name = worker.pool, worker.name
            if made is not None:
                name, handler = made.worker if worker.is_broker else name, made.handler
                if made.failed and not cause:
                    cause = "handler failed"
        self._note(Call(
            reading.method, reading.call_id, self._place(reading.packed), fate, status,
            now - job.queued if job.queued else 0.0, pool, name, handler, cause,
        ))  # fmt: skip

    def _place(self, packed: bytes) -> str:
        """Return where a request came from: of what workers are given, `pack_request`, the second part."""
        self._unpacker.feed(packed)
        self._unpacker.skip()
        source = self._unpacker.unpack()
        place = self._places.get(source)
        if place is None:
            if len(self._places) >= MOST_KNOWN:
                self._places.clear()
            place = self._places[source] = place_of(Source(*source))
        return place

    def _note_refused(
        self, message: Message | None, data: bytes, address: Address, listener: Listener, status: int, cause: str
    ) -> None:
        """Take note of what never became a job: `message` is what could be read of `data`."""
        if cause in _NO_REQUESTS:
            return
        method = message.method if message is not None else data.partition(b" ")[0]
        call_id = message.call_id if message is not None else b""
        source = place_of(Source(address[0], address[1], listener.name))
        self._note(Call(method, call_id, source, "replied" if status else "dropped", status, cause=cause))

    def _note(self, call: Call) -> None:
        self._noted += 1
        self._calls.append(call)

    def _end(self, now: float) -> None:
        super()._end(now)
        if self.dispatcher.reasons:
            self.dispatcher.reasons.clear()  # of copies for shadow workers nobody has asked

    def flush(self, now: float) -> None:
        """Send what is in the outbox, and tell of the calls of this turn."""
        super().flush(now)
        if self._calls:
            calls, self._calls = self._calls, []
            self._tell_calls(calls)
