"""What an `@app.on_reply` is given: a reply on its way back to who sent the request, and what may become of it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from slbroker.plugin.passing import changes
from slbroker.plugin.reply import DROP, Drop, Reply
from slbroker.proxy.decision import Amended
from slbroker.sip.grammar import match_cseq
from slbroker.sip.textheaders import TextHeaders
from slbroker.sip.uri import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.plugin.arguments import Words
    from slbroker.plugin.reply import Headers
    from slbroker.plugin.request import Request
    from slbroker.sip.message import Message, Source


class ForwardedReply:
    """A reply to a request that was forwarded. Our Via is off; the one on top is of who gets the reply next."""

    __slots__ = ("message", "source")

    def __init__(self, message: Message, source: Source) -> None:
        """`message` is as `proxy.passage` has it; `source` is who sent it, and the address of ours that it came to."""
        self.message = message
        self.source = source

    def __repr__(self) -> str:
        return f"<ForwardedReply {text(self.message.uri)} to {self.method}>"

    @property
    def status(self) -> int:
        """Return the status code, 100 to 699."""
        return int(self.message.uri[:3])

    @property
    def reason(self) -> str:
        """Return the reason phrase, "" where there is none."""
        return text(self.message.uri[4:])

    @property
    def method(self) -> str:
        """Return the method of the request that it answers: CSeq's."""
        found = match_cseq(self.message.first(b"cseq") or b"")
        return text(found[2]) if found is not None else ""

    @property
    def headers(self) -> TextHeaders:
        """Return all headers."""
        return TextHeaders(self.message.headers)

    @property
    def body(self) -> bytes:
        """Return the body, as long as Content-Length says."""
        return self.message.body

    @property
    def call_id(self) -> str:
        """Return the Call-ID."""
        return text(self.message.call_id)

    @property
    def cseq(self) -> int:
        """Return the CSeq number."""
        return self.message.cseq

    @property
    def from_tag(self) -> str:
        """Return From's tag, "" when it has none."""
        return text(self.message.from_tag)

    @property
    def to_tag(self) -> str:
        """Return To's tag, "" when it has none."""
        return text(self.message.to_tag)

    def forward(
        self,
        status: int | None = None,
        reason: str | None = None,
        *,
        remove: Words = (),
        replace: Headers | None = None,
        add: Headers | None = None,
    ) -> Amended:
        """Return the decision that it goes on, with another status of the same class: `sl_forward_reply(code, reason)`.

        Without a status it keeps its own; a reason alone goes with that. `remove`, `replace` and `add` are as in
        `Request.forward`. Raises ValueError for what cannot be.
        """
        edits = changes(None, remove, replace, add)
        if status is None and reason is None:
            return Amended(edits=edits)
        new = Reply(self.status if status is None else status, reason)
        if new.status // 100 != self.status // 100:
            raise ValueError(f"{new.status} is of another class than {self.status}: a reply stays within its own")
        return Amended(new.status, new.reason, edits)

    def drop(self) -> Drop:
        """Return the decision that it goes nowhere."""
        return DROP


def asking(hook: Callable[[ForwardedReply], Any]) -> Callable[[Request], Any]:
    """Return a handler of what comes over the bus that asks `hook` of the reply in it."""

    @functools.wraps(hook)
    def ask(request: Request) -> Any:
        return hook(ForwardedReply(request.message, request.source))

    return ask
