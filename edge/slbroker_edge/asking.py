"""Replies on their way back of which workers are asked first, because a plugin has an `@app.on_reply`.

They wait as requests do, in the dispatcher, and what comes of no answer is that they go back as they came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker.bus.choice import Choice
from slbroker.bus.envelope import FORWARDED_REPLY, pack_request
from slbroker.bus.jobs import Job
from slbroker.errors import Drop, EnvelopeError
from slbroker.logline import shown
from slbroker.proxy.passage import reply_message
from slbroker.sip.message import Source
from slbroker.sip.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.dispatcher import Dispatcher
    from slbroker.bus.envelope import Answer
    from slbroker.bus.losses import Losses
    from slbroker.sip.reading import Address
    from slbroker_edge.listener import Listener
    from slbroker_edge.onward import Forwarding

AS_IT_CAME: Final[dict[object, object]] = {}


class Asking:
    """What one edge asks its workers of replies."""

    def __init__(self, forwarding: Forwarding, losses: Losses) -> None:
        self.choice: Choice | None = None  # the pools whose workers want to be asked
        self._forwarding = forwarding
        self._losses = losses

    def look(self, dispatcher: Dispatcher[Job], pools: tuple[str, ...]) -> None:
        """Take note of whose workers want to be asked, of these pools."""
        asked = tuple(name for name in pools if dispatcher.takes(FORWARDED_REPLY, Choice((name,), (1,))))
        self.choice = Choice(asked, (1,) * len(asked)) if asked else None

    def take(
        self, data: bytes, address: Address, listener: Listener, now: float, submit: Callable[[Job, float], None]
    ) -> None:
        """Ask of a reply that came by `listener`: `submit` it. One that answers nothing of ours is dropped at once."""
        forwarding, choice = self._forwarding, self.choice
        back = forwarding.read_reply(data, now)
        if back is None:
            return
        try:
            message = reply_message(back.data, FORWARDED_REPLY)
        except Drop:  # it is good enough to be sent back
            forwarding.send_back(back, listener, now)
            return
        assert choice is not None
        source = Source(address[0], address[1], listener.name)
        reading = Reading(
            method=FORWARDED_REPLY, uri=message.uri, call_id=message.call_id, from_tag=message.from_tag,
            to_tag=message.to_tag, cseq=message.cseq, packed=pack_request(message, source), reply_port=0,
        )  # fmt: skip
        forwarding.replies.asked += 1
        submit(Job(reading, FORWARDED_REPLY, choice, len(data), listener, back, data=data), now)

    def end(self, job: Job, answer: Answer, now: float) -> bool:
        """Do what was decided of a reply; return False where that cannot be, and the reply goes back as it came."""
        forwarding, back, can_be = self._forwarding, job.reply_to, True
        forwarding.replies.asked -= 1
        if answer is None:
            forwarding.replies.drop("handler")
            return True
        if answer != AS_IT_CAME:
            try:
                back = forwarding.amend(job.data, answer)
            except Drop as drop:  # its key has gone meanwhile
                forwarding.replies.drop(drop.cause)
                return True
            except (EnvelopeError, ValueError):
                can_be = False
                worker = shown(getattr(job.last_worker, "name", "?"))
                self._losses.request(
                    "bad answer", now, job.reading.method, job.reading.call_id,
                    "what worker %s makes of this reply cannot be; it goes back as it came", worker,
                    happened="reply-unchanged", worker=worker,
                )  # fmt: skip
        forwarding.send_back(back, job.listener, now)
        return can_be
