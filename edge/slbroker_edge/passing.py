"""What goes on from an edge, or back: which requests, ACKs, CANCELs and replies, and what is counted of each.

How they go on is in `onward`; those of the usual form take the short way (`_send_plain`), all others one by one.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from slbroker.bus.choice import ANY, DEFAULT_POOL, ONWARD
from slbroker.bus.envelope import FORWARDED_REPLY, unpack_request
from slbroker.bus.losses import Losses
from slbroker.bus.routes import Routes
from slbroker.errors import Drop, EnvelopeError, NoWhere, Unreachable
from slbroker.logline import shown
from slbroker.sip.message import Source
from slbroker.sip.slerrors import SlError, error_text
from slbroker_edge.reader import read_turn
from slbroker_edge.replying import Replying, message_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.bus.dispatcher import Dispatcher
    from slbroker.bus.envelope import Answer
    from slbroker.bus.jobs import Job
    from slbroker.settings.dispatch import Policies
    from slbroker.sip.message import Message
    from slbroker.sip.reading import Address, Reading
    from slbroker_edge.ackfilter import AckFilter
    from slbroker_edge.asking import Asking
    from slbroker_edge.listener import Listener
    from slbroker_edge.onward import Forwarding, Outcome
    from slbroker_edge.recent import Recent
    from slbroker_edge.shadow import Shadow, Shadowed
    from slbroker_edge.ways import Order

logger = logging.getLogger("slbroker_edge.edge")

NOBODY: Final = {"workers": 0, "waiting": 0, "open": 0, "credit": 0, "oldest": 0.0}  # in a pool that a route leads to
# What an edge with our keys writes where a later message finds its way by it: the beginning of its branches
# (`proxy.branch`), and of the tokens in its Record-Route and Path (`proxy.flow`).
SIGNED_VIA = b"z9hG4bKs1"
SIGNED_ROUTE = b":f1"


class Rules(Protocol):
    """What decides before all others; `rules.RuleFile` is it."""

    def sift(self, jobs: list[Job]) -> tuple[list[Job], list[tuple[Job, Answer]]]:
        """Return the requests of which nothing is decided, in their order, and the others with what is."""


class Passing(Replying):
    """The messages of one edge process that go on."""

    def __init__(self, dispatcher: Dispatcher[Job], ack_filter: AckFilter, policies: Policies) -> None:
        super().__init__(ack_filter, policies)
        self.dispatcher = dispatcher
        self.routes = Routes(policies.routes)
        self._anywhere = self.routes.everywhere
        self.shadow: Shadow | None = None
        self._desk: Dispatcher[Job] | Shadowed = dispatcher  # where requests are given
        if policies.shadow:
            from slbroker_edge.shadow import Shadow, Shadowed  # noqa: PLC0415 - few edges have one

            self.shadow = Shadow(*policies.shadow)
            self._desk = Shadowed(dispatcher, self.shadow)
        self.forwarding: Forwarding | None = None  # set by who has sockets for it
        self.rules: Rules | None = None  # set where a rule file decides before all others
        self.asking: Asking | None = None  # made when the first worker comes that is to be asked of replies
        self.recent: Recent | None = None  # what has come in lately, while somebody looks
        self.causes: dict[str, int] = {}  # why requests had no answer of a handler, and how many
        self.bad_answers = 0  # answers of workers that are no SIP reply
        self._losses = Losses(logger)

    tells_calls = False  # whether what becomes of requests is told of, each by itself

    def _note_end(self, job: Job, now: float, fate: str, status: int = 0, cause: str = "") -> None:
        """Take note of what became of a request; `calls.LoggedEdge` does, others do not."""

    def _note_replied(self, ended: Sequence[tuple[Job, Answer]], now: float) -> None:
        """Take note of requests that workers, or rules, have answered; called where that `tells_calls`."""

    def _note_refused(
        self, message: Message | None, data: bytes, address: Address, listener: Listener, status: int, cause: str
    ) -> None:
        """Take note of a message that is no request to be served, and what was done with it."""

    def tell_recent(self, since: int, now: float) -> dict[str, Any]:
        """Return what somebody who looks has not been told yet; from now on it is noted."""
        if self.recent is None:
            from slbroker_edge.recent import Recent  # noqa: PLC0415 - nobody looks, most of the time

            self.recent = Recent()
        return self.recent.tell(since, now)

    def _settle(self, job: Job, now: float, fate: str, status: int = 0, cause: str = "") -> None:
        """Have what became of a request that no worker has answered noted by whoever wants to know."""
        if self.recent is not None:
            self.recent.settled(job, fate, cause, self._outbox, now)
        self._note_end(job, now, fate, status, cause)

    def staffing(self, now: float) -> dict[str, Any]:
        """Return what statistics say of pools, those of routes included that nobody is in, and which lack workers."""
        pools = self.dispatcher.pools
        nobody = {name: NOBODY for name in self.routes.pools if name not in pools}
        staffed = [name for name, pool in pools.items() if pool.accounts]
        goes_on = self.policies.answer_overload == ONWARD
        return {
            "pools": {name: pool.figures() | pool.demand(now) for name, pool in pools.items()} | nobody,
            "unserved": [] if goes_on else self.routes.unserved(staffed),
        }

    def _blame(self, cause: str) -> None:
        self.causes[cause] = self.causes.get(cause, 0) + 1

    # They come in -----------------------------------------------------------------------------------------------

    def _send_plain(
        self, forwarding: Forwarding, datagrams: Sequence[tuple[bytes, Address]], listener: Listener, now: float
    ) -> Sequence[tuple[bytes, Address]]:
        """Send on what is plain and nobody here is to see; return the rest."""
        routes = self.routes if self.rules is None else None
        replies_too = self.asking is None or self.asking.choice is None
        rest, gone = forwarding.take_plain(datagrams, listener, routes, now, replies_too=replies_too)
        self.fates.received += gone
        self.fates.forwarded += gone
        if gone and self.recent is not None:
            self.recent.sent_on(datagrams, rest, listener, now)
        return rest

    def _let_through(self, ack: Reading, data: bytes, address: Address, listener: Listener, now: float) -> None:
        """Send on an ACK to a reply that is none of ours."""
        forwarding = self.forwarding
        if forwarding is None or not forwarding.cares_for(data, SIGNED_ROUTE):
            self.fates.drop("ack")
            if self.recent is not None:
                self.recent.ended(data, "dropped", "ack", address, listener, now)
            return
        hop = self.routes.choose(ack, listener.name, address[0]).hop
        source = Source(address[0], address[1], listener.name)
        forwarding.forward(data, source, listener, now, self._ack_has_gone, forwarding.order(hop))

    def _ack_has_gone(self, outcome: Outcome) -> None:
        if outcome is None:
            self.fates.forwarded += 1
        else:
            self.fates.drop(outcome.cause if isinstance(outcome, Drop) else "ack")

    def _take_as_proxy(self, data: bytes, address: Address, listener: Listener, now: float) -> bool:
        """Take a request that requires what we do not know, if it goes on: who is behind us may know it (16.3)."""
        forwarding = self.forwarding
        if forwarding is None or not forwarding.is_used:
            return False
        jobs = read_turn([(data, address)], listener, forwarding.checks)[0]
        if not jobs or not forwarding.goes_on(self.routes.choose(jobs[0].reading, listener.name, address[0]).hop):
            return False
        self._hand_out(jobs, now)
        return True

    def _take_reply(self, data: bytes, address: Address, listener: Listener, now: float) -> bool:
        """Send a reply back; return False where this edge has nothing to do with any."""
        forwarding = self.forwarding
        if forwarding is None or not forwarding.cares_for(data, SIGNED_VIA):
            return False
        self.fates.received -= 1  # replies have a law of their own
        if self.asking is None or self.asking.choice is None:
            forwarding.take_reply(data, listener, now)
        else:
            self.asking.take(data, address, listener, now, self._desk.submit)
        return True

    def _hand_out(self, jobs: list[Job], now: float) -> None:
        """Give requests to who is to have them."""
        raise NotImplementedError

    # Requests go on ---------------------------------------------------------------------------------------------

    def _send_on(self, job: Job, now: float, order: Order | None = None) -> bool:
        """Send a request on, where its route or --pass says or an `order`; return whether that is its end.

        That of a CANCEL or an ACK which is to go nowhere is not.
        """
        forwarding = self.forwarding
        if forwarding is None or (job.asks and order is None and not forwarding.cares_for(job.data, SIGNED_ROUTE)):
            return False
        message, source = unpack_request(job.reading.packed)
        end = partial(self._has_gone, job, now)
        how = order or forwarding.order(job.choice.hop)
        forwarding.forward(job.data, source, job.listener, now, end, how, message)
        return True

    def _has_gone(self, job: Job, now: float, outcome: Outcome) -> None:
        """Count what became of a request that was to go on; answer it where it has not."""
        fates = self.fates
        if outcome is None:
            fates.forwarded += 1
            self._settle(job, now, "forwarded")
        elif isinstance(outcome, Drop):
            self._drop(job, now, outcome.cause)
        elif job.asks == b"ACK":
            fates.drop("ack")
        elif isinstance(outcome, NoWhere) and job.asks:
            self._drop(job, now, "cancel")
        elif isinstance(outcome, NoWhere):
            self._losses.request(
                "no next hop", now, job.reading.method, job.reading.call_id,
                "it is to go on and nothing says where to; say --pass HOP, or name one in request.forward(HOP)",
            )  # fmt: skip
            self._fail(job, now, "no next hop")
        elif outcome.status == 483 and self._may_answer(job):
            job.choice = ANY
            self._desk.submit(job, now)
        else:
            message = message_of(job)
            self._reply_ourselves(message, job.listener, job.reply_to, outcome.status, outcome.reason, outcome.extra)
            if isinstance(outcome, Unreachable):
                fates.failed += 1
                self._blame("next hop unreachable")
                self._settle(job, now, "failed", outcome.status, "next hop unreachable")
            else:
                fates.replied += 1
                self._settle(job, now, "replied", outcome.status, "refused by the edge")

    def _may_answer(self, job: Job) -> bool:
        """Return whether a request that has no hop left may be answered here by who is there (RFC 3261 16.3 step 3)."""
        has_workers = bool(self.dispatcher.pools[DEFAULT_POOL].accounts)
        is_fresh = job.choice.hop is not None  # a route has kept it from workers; else it may come from their queue
        return has_workers and is_fresh and job.reading.method in (b"OPTIONS", b"REGISTER")

    def _drop(self, job: Job, now: float, cause: str) -> None:
        self.fates.drop(cause)
        self._settle(job, now, "dropped", cause=cause)

    def _fail(self, job: Job, now: float, cause: str) -> None:
        self._blame(cause)
        policy = self.policies.answer_failures
        if policy == ONWARD and self._send_on(job, now):
            return
        if not policy:
            self.fates.drop("no-answer")
            self._settle(job, now, "dropped", cause=cause)
            return
        status, reason = error_text(SlError.E_UNSPEC)
        self._reply_ourselves(message_of(job), job.listener, job.reply_to, status, reason)
        self.fates.failed += 1
        self._settle(job, now, "failed", status, cause)

    # What workers decide ----------------------------------------------------------------------------------------

    def _follow(self, job: Job, words: dict[object, object], now: float) -> None:
        """Do what a handler has decided of a request that goes on."""
        try:
            order = self.forwarding.order_of(words) if self.forwarding is not None else None
        except EnvelopeError:
            order = None
        if order is not None:
            self._send_on(job, now, order)
        else:
            self._refuse_answer(job, "how worker %s has it go on cannot be; 500 in its place", now)

    def _refuse_answer(self, job: Job, line: str, now: float) -> None:
        """Let a request fail whose worker has answered what cannot be sent; `line` says so of the worker."""
        self.bad_answers += 1
        worker = shown(getattr(job.last_worker, "name", "?"))
        self._losses.request("bad answer", now, job.reading.method, job.reading.call_id, line, worker, worker=worker)
        if job.asks == b"ACK":
            self.fates.passed += 1
        else:
            self._fail(job, now, "bad answer")

    def _let_back(self, job: Job, answer: Answer, now: float) -> None:
        assert self.asking is not None
        if not self.asking.end(job, answer, now):
            self.bad_answers += 1

    def _hear_who_asks(self, forwarding: Forwarding) -> None:
        if self.asking is None and self.dispatcher.takes(FORWARDED_REPLY, self._anywhere):
            from slbroker_edge.asking import Asking  # noqa: PLC0415 - few edges have a use for it

            self.asking = Asking(forwarding, self._losses)
        if self.asking is not None:
            self.asking.look(self.dispatcher, self._anywhere.pools)
