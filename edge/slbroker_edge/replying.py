"""What an edge answers by itself, and how all replies leave: a batch for each socket, the ACK filter armed before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker.bus.envelope import unpack_request
from slbroker.counting import new_tally
from slbroker.sip.reply import build_reply
from slbroker.stats import Fates
from slbroker_edge.budget import Budget
from slbroker_edge.identity import ServerHeader
from slbroker_edge.outbox import post

if TYPE_CHECKING:
    from slbroker.bus.jobs import Job
    from slbroker.settings.dispatch import Policies
    from slbroker.sip.message import Message
    from slbroker.sip.reading import Address, Dialog, Reading
    from slbroker_edge.ackfilter import AckFilter
    from slbroker_edge.listener import Listener, Tap


class Replying:
    """The replies of one edge process."""

    def __init__(self, ack_filter: AckFilter, policies: Policies) -> None:
        self.ack_filter = ack_filter
        self.policies = policies
        self.fates = Fates()
        self.tally = new_tally()  # of the replies by method and status
        self.send_failures = 0  # replies that the kernel refused
        self.tap: Tap | None = None  # who sees what comes in and goes out
        self._outbox: dict[Listener, list[tuple[bytes, Address]]] = {}
        # Listeners whose outbox has final replies to INVITE, and those of these with the peer's own To-tag.
        self._arming: dict[Listener, list[Dialog]] = {}
        self._closing: dict[Listener, None] = {}  # connections that are closed behind what the outbox has for them
        self._budget = Budget(policies.overload_budget)
        self._server = ServerHeader(policies.server) if policies.server else None

    def _reply_ourselves(
        self, message: Message, listener: Listener, reply_to: Address, status: int, reason: str, extra: bytes = b""
    ) -> None:
        tag = self.ack_filter.signer.sign(message.call_id, message.from_tag, message.cseq)
        self._post(message, listener, reply_to, build_reply(message, status, reason, tag, extra))

    def _reply_busy(self, job: Job) -> None:
        again = self.policies.retry_after.line(job.reading.call_id)
        self._reply_ourselves(message_of(job), job.listener, job.reply_to, 503, "Service Unavailable", again)
        self.fates.shed += 1

    def _post(self, request: Reading | Message, listener: Listener, reply_to: Address, reply: bytes) -> None:
        post(request, listener, reply_to, reply, self._outbox, self._arming, self.tally)

    def _send_replies(self, now: float) -> None:
        """Arm the filter, and send what is in the outbox, a batch for each socket.

        In this order: an edge that is killed in between has noted what never went, which costs an entry. In the other
        one the ACK to what went would leak at those who have its sockets, or its memory, from then on.
        """
        outbox, self._outbox = self._outbox, {}
        arming, self._arming = self._arming, {}
        for listener, replies in outbox.items():
            if self._server is not None:
                replies = self._server.add(replies)  # noqa: PLW2901 - the same replies, with a name
            if listener in arming:
                self.ack_filter.arm(arming[listener], now)
            sent = listener.send(replies)
            if sent < len(replies):
                self.send_failures += len(replies) - sent
            if sent and self.tap is not None:
                self.tap.went(replies, listener)
        if self._closing:
            closing, self._closing = self._closing, {}
            for listener in closing:
                listener.finish()


def message_of(job: Job) -> Message:
    """Return what the workers were given. It is not kept: few requests are answered by the edge itself."""
    return unpack_request(job.reading.packed)[0]
