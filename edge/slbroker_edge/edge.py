"""What happens to a message at the edge, in the order it happens; no sockets, no clock.

    datagrams -> reader -> ACK filter -> repeats -> dispatcher -> (bus) -> outbox -> listener

Every message taken in meets one fate (`slbroker.stats.Fates`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slbroker.bus.choice import ANY, DEFAULT_POOL, ONWARD
from slbroker.bus.dispatcher import Cause, Dispatcher
from slbroker.bus.envelope import FILTERED_ACK, FORWARDED_REPLY, without_close
from slbroker.bus.jobs import Job, observe
from slbroker.counting import Clock, tally_figures
from slbroker.errors import Drop
from slbroker.sip.parser import BadRequest
from slbroker.sip.validate import USUAL, Checks
from slbroker_edge.complaints import Shedding
from slbroker_edge.outbox import MAX_REPLY, match_status_line, post_replies
from slbroker_edge.reader import is_repeat, read_ack, read_turn
from slbroker_edge.refusing import Refusing
from slbroker_edge.repeats import Repeats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.bus.envelope import Answer
    from slbroker.settings.dispatch import Policies
    from slbroker.sip.reading import Ack, Address, Reading
    from slbroker_edge.ackfilter import AckFilter
    from slbroker_edge.listener import Listener
    from slbroker_edge.remembered import Remembered


class Edge(Refusing):
    """One edge process without its sockets."""

    def __init__(
        self,
        dispatcher: Dispatcher[Job],
        ack_filter: AckFilter,
        policies: Policies,
        checks: Checks = USUAL,
    ) -> None:
        super().__init__(dispatcher, ack_filter, policies)
        self.checks = checks
        self.draining = False  # while it is, OPTIONS gets 503, so that dispatchers in front take this edge out
        self.clock = Clock()
        self.remembered: Remembered | None = None  # made when the first worker comes that has decisions remembered
        self._repeats: Repeats[Job] = Repeats(is_repeat)
        self.shedding = Shedding()

    # A message comes in -----------------------------------------------------------------------------------------

    def take(self, datagrams: Sequence[tuple[bytes, Address]], listener: Listener, now: float) -> None:
        """Take in datagrams from one socket; call `flush` and the dispatcher's `send` afterwards."""
        if self.tap is not None:
            self.tap.came(datagrams, listener)
        forwarding = self.forwarding
        if forwarding is not None and forwarding.is_used and not self.draining:
            datagrams = self._send_plain(forwarding, datagrams, listener, now)
        self.fates.received += len(datagrams)
        jobs, acks, alone = read_turn(datagrams, listener, self.checks)
        if acks:  # they answer what was replied to before, so they come before what is new
            self._absorb(acks, listener, now)
        done = 0
        for before, one, address in alone:
            if done < before:
                self._hand_out(jobs[done:before], now)
                done = before
            self._take_alone(one, address, listener, now)
        if done < len(jobs):
            self._hand_out(jobs[done:] if done else jobs, now)
        if self.dispatcher.ended:
            self._end(now)

    def _absorb(self, acks: list[Ack], listener: Listener, now: float) -> None:
        """Absorb the ACKs to our replies, together where no worker anywhere has asked for any."""
        if self.dispatcher.takes(b"ACK", self._anywhere) or self.dispatcher.takes(FILTERED_ACK, self._anywhere):
            for ack, data, address in acks:
                self._pass_on(ack, data, address, listener, now)
            return
        rest = self.ack_filter.absorb(acks, now)
        self.fates.absorbed += len(acks) - len(rest)
        if self.recent is not None and len(rest) < len(acks):
            self.recent.absorbed(acks, rest, listener, now)
        for ack, data, address in rest:
            if self.rules is None or not self._end_by_rules(data, address, listener, now):
                self._let_through(ack, data, address, listener, now)

    def _pass_on(self, ack: Reading, data: bytes, address: Address, listener: Listener, now: float) -> None:
        """Give an ACK, absorbed or not, to a worker that has asked for such."""
        choice = self.routes.choose(ack, listener.name, address[0])
        absorbed = self.ack_filter.absorbs(ack, now)
        if not absorbed and self.rules is not None and self._end_by_rules(data, address, listener, now):
            return
        asks = FILTERED_ACK if absorbed else b"ACK"
        if self.dispatcher.takes(asks, choice):
            whole = read_ack(data, address, listener.name, self.checks, asks)
            self._desk.submit(Job(whole, asks, choice, len(data), listener, address, data=data), now)
        elif absorbed:
            self.fates.absorbed += 1
        else:
            self._let_through(ack, data, address, listener, now)

    def _end_by_rules(self, data: bytes, address: Address, listener: Listener, now: float) -> bool:
        """Return whether an ACK that nobody absorbs has met its end in a rule."""
        whole = read_ack(data, address, listener.name, self.checks)
        return not self._decide([Job(whole, b"ACK", ANY, len(data), listener, address, data=data)], now)

    def _decide(self, jobs: list[Job], now: float) -> list[Job]:
        """Do what the rule file decides of requests; return those of which it decides nothing."""
        assert self.rules is not None
        rest, decided = self.rules.sift(jobs)
        spoken: list[tuple[Job, Answer]] = [(job, answer) for job, answer in decided if answer is not None]
        if len(spoken) < len(decided):
            for job in [job for job, answer in decided if answer is None]:
                self._drop(job, now, "rules")
        if spoken:
            if self.recent is not None:
                self.recent.answered(spoken, now, "rules")
            self._carry_out(spoken, now)
        return rest

    def _hand_out(self, jobs: list[Job], now: float) -> None:
        """Give requests that workers get unasked to the dispatcher, those left out that repeat one in flight."""
        if self.draining:
            jobs = [job for job in jobs if not self._turn_away(job, now)]
        if self.rules is not None:
            jobs = self._decide(jobs, now)
        if self.policies.routes:
            self._hand_out_by_routes(jobs, now)
            return
        remembered = self.remembered
        if remembered is not None:
            jobs = self._say_again(remembered, DEFAULT_POOL, jobs, self._repeats, now)
        if jobs:
            self._desk.submit_all(self._without_repeats(jobs), now)
            if remembered is not None:
                remembered.mark(DEFAULT_POOL)

    def _hand_out_by_routes(self, jobs: list[Job], now: float) -> None:
        for job in jobs:
            job.choice = self.routes.choose(job.reading, job.listener.name, job.reply_to[0])
        if self.routes.has_hops:
            jobs = [job for job in jobs if job.choice.hop is None or not self._send_on(job, now)]
        remembered = self.remembered
        for job in self._without_repeats(jobs):
            if remembered is None:
                self._desk.submit(job, now)
                continue
            pool = self.dispatcher.pool_of(job)
            if self._say_again(remembered, pool, [job], None, now):
                self._desk.submit(job, now)
                remembered.mark(pool)
            else:
                self._repeats.end(job)

    def _without_repeats(self, jobs: list[Job]) -> list[Job]:
        """Return those that repeat none in flight; count the others."""
        fresh = self._repeats.admit(jobs)
        self.fates.repeated += len(jobs) - len(fresh)
        return fresh

    def _say_again(
        self, remembered: Remembered, pool: str, jobs: list[Job], repeats: Repeats[Job] | None, now: float
    ) -> list[Job]:
        """Answer the requests for which a decision is remembered; return the others."""
        mac = self.ack_filter.signer.mac
        rest = remembered.say(pool, jobs, now, mac, repeats, self._outbox, self._arming, self.tally)
        if self.recent is not None and len(rest) < len(jobs):
            self.recent.remembered(jobs, rest, self._outbox, now)
        if remembered.onward:
            onward, remembered.onward = remembered.onward, []
            for job, words in onward:
                self._follow(job, words, now)
        return rest

    def _turn_away(self, job: Job, now: float) -> bool:
        """Answer an OPTIONS with 503, unless it repeats one in flight; return whether this was one."""
        if job.reading.method != b"OPTIONS" or not self._repeats.enter(job):
            return False
        self._repeats.end(job)  # so it has no repeats either
        self._reply_busy(job)
        self._settle(job, now, "shed", 503, "the edge is about to stop")
        return True

    def _take_alone(self, one: Job | Drop | BadRequest, address: Address, listener: Listener, now: float) -> None:
        """Take what has its own way: what is dropped, what is answered here, replies, and a CANCEL."""
        if isinstance(one, Drop):
            if one.cause != "response" or not self._take_reply(one.data, address, listener, now):
                self.fates.drop(one.cause)
                self._note_refused(None, one.data, address, listener, 0, one.cause)
                if self.recent is not None:
                    self.recent.ended(one.data, "dropped", one.cause, address, listener, now)
        elif isinstance(one, BadRequest):
            self._take_bad(one, address, listener, now)
        elif self.rules is None or self._decide([one], now):
            one.choice = self.routes.choose(one.reading, listener.name, address[0])
            if not self.dispatcher.takes(one.asks, one.choice):
                if not self._send_on(one, now):
                    self._drop(one, now, "cancel")
            elif self._repeats.enter(one):
                self._desk.submit(one, now)
            else:
                self.fates.repeated += 1

    def _take_bad(self, bad: BadRequest, address: Address, listener: Listener, now: float) -> None:
        if bad.status == 420 and self._take_as_proxy(bad.data, address, listener, now):
            return
        self._reply_bad(bad, address, listener)
        if self.recent is not None:
            self.recent.refused(bad, address, listener, self._outbox, now)

    # An answer comes back ---------------------------------------------------------------------------------------

    def answer(self, identity: bytes, frames: Sequence[bytes], now: float) -> None:
        """Take one envelope from a worker; call `flush` afterwards."""
        ended = self._desk.receive(identity, frames, now)
        if self.dispatcher.memos or self.dispatcher.restaffed:
            self._hear_of_workers(now)
        if ended:
            observe(ended, now, self.clock.places, self.clock.sums)
            if self.recent is not None:
                self.recent.answered(ended, now)
            self._repeats.end_all(ended)
            self._carry_out(ended, now)

    def _hear_of_workers(self, now: float) -> None:
        """Remember what they have decided for others, too; and forget it, when another version of them has come."""
        dispatcher = self.dispatcher
        restaffed, dispatcher.restaffed = dispatcher.restaffed, set()
        memos, dispatcher.memos = dispatcher.memos, []
        if restaffed and self.forwarding is not None:
            self._hear_who_asks(self.forwarding)
        if self.shadow is not None:  # its copies are to be compared with what workers say
            return
        for name in restaffed:
            pool = dispatcher.pools.get(name)
            accounts = pool.accounts.values() if pool is not None else ()
            methods = frozenset[bytes]().union(*(account.remembers for account in accounts))
            if methods and self.remembered is None:
                from slbroker_edge.remembered import Remembered  # noqa: PLC0415 - few edges have a use for it

                self.remembered = Remembered(self.fates)
            if self.remembered is not None:
                self.remembered.staff(name, [account.generation for account in accounts], methods, now)
        if self.remembered is not None:
            for job, answer, memo in memos:
                self.remembered.learn(job.last_worker.pool, job, answer, memo, now)

    def _carry_out(self, ended: list[tuple[Job, Answer]], now: float) -> None:
        """Do what was decided of requests."""
        at = 0
        while True:
            posted = post_replies(ended, at, self._outbox, self._arming, self.tally)
            self.fates.replied += posted - at
            if self.tells_calls and posted > at:
                self._note_replied(ended[at:posted], now)
            if posted == len(ended):
                return
            job, answer = ended[posted]
            at = posted + 1
            if job.asks == FILTERED_ACK:
                self.fates.absorbed += 1  # it was, whatever its handler says
            elif job.asks == FORWARDED_REPLY:
                self._let_back(job, answer, now)
            elif isinstance(answer, dict):
                self._follow(job, answer, now)
            elif job.asks == b"ACK":
                self.fates.passed += 1
            elif answer is None or answer == ():
                self._drop_as_decided(job, now)
            else:
                self._answer_unusual(job, (answer,) if isinstance(answer, bytes) else answer, now)

    def _drop_as_decided(self, job: Job, now: float) -> None:
        self.fates.drop("handler")
        self._note_end(job, now, "dropped", cause="handler" if job.last_worker is not None else "rules")

    def _answer_unusual(self, job: Job, given: tuple[bytes | None, ...], now: float) -> None:
        """Send several replies, one to a CANCEL, one that closes its connection; or 500 when one of them is none."""
        if given and given[-1] is None:
            self._closing[job.listener] = None
        replies = without_close(given)
        if not replies:
            self._drop_as_decided(job, now)
            return
        if not all(match_status_line(reply) and len(reply) <= MAX_REPLY for reply in replies):
            self._refuse_answer(job, "what worker %s answered is no SIP reply; 500 in its place", now)
            return
        for reply in replies:
            self._post(job.reading, job.listener, job.reply_to, reply)
        self.fates.replied += 1
        self._note_replied([(job, given)], now)

    # Replies of our own -----------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Do what time brings: end the jobs that nobody answered. Call `flush` afterwards."""
        self.dispatcher.expire(now)
        if self.dispatcher.restaffed:
            self._hear_of_workers(now)
        self._end(now)
        self.shedding.look(now)
        if self.recent is not None and now > self.recent.until:
            self.recent = None

    def _end(self, now: float) -> None:
        """Answer the jobs that the dispatcher gave up."""
        for job, cause in self._desk.take_ended():
            self._repeats.end(job)
            if job.asks == b"ACK":
                self.fates.drop("ack")
            elif job.asks == FILTERED_ACK:
                self.fates.absorbed += 1
            elif job.asks == FORWARDED_REPLY:
                self._let_back(job, {}, now)  # as it came
            elif cause is Cause.NO_ANSWER:
                self._fail(job, now, "no answer")
            else:
                self._shed(job, cause, now)

    def _shed(self, job: Job, cause: Cause, now: float) -> None:
        self._blame(cause.value)
        answered = self._budget.spend(now)
        if self.policies.answer_overload == ONWARD and self._send_on(job, now):
            return
        if answered:
            self._reply_busy(job)
            self._settle(job, now, "shed", 503, cause.value)
        else:
            self.fates.drop("overload")
            self._settle(job, now, "dropped", cause=cause.value)
        workers = len(self.dispatcher.workers)
        self.shedding.note(cause.value, "/".join(job.choice.pools), workers, now, answered=answered)

    @property
    def in_flight(self) -> int:
        """Return how many messages have not met their fate; those the dispatcher has just given up are among them."""
        forwarding = self.forwarding
        pending = forwarding.pending - forwarding.replies.asked if forwarding is not None else 0
        return self._desk.in_flight + len(self.dispatcher.ended) + pending

    @property
    def open_jobs(self) -> dict[int, Job]:
        """The requests whose repeats are of interest, and that have no answer yet, by their numbers."""
        accounts, pools = self.dispatcher.workers.values(), self.dispatcher.pools.values()
        held = [job for account in accounts for job in (*account.open.values(), *account.overdue.values())]
        waiting = [job for pool in pools for job in (*pool.waiting, *pool.picky)]
        return {job.number: job for job in held + waiting if job.key}

    def expect(self, data: bytes, address: Address, listener: Listener) -> Job | None:
        """Take repeats of a request for such that another edge has yet to answer; return what says so.

        None where it is no request, or one that is here already.
        """
        jobs, _acks, _alone = read_turn([(data, address)], listener, self.checks)
        return jobs[0] if jobs and self._repeats.enter(jobs[0]) else None

    def expect_no_more(self, job: Job) -> None:
        """Let the repeats of that request be requests again."""
        self._repeats.end(job)

    def figures(self) -> dict[str, Any]:
        """Return what was counted: replies by method and status, times by stage, To-tags by key, failures by cause."""
        return {
            "codes": tally_figures(self.tally),
            "seconds": self.clock.figures(),
            "tags": self.ack_filter.signer.figures(),
            "causes": dict(self.causes),
        }

    # What goes out ----------------------------------------------------------------------------------------------

    def flush(self, now: float) -> None:
        """Arm the filter for what is in the outboxes, and send it, a batch for each socket."""
        if self.forwarding is not None:
            self.forwarding.flush()
        if self._outbox or self._closing:
            self._send_replies(now)
