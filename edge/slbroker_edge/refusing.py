"""Messages that are no requests to be served: what is malformed, or asks for what nobody here has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker.errors import Drop
from slbroker.sip.parser import BadRequest, parse
from slbroker_edge.complaints import RefusedTags
from slbroker_edge.passing import Passing
from slbroker_edge.reader import reply_address, stamp_message

if TYPE_CHECKING:
    from slbroker.bus.dispatcher import Dispatcher
    from slbroker.bus.jobs import Job
    from slbroker.settings.dispatch import Policies
    from slbroker.sip.framer import Fault
    from slbroker.sip.reading import Address
    from slbroker_edge.ackfilter import AckFilter
    from slbroker_edge.listener import Listener


class Refusing(Passing):
    """The messages that one edge process refuses as they are."""

    def __init__(self, dispatcher: Dispatcher[Job], ack_filter: AckFilter, policies: Policies) -> None:
        super().__init__(dispatcher, ack_filter, policies)
        self._refused_tags = RefusedTags()

    def _reply_bad(self, bad: BadRequest, address: Address, listener: Listener) -> None:
        """Answer a malformed request, if it says where to and is one that is answered."""
        try:
            if bad.message.method == b"CANCEL":
                choice = self.routes.choose(bad.message, listener.name, address[0])
                if not self.dispatcher.takes(b"CANCEL", choice):
                    raise Drop("cancel")
            reply_to = reply_address(address, stamp_message(bad.message, address, listener.name))
        except Drop as drop:
            self.fates.drop(drop.cause)
            self._note_refused(bad.message, b"", address, listener, 0, drop.cause)
            return
        self._reply_ourselves(bad.message, listener, reply_to, bad.status, bad.reason, bad.extra)
        self.fates.replied += 1
        self._note_refused(bad.message, b"", address, listener, bad.status, bad.reason)
        if bad.status == 420:
            self._refused_tags.note(bad.message, bad.extra, address[0])

    def refuse(self, fault: Fault, address: Address, listener: Listener) -> bool:
        """Take in what a stream brought instead of a message, and say what is wrong; return whether that was possible.

        Call `flush` afterwards.
        """
        self.fates.received += 1
        if self.tap is not None:
            self.tap.came([(fault.head, address)], listener)
        try:
            message = parse(fault.head)
            if message.method == b"ACK":
                raise Drop("bad-ack")
        except BadRequest as bad:
            message = bad.message
        except Drop as drop:
            self.fates.drop(drop.cause)
            self._note_refused(None, fault.head, address, listener, 0, drop.cause)
            return False
        answered = self.fates.replied
        self._reply_bad(BadRequest(fault.status, fault.reason, message), address, listener)
        return self.fates.replied > answered
