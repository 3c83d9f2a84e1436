"""What happens to a message at the edge, in the order it happens; no sockets, no clock.

    datagrams -> parse -> ACK filter -> dispatcher -> (bus) -> replies -> listener

Every message taken in meets one fate (`slbroker.stats.Fates`).
"""

from __future__ import annotations

import ipaddress
import logging
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from slbroker.bus.account import Job
from slbroker.bus.dispatcher import Cause, Dispatcher
from slbroker.errors import Drop, Reject
from slbroker.plugin.slerrors import SlError, error_reply
from slbroker.sip.message import Message, Source
from slbroker.sip.parser import BadRequest, parse
from slbroker.sip.reply import build_reply
from slbroker.sip.validate import USUAL, Checks
from slbroker.sip.via import stamp_top
from slbroker.stats import Fates

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slbroker.bus.envelope import Answer
    from slbroker.inner.pure import Address
    from slbroker.sip.framer import Fault
    from slbroker_edge.ackfilter import AckFilter

logger = logging.getLogger(__name__)

RETRY_AFTER: Final = b"\r\nRetry-After: 1"  # seconds; a worker that restarts is back sooner
MAX_REPLY: Final = 65_507  # bytes an IPv4 datagram carries
NO_WORKER_LOG_INTERVAL: Final = 10.0  # seconds between two lines that say the same

# RFC 3261 7.2: as much of a worker's reply as is looked at; the rest is the worker's affair.
_match_status_line = re.compile(rb"SIP/2\.0 [1-6][0-9]{2} [^\r\n]*\r\n").match


class Listener(Protocol):
    """A socket that requests came in on, and that their replies leave from."""

    name: str  # in Kamailio's form, "udp:127.0.0.1:5060"

    def send(self, replies: Sequence[tuple[bytes, Address]]) -> int:
        """Send each reply to its address; return how many went."""


class SipJob(Job):
    """A request at the edge: the job for the workers, and where its reply goes, which no worker is told."""

    __slots__ = ("listener", "reply_to")

    def __init__(self, message: Message, source: Source, listener: Listener, reply_to: Address, asks: bytes) -> None:
        super().__init__(message, source, asks)
        self.listener = listener
        self.reply_to = reply_to


class Edge:
    """One edge process without its sockets."""

    def __init__(self, dispatcher: Dispatcher[SipJob], ack_filter: AckFilter, checks: Checks = USUAL) -> None:
        self.dispatcher = dispatcher
        self.ack_filter = ack_filter
        self.checks = checks
        self.fates = Fates()
        self.send_failures = 0  # replies that the kernel refused
        self.bad_answers = 0  # answers of workers that are no SIP reply
        self._outbox: dict[Listener, list[tuple[bytes, Address]]] = {}
        self._arming: list[tuple[Listener, Message]] = []
        self._silent_until = 0.0

    # A message comes in -----------------------------------------------------------------------------------------

    def take(self, datagrams: Sequence[tuple[bytes, Address]], listener: Listener, now: float) -> None:
        """Take in datagrams from one socket; call `flush` and the dispatcher's `send` afterwards."""
        fates = self.fates
        fates.received += len(datagrams)
        for data, address in datagrams:
            try:
                message = parse(data, self.checks)
                if message.method == b"ACK":
                    self._take_ack(message, address, listener, now)
                else:
                    self._take_request(message, address, listener, now)
            except Drop as drop:
                fates.drop(drop.cause)
            except BadRequest as bad:
                self._take_bad(bad, address, listener)
        if self.dispatcher.ended:
            self._end(now)

    def _take_request(self, message: Message, address: Address, listener: Listener, now: float) -> None:
        method = message.method
        asks = b""
        if method == b"CANCEL":
            if not self.dispatcher.takes(method):
                raise Drop("cancel")
            asks = method
        try:
            reply_to = _stamp(message, address, strict=self.checks.via)
        except Reject as reject:
            raise BadRequest(reject.status, reject.reason, message) from None
        source = Source(address[0], address[1], listener.name)
        self.dispatcher.submit(SipJob(message, source, listener, reply_to, asks), now)

    def _take_ack(self, message: Message, address: Address, listener: Listener, now: float) -> None:
        if self.ack_filter.absorbs(message, now):
            self.fates.absorbed += 1
            return
        if not self.dispatcher.takes(b"ACK"):
            raise Drop("ack")
        source = Source(address[0], address[1], listener.name)
        self.dispatcher.submit(SipJob(message, source, listener, address, b"ACK"), now)

    def _take_bad(self, bad: BadRequest, address: Address, listener: Listener) -> None:
        """Answer a malformed request, if it says where to and is one that is answered."""
        try:
            if bad.message.method == b"CANCEL" and not self.dispatcher.takes(b"CANCEL"):
                raise Drop("cancel")
            reply_to = _stamp(bad.message, address)
        except Drop as drop:
            self.fates.drop(drop.cause)
            return
        self._reply_ourselves(bad.message, listener, reply_to, bad.status, bad.reason, bad.extra)
        self.fates.replied += 1

    def refuse(self, fault: Fault, address: Address, listener: Listener) -> bool:
        """Take in what a stream brought instead of a message, and say what is wrong; return whether that was possible.

        Call `flush` afterwards.
        """
        self.fates.received += 1
        try:
            message = parse(fault.head)
            if message.method == b"ACK":
                raise Drop("bad-ack")
        except BadRequest as bad:
            message = bad.message
        except Drop as drop:
            self.fates.drop(drop.cause)
            return False
        answered = self.fates.replied
        self._take_bad(BadRequest(fault.status, fault.reason, message), address, listener)
        return self.fates.replied > answered

    # An answer comes back ---------------------------------------------------------------------------------------

    def answer(self, identity: bytes, frames: Sequence[bytes], now: float) -> None:
        """Take one envelope from a worker; call `flush` afterwards."""
        ended = self.dispatcher.receive(identity, frames, now)
        if ended:
            self._answer_all(ended)

    def _answer_all(self, ended: Iterable[tuple[SipJob, Answer]]) -> None:
        for job, answer in ended:
            if job.asks == b"ACK":
                self.fates.passed += 1
            elif answer is None or answer == ():
                self.fates.drop("handler")
            else:
                replies = (answer,) if isinstance(answer, bytes) else answer
                for reply in replies:
                    if not _match_status_line(reply) or len(reply) > MAX_REPLY:
                        self.bad_answers += 1
                        self._fail(job)
                        break
                else:  # only now: none may leave before a 500
                    for reply in replies:
                        self._post(job.message, job.listener, job.reply_to, reply)
                    self.fates.replied += 1

    def _post(self, message: Message, listener: Listener, reply_to: Address, reply: bytes) -> None:
        outbox = self._outbox.get(listener)
        if outbox is None:
            outbox = self._outbox[listener] = []
        outbox.append((reply, reply_to))
        if message.method == b"INVITE" and reply[8:9] != b"1":
            self._arming.append((listener, message))

    # Replies of our own -----------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Do what time brings: end the jobs that nobody answered. Call `flush` afterwards."""
        self.dispatcher.expire(now)
        self._end(now)

    def _end(self, now: float) -> None:
        """Answer the jobs that the dispatcher gave up."""
        ended, self.dispatcher.ended = self.dispatcher.ended, []
        for job, cause in ended:
            if job.asks == b"ACK":
                self.fates.drop("ack")
            elif cause is Cause.NO_ANSWER:
                self._fail(job)
            else:
                self._shed(job, cause, now)

    def _fail(self, job: SipJob) -> None:
        reply = error_reply(SlError.E_UNSPEC)
        self._reply_ourselves(job.message, job.listener, job.reply_to, reply.status, reply.reason)
        self.fates.failed += 1

    def _shed(self, job: SipJob, cause: Cause, now: float) -> None:
        self._reply_ourselves(job.message, job.listener, job.reply_to, 503, "Service Unavailable", RETRY_AFTER)
        self.fates.shed += 1
        if now >= self._silent_until:
            self._silent_until = now + NO_WORKER_LOG_INTERVAL
            logger.warning("%s: answering 503; %d workers are connected", cause.value, len(self.dispatcher.workers))

    def _reply_ourselves(
        self, message: Message, listener: Listener, reply_to: Address, status: int, reason: str, extra: bytes = b""
    ) -> None:
        tag = self.ack_filter.signer.sign(message.call_id, message.from_tag, message.cseq)
        self._post(message, listener, reply_to, build_reply(message, status, reason, tag, extra))

    @property
    def in_flight(self) -> int:
        """Return how many messages have not met their fate; those the dispatcher has just given up are among them."""
        return self.dispatcher.in_flight + len(self.dispatcher.ended)

    # Replies go out ---------------------------------------------------------------------------------------------

    def flush(self, now: float) -> None:
        """Send what is in the outbox, a batch for each socket, and arm the filter for what has really gone."""
        if not self._outbox:
            return
        outbox, self._outbox = self._outbox, {}
        arming, self._arming = self._arming, []
        for listener, replies in outbox.items():
            sent = listener.send(replies)
            if sent < len(replies):
                self.send_failures += len(replies) - sent
            if not sent:
                arming = [(where, message) for where, message in arming if where is not listener]
        for _listener, message in arming:
            self.ack_filter.arm(message, now)


def _stamp(message: Message, address: Address, *, strict: bool = False) -> Address:
    """Stamp the top Via and return where the reply goes; raise Drop when there is no such place, else as `stamp`."""
    host, port = address[0], address[1]
    if not port or not _is_answerable(host):
        raise Drop("source")
    headers = message.headers
    assert isinstance(headers, list)  # until it has crossed the bus
    reply_port = stamp_top(headers, host, port, strict=strict)
    if reply_port == port:
        return address
    return (host, reply_port) if len(address) == 2 else (host, reply_port, address[2], address[3])


@lru_cache(maxsize=4_096)
def _is_answerable(host: str) -> bool:
    """Return whether `host` is an address of one peer: not multicast, broadcast or unspecified."""
    address = ipaddress.ip_address(host)
    return not (address.is_multicast or address.is_unspecified or host == "255.255.255.255")
