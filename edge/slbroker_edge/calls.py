"""`--log-calls`: an edge that tells of each request what became of it. An edge without it has nothing of this.

What repeats a request in flight has no line, and no ACK has: both belong to a request that is told of. What goes on
takes the long way, where each request is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker.bus.envelope import FILTERED_ACK, FORWARDED_REPLY, unpack_request, without_close
from slbroker.logline import Call, place_of
from slbroker.sip.message import Source
from slbroker_edge.edge import Edge
from slbroker_edge.outbox import MAX_REPLY, match_status_line

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


class LoggedEdge(Edge):
    """An edge whose requests have a line each."""

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
        self.dispatcher.reasons = {}

    # What is decided of requests --------------------------------------------------------------------------------

    def _carry_out(self, ended: list[tuple[Job, Answer]], now: float) -> None:
        for job, answer in ended:
            if job.asks in _UNTOLD or isinstance(answer, dict):  # what goes on is told of when it has
                continue
            replies = () if answer is None else (answer,) if isinstance(answer, bytes) else without_close(answer)
            if not replies:
                self._note_end(job, now, "dropped", cause="handler" if job.last_worker is not None else "rules")
            elif all(match_status_line(reply) and len(reply) <= MAX_REPLY for reply in replies):
                cause = "" if job.last_worker is not None else "rules"
                self._note_end(job, now, "replied", int(replies[-1][8:11]), cause)
        super()._carry_out(ended, now)

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
        reading, worker = job.reading, job.last_worker
        source = unpack_request(reading.packed)[1]
        why = self.dispatcher.reasons.pop(job.number, "") if fate in _LOST and self.dispatcher.reasons else ""
        self._note(Call(
            reading.method, reading.call_id, place_of(source), fate, status,
            now - job.queued if job.queued else 0.0,
            worker.pool if worker is not None else "", worker.name if worker is not None else "",
            f"{cause}: {why}" if why and cause else why or cause,
        ))  # fmt: skip

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
