"""A sample of what has come in lately and what became of it, kept while somebody looks (docs/bus.md, STATS).

Who looks has it from every edge with the figures. While nobody does there is no such object; while somebody does, one
request in 50 ms is noted, and one more that went wrong, however many come. Bodies and credentials are left out.

Pure: `now` is an argument, in seconds, monotonic.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from slbroker.bus.envelope import FILTERED_ACK, FORWARDED_REPLY, unpack_request, without_close
from slbroker.sip.tracing import call_id_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import TypeAlias

    from slbroker.bus.envelope import Answer
    from slbroker.bus.jobs import Job
    from slbroker.sip.parser import BadRequest
    from slbroker.sip.reading import Ack, Address
    from slbroker_edge.listener import Listener

    Outbox: TypeAlias = Mapping[Any, Sequence[tuple[bytes, Address]]]

EVERY: Final = 0.05  # seconds between two that are noted; those that went wrong have a turn of their own
LOOKED: Final = 65.0  # seconds for which somebody who has asked is taken to look: a monitor asks once a minute at least
KEPT: Final = 100
TOLD: Final = 40  # in one answer; who asks again gets the next
LONGEST: Final = 3_000  # bytes of a head
NOISE: Final = ("keepalive", "response")  # what is dropped for these causes was no request

# `Via` and the rest of the head; a header may go on in lines that begin with white space.
_secrets: Final = re.compile(rb"(?im)^((?:proxy-)?authorization[ \t]*:)[^\r\n]*(?:\r\n[ \t][^\r\n]*)*")


class Recent:
    """What one edge process has noted. Each is a map, as it goes over the bus."""

    def __init__(self) -> None:
        self.until = 0.0  # when nobody looks any more
        self._kept: deque[tuple[float, dict[str, Any]]] = deque(maxlen=KEPT)  # when, and what
        self._last = 0  # its number
        self._due = 0.0
        self._due_ill = 0.0

    def tell(self, since: int, now: float) -> dict[str, Any]:
        """Return what was noted behind number `since`, for somebody who looks; `ago` in seconds."""
        self.until = now + LOOKED
        if since > self._last:
            since = 0  # it was told by another process, or before nobody had looked for a while
        fresh = [(at, noted) for at, noted in self._kept if noted["number"] > since][:TOLD]
        last = fresh[-1][1]["number"] if fresh else self._last
        return {"last": last, "requests": [{**noted, "ago": round(now - at, 3)} for at, noted in fresh]}

    # What became of requests ------------------------------------------------------------------------------------

    def answered(self, ended: Sequence[tuple[Job, Answer]], now: float, by: str = "") -> None:
        """Note one of those that were decided `by` somebody, a worker unless it is said, and one that went wrong."""
        if now >= self._due and ended:
            self._due = now + EVERY
            self._answer(*ended[self._last % len(ended)], now, by)
        if now >= self._due_ill:
            for job, answer in ended:
                if type(answer) is bytes and answer[8:9] in (b"5", b"6"):
                    self._due_ill = now + EVERY
                    self._answer(job, answer, now, by)
                    return

    def remembered(self, jobs: Sequence[Job], rest: Collection[Job], outbox: Outbox, now: float) -> None:
        """Note one of the requests of which a decision was remembered: all but `rest`."""
        if now >= self._due:
            others = {id(job) for job in rest}
            for job in [each for each in reversed(jobs) if id(each) not in others][:1]:
                self.settled(job, "replied", "", outbox, now, "memory")

    def sent_on(
        self, datagrams: Sequence[tuple[bytes, Address]], rest: Collection[tuple[bytes, Address]],
        listener: Listener, now: float,
    ) -> None:  # fmt: skip
        """Note one of the messages that a route has sent on as they came: all but `rest`."""
        if now >= self._due:
            others = {id(each[0]) for each in rest}
            for data, address in [each for each in datagrams if id(each[0]) not in others][:1]:
                self._due = now + EVERY
                self._note_raw(data, "forwarded", "", address, listener, now)

    def _answer(self, job: Job, answer: Answer, now: float, by: str) -> None:
        if job.asks == FORWARDED_REPLY:
            return
        fate, reply = "replied", b""
        if job.asks == FILTERED_ACK:
            fate = "absorbed"
        elif isinstance(answer, dict):
            fate = "forwarded"
        elif job.asks == b"ACK":
            fate = "passed"
        elif replies := without_close((answer,) if isinstance(answer, bytes) else answer or ()):
            reply = replies[-1]
        else:
            fate = "dropped"
        self._note_job(job, now, fate, "handler" if fate == "dropped" else "", reply, by)

    def settled(self, job: Job, fate: str, cause: str, outbox: Outbox, now: float, by: str = "edge") -> None:
        """Note what the edge has done itself, with the `cause` of what went wrong; its reply is last in the outbox."""
        if now < (self._due_ill if cause else self._due):
            return
        if cause:
            self._due_ill = now + EVERY
        else:
            self._due = now + EVERY
        self._note_job(job, now, fate, cause, last_reply(outbox, job.listener, job.reading.call_id), by)

    def _note_job(self, job: Job, now: float, fate: str, cause: str, reply: bytes, by: str) -> None:
        reading, worker = job.reading, job.last_worker
        if reading.packed:
            source = unpack_request(reading.packed)[1]
            came = {"source": f"{source.host} port {source.port}", "listen": source.asked}
        else:
            came = _came(job.reply_to, job.listener)
        was_given = job.given > 0.0 and worker is not None
        times = {"queue": job.given - job.queued, "worker_time": now - job.given} if was_given and not by else {}
        served = {"worker": worker.name, "pool": worker.pool, "broker": worker.is_broker} if was_given else {}
        self._note(
            now, method=reading.method[:32], call_id=reading.call_id[:200], uri=reading.uri[:200], **came, **times,
            **served, fate=fate, cause=cause, tries=job.tries, by=by, pools=list(job.choice.pools[:8]),
            request=_head(job.data), reply=_head(reply), body=_body_of(job.data),
        )  # fmt: skip

    # What became of other messages ------------------------------------------------------------------------------

    def ended(
        self, data: bytes, fate: str, cause: str, address: Address, listener: Listener, now: float, reply: bytes = b""
    ) -> None:
        """Note a message that was no request to be given to anybody, as it came."""
        if now < self._due_ill or cause in NOISE:
            return
        self._due_ill = now + EVERY
        self._note_raw(data, fate, cause, address, listener, now, reply)

    def _note_raw(
        self, data: bytes, fate: str, cause: str, address: Address, listener: Listener, now: float, reply: bytes = b""
    ) -> None:
        head = data[:LONGEST]
        call_id = call_id_of(head)
        method, _, rest = head.partition(b"\r")[0].partition(b" ")
        self._note(
            now, method=method[:32], call_id=call_id[:200], uri=rest.partition(b" ")[0][:200],
            **_came(address, listener), fate=fate, cause=cause, by="edge", request=_head(data), reply=_head(reply),
            body=_body_of(data),
        )  # fmt: skip

    def refused(self, bad: BadRequest, address: Address, listener: Listener, outbox: Outbox, now: float) -> None:
        """Note a request that was wrong in itself."""
        reply = last_reply(outbox, listener, bad.message.call_id)
        self.ended(bad.data, "replied" if reply else "dropped", bad.reason, address, listener, now, reply)

    def absorbed(self, acks: Sequence[Ack], rest: Collection[Ack], listener: Listener, now: float) -> None:
        """Note one of the ACKs that were absorbed: all but `rest`."""
        if now < self._due:
            return
        gone = {id(each[0]) for each in rest}
        for _ack, data, address in [each for each in acks if id(each[0]) not in gone][:1]:
            self._due = now + EVERY
            self._note_raw(data, "absorbed", "", address, listener, now)

    def _note(self, now: float, **what: Any) -> None:
        self._last += 1
        self._kept.append((now, {"number": self._last, **what}))


def last_reply(outbox: Outbox, listener: Listener, call_id: bytes) -> bytes:
    """Return the last reply that waits for a listener, if it is one of that call; else b""."""
    waiting = outbox.get(listener)
    return waiting[-1][0] if waiting and call_id in waiting[-1][0] else b""


def _came(address: Address, listener: Any) -> dict[str, str]:
    return {"source": f"{address[0]} port {address[1]}", "listen": str(listener.name).partition(" ")[0]}


def _head(data: bytes) -> bytes:
    """Return the head of a message as others may see it."""
    return _secrets.sub(rb"\1 (left out)", data.partition(b"\r\n\r\n")[0][:LONGEST])


def _body_of(data: bytes) -> int:
    """Return how long the body is, which is left out."""
    return len(data.partition(b"\r\n\r\n")[2])
