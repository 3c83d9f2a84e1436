"""From a request to the bytes of its replies: run the plugin, build what it decided, sign the To-tag."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeAlias

from slbroker.errors import Reject
from slbroker.plugin.handlers import ASKED_FOR
from slbroker.plugin.reply import DROP, Drop, Reply
from slbroker.plugin.request import Request
from slbroker.plugin.slerrors import SlError, error_reply
from slbroker.sip.grammar import METHODS
from slbroker.sip.reply import build_reply
from slbroker.sip.uri import text

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from slbroker.bus.envelope import Answer
    from slbroker.plugin.handlers import Handlers
    from slbroker.sip.message import Message, Source
    from slbroker.totag import Signer

logger = logging.getLogger(__name__)

Pending: TypeAlias = "Coroutine[Any, Any, Answer]"


class Responder:
    """A plugin and a signer. An error in the plugin becomes the sl module's error reply and a log line."""

    def __init__(self, app: Handlers, signer: Signer) -> None:
        self.app = app
        self.signer = signer
        self.errors = 0  # handlers that raised, or returned what is no decision

    def respond(self, message: Message, source: Source) -> Answer | Pending:
        """Return the answer to a request, or a coroutine that will when its handler is an `async def`. Never raises."""
        request = Request(message, source)
        try:
            handler = self.app.find(request)
            decision = self._unrouted(message) if handler is None else handler(request)
            if type(decision) is Reply and message.method != b"ACK":  # the good path, kept short
                return self._build(message, decision)
            if isinstance(decision, Awaitable):
                return self._await(request, decision)
            return self._finish(request, decision)
        except (Exception, SystemExit) as error:
            return self._finish(request, self._failed(request, error))

    async def _await(self, request: Request, pending: Awaitable[object]) -> Answer:
        try:
            return self._finish(request, await pending)
        except (Exception, SystemExit) as error:
            return self._finish(request, self._failed(request, error))

    def _finish(self, request: Request, decision: object) -> Answer:
        message = request.message
        if message.method == b"ACK" or decision is DROP:
            return None  # an ACK is never answered (RFC 3261 17.1.1.3), whatever its handler returned
        if isinstance(decision, Reply):
            return self._build(message, decision)
        if isinstance(decision, list | tuple) and all(isinstance(reply, Reply) for reply in decision):
            return tuple(self._build(message, reply) for reply in decision) or None
        self.errors += 1
        logger.error(
            "%s %s: the handler returned %.80r; return request.reply(...), request.drop() or a list of replies",
            request.method, text(message.uri), decision,
        )  # fmt: skip
        return self._build(message, error_reply(SlError.E_UNSPEC))

    def _build(self, message: Message, reply: Reply) -> bytes:
        if message.to_tag or reply.status == 100:
            tag = b""
        else:
            tag = self.signer.sign(message.call_id, message.from_tag, message.cseq)
        return build_reply(message, reply.status, reply.reason, tag, reply.extra, reply.body)

    def _unrouted(self, message: Message) -> Reply | Drop:
        """Answer what no handler matched.

        That is 404 when the method has handlers, else 405 (RFC 3261 8.2.1), or 501 for one nobody knows (21.5.2).
        """
        methods = self.app.methods
        if message.method in ASKED_FOR:
            return DROP
        if message.method in methods:
            return Reply(404)
        status = 405 if message.method in METHODS else 501
        return Reply(status, headers={"Allow": ", ".join(text(method) for method in methods)})

    def _failed(self, request: Request, error: BaseException) -> Reply:
        """Log a plugin's exception on one line, with where it happened; return the error reply."""
        if isinstance(error, Reject):  # typed access to a header that is malformed: the peer's fault, not the plugin's
            return Reply(error.status, error.reason)
        self.errors += 1
        logger.error(
            "%s %s: %s, at %s",
            request.method, text(request.message.uri), _describe(error), _place(error),
        )  # fmt: skip
        return error_reply(SlError.E_UNSPEC)


def _describe(error: BaseException) -> str:
    words = " ".join(str(error).split())  # one line, whatever breaks lines in it
    return f"{type(error).__name__}: {words[:200]}" if words else type(error).__name__


def _place(error: BaseException) -> str:
    """Return the line that raised, and the handler's line that led there when that is another file's."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first one is ours
    if not frames:
        return "its call (does it take the request as its one argument?)"
    last, entry = frames[-1], frames[0]
    place = f"{last.filename}:{last.lineno} in {last.name}"
    return place if last.filename == entry.filename else f"{place}, called from {entry.filename}:{entry.lineno}"
