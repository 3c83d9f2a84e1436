"""From a request to the bytes of its replies: run the plugin, build what it decided, sign the To-tag."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from slbroker.bus.envelope import FILTERED_ACK, FORWARDED_REPLY
from slbroker.bus.items import Item
from slbroker.bus.memo import NAMED, WANTED, Kept
from slbroker.errors import Reject
from slbroker.logline import event, place_of, shown
from slbroker.plugin.faults import describe, is_given_up, place
from slbroker.plugin.keeping import Keeping
from slbroker.plugin.makers import Makers
from slbroker.plugin.registration import misses_contact
from slbroker.plugin.reply import DROP, Reply
from slbroker.plugin.request import Request
from slbroker.plugin.served import MANY, Served
from slbroker.plugin.settings import Context
from slbroker.plugin.watched import WatchingRequest
from slbroker.proxy.decision import Amended, Forward
from slbroker.sip.reply import NO_BODY, tail

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.authnonce import NonceKeys
    from slbroker.bus.envelope import Answer
    from slbroker.plugin.handlers import Handlers
    from slbroker.plugin.kinds import Handler
    from slbroker.sip.message import Message, Source
    from slbroker.totag import Signer

NEVER_ANSWERED: Final = frozenset((b"ACK", FILTERED_ACK))  # RFC 3261 17.1.1.3
_FAILED: Final = object()  # in place of a decision, where there is a log line already
_LOOKED_AT: Final = NEVER_ANSWERED | {b"REGISTER", FORWARDED_REPLY}  # what is decided of these is looked at

logger = logging.getLogger(__name__)

Pending: TypeAlias = "Coroutine[Any, Any, Answer | Kept]"
Finish: TypeAlias = "Callable[[Any, object], Answer | Kept]"
Answering: TypeAlias = "Answer | Kept | Pending"


class Responder:
    """A plugin and the keys. Whatever the plugin raises becomes the sl module's error reply and a log line.

    `unattended` is for a worker: nobody's Ctrl-C ends up here, and no cancellation but `faults.GIVEN_UP`. What looks
    like either is the plugin's own then.
    """

    def __init__(self, app: Handlers, signer: Signer, nonces: NonceKeys | None = None) -> None:
        self.unattended = False
        self.errors = 0  # handlers that raised, or returned what is no decision
        self.sent: list[tuple[Request, Reply]] = []  # replies that `tell` has to tell of
        self.app = app
        self._has_warned = False  # of a registration that phones do not see
        self._tail = 0  # bytes behind the headers that the last reply echoes
        # Returns the answer to a request, or a coroutine that will when its handler is an `async def`. Raises nothing
        # but somebody's Ctrl-C. Who has nothing remembered pays nothing for those who do.
        self.answer: Callable[[Item], Answering] = self._answer
        self._served = Served()
        self._take: Callable[[Handler], object] = id  # counts nothing: who does not call `tidy` is not to keep any
        self._makers: Makers | None = None
        self.keeping = Keeping(app)
        self.use_keys(signer, nonces)

    def use_keys(self, signer: Signer, nonces: NonceKeys | None = None) -> None:
        """Sign with other keys from now on."""
        self.signer = signer
        self._mac = signer.mac
        self._nonces = nonces
        self.use_app(self.app)

    def use_app(self, app: Handlers) -> None:
        """Give requests to another plugin from now on; those that are being answered stay with theirs."""
        self._has_warned = self._has_warned and app is self.app
        self._served.fold(self.app.title_of)
        if app is not self.app:
            self.app, self.keeping = app, Keeping(app)
        self._context = Context(app.settings, self.signer, self._nonces, self._wish)
        self.remembers = app.remembered_methods  # those of which decisions may be remembered
        self.answer = self._answer_or_watch if self.remembers else self._answer
        # Whether replies leave as the handler made them, seen by nobody.
        self._is_plain = app.settings.provisional and not (app.after_hooks or app.local_response_hooks)

    def name_of(self, item: Item) -> str:
        """Return the name of the handler that a request is for, and where it stands: for a log line."""
        return self.app.describe(Request.of(item, self._context))

    def _wish(self) -> None:
        """Watch from now on, whatever the handler was declared: one says that its decision is good for others."""
        if not self.app.remembering.by_wish:
            self.app.remembering.by_wish = True
            self.use_app(self.app)

    def respond(self, message: Message, source: Source) -> Answer | Coroutine[Any, Any, Answer]:
        """Do as `answer`, for a request that did not come over the bus."""
        return self._answer(Item(0, message, source))  # type: ignore[return-value] # it is not wanted for others

    def _answer_or_watch(self, item: Item) -> Answering:
        return self._answer(item) if item.number < WANTED else self.watch(item)

    def _answer(self, item: Item) -> Answering:
        request = Request.of(item, self._context)
        try:
            handler = self.app.find(request)
        except BaseException as error:
            return self._finish(request, self._failed(request, error))
        try:
            decision = handler(request)
            # The good path, kept short.
            if type(decision) is Reply and self._is_plain and item.method not in _LOOKED_AT:
                self._take(handler)
                rest = tail(decision.extra, decision.body) if decision.extra or decision.body else NO_BODY
                return item.reply(decision.line, rest, self._mac)
            if type(decision) is not Forward and isinstance(decision, Awaitable):
                item.keep()
                return self._end(request, decision, self._finish, self.app.title_of(handler))
            return self._note(handler, self.errors, self._finish(request, decision))
        except BaseException as error:
            return self._note(handler, self.errors, self._finish(request, self._failed(request, error)))

    def _note(self, handler: Handler, errors: int, answer: Answer | Kept) -> Answer | Kept:
        """Count how a request has ended, where there were so many errors before."""
        decided = answer.answer if isinstance(answer, Kept) else answer
        self._served.note(self.app.title_of(handler), decided, failed=self.errors != errors)
        return answer

    def serve_as(self, worker: str) -> None:
        """Count by handler from now on what is answered on the short way, and sign it for who asks, as this worker.

        Who has that calls `tidy`.
        """
        self._take = self._served.taken.append
        self._makers = Makers(worker)

    def answering(self, items: Sequence[Item]) -> Callable[[Item], Answering]:
        """Return what answers the requests of one envelope: with who has decided, if their edge wants to know that."""
        is_asked = items and items[0].number & NAMED and self._makers is not None
        return self._answer_signed if is_asked else self.answer

    def _answer_signed(self, item: Item) -> Answering:
        served = self._served
        before, served.last = len(served.taken), None
        answer = self.answer(item)
        if isinstance(answer, Coroutine):
            return self._sign_later(answer)
        if served.last is None and served.taken and len(served.taken) != before:  # it took the short way
            served.last = self.app.title_of(served.taken[-1]), False
        return self._signed(answer)

    async def _sign_later(self, pending: Pending) -> Kept:
        return self._signed(await pending)  # nobody else has run since it was noted who that was

    def _signed(self, answer: Answer | Kept) -> Kept:
        assert self._makers is not None
        handler, failed = self._served.last or ("", False)  # "": what chooses handlers has failed
        return self._makers.sign(answer, handler, failed=failed)

    def tidy(self) -> None:
        """Count what is still to be counted, if there is much; whoever serves calls it after some requests."""
        if len(self._served.taken) > MANY:
            self._served.fold(self.app.title_of)

    def figures(self) -> dict[str, Any]:
        """Return how many handlers have failed, and how many requests each has decided, by its name."""
        self._served.fold(self.app.title_of)
        return {"errors": self.errors, "handlers": self._served.figures()}

    def watch(self, item: Item, keeping: Keeping | None = None) -> Answering:
        """Do as `answer`, and look what is read on the way: the answer may be good for others, too."""
        keeping = keeping or self.keeping
        request = WatchingRequest(item, self._context)
        try:
            handler = self.app.find(request)
            seconds = keeping.seconds_of(handler, request)
        except BaseException as error:
            return self._finish(request, self._failed(request, error))
        if seconds is None:
            return self._answer(item)
        try:
            return self._run(request, handler, partial(self._keep, keeping, seconds, self.errors))
        except BaseException as error:
            return self._note(handler, self.errors, self._finish(request, self._failed(request, error)))

    def _run(self, request: WatchingRequest, handler: Handler, finish: Finish) -> Answering:
        decision = handler(request)
        if isinstance(decision, Awaitable):
            request.real.keep()
            return self._end(request, decision, finish, self.app.title_of(handler))
        return self._note(handler, self.errors, finish(request, decision))

    def _keep(
        self, keeping: Keeping, seconds: float, errors: int, request: WatchingRequest, decision: object
    ) -> Answer | Kept:
        answer = self._finish(request, decision)
        # An error may be a hook's: what came of it is nobody's decision. A version before this one decides for none.
        if self.errors != errors or request.context.settings is not self.app.settings:
            return answer
        return keeping.keep(request, decision, answer, self._tail, seconds)

    async def _end(self, request: Request, pending: Awaitable[object], finish: Finish, title: str) -> Answer | Kept:
        """Return the answer when there is one; `title` is the handler's, for which the request counts then."""
        task = asyncio.current_task()
        try:
            decision = await pending
            errors = self.errors
            answer = finish(request, decision)
        except BaseException as error:
            if self._is_over(error, task):
                if is_given_up(error):
                    self._served.note(title, None, failed=True)
                raise
            errors = self.errors
            answer = self._finish(request, self._failed(request, error))
        decided = answer.answer if isinstance(answer, Kept) else answer
        self._served.note(title, decided, failed=self.errors != errors)
        return answer

    def _is_over(self, error: BaseException, task: asyncio.Task[Any] | None) -> bool:
        """Return whether nobody waits for the answer any more. In a worker, only that one's own word says so."""
        if isinstance(error, GeneratorExit):  # a coroutine that nothing runs is taken away; or a handler raised it
            return asyncio.current_task() is not task
        if isinstance(error, asyncio.CancelledError) and not self.unattended:
            return task is not None and task.cancelling() > 0
        return is_given_up(error)

    def _finish(self, request: Request, decision: object) -> Answer:
        if request.item.method == FORWARDED_REPLY:
            return self._let_back(request, decision)
        if type(decision) is Forward:
            return None if request.item.method == FILTERED_ACK else decision.words()
        if request.item.method in NEVER_ANSWERED or decision is DROP:
            return None  # an ACK is never answered (RFC 3261 17.1.1.3), whatever its handler returned
        if isinstance(decision, Reply):
            plain = self._is_plain and not decision.closes
            return self._build(request, decision) if plain else self._build_all(request, [decision])
        if isinstance(decision, list | tuple) and all(isinstance(reply, Reply) for reply in decision):
            return self._build_all(request, decision)
        self.errors += 1
        who = self.app.suspects(request)
        self._say(
            request, "%s returned %.80r; return request.reply(...), .forward(...), .drop() or a list of replies",
            who, decision, handler=who, cause="returned what is no decision",
        )  # fmt: skip
        return self._build_all(request, [request.reply_error()])

    def _let_back(self, request: Request, decision: object) -> Answer:
        """Return what becomes of a reply on its way back: as it is, where nobody has decided anything else."""
        if decision is DROP:
            return None
        if type(decision) is Amended:
            return decision.words()
        if decision is not None and decision is not _FAILED:
            self.errors += 1
            who = self.app.describe(request)
            self._say(
                request, "%s returned %.80r; return reply.forward(...), reply.drop() or None; it goes back as it is",
                who, decision, handler=who, cause="returned what is no decision",
            )  # fmt: skip
        return {}

    def _build_all(self, request: Request, replies: Sequence[Reply]) -> Answer:
        if not self._is_plain:
            replies = [self._shown(request, reply) for reply in self._permitted(request, replies)]
        answers = tuple(self._build(request, reply) for reply in replies)
        if self.app.local_response_hooks:
            self.sent += [(request, reply) for reply in replies]
        if any(reply.closes for reply in replies) and request.source.transport != "udp":
            return (*answers, None)
        return answers[0] if len(answers) == 1 else answers or None

    def _permitted(self, request: Request, replies: Sequence[Reply]) -> Sequence[Reply]:
        """Leave provisional replies out where the plugin's settings say so."""
        if request.context.settings.provisional or all(reply.status >= 200 for reply in replies):
            return replies
        self.errors += 1
        self._say(request, "a provisional reply is left out, for this plugin has provisional=False")
        return [reply for reply in replies if reply.status >= 200] or [request.reply_error()]

    def _shown(self, request: Request, reply: Reply) -> Reply:
        """Show a reply to the hooks; one that fails, or returns what is no reply, changes nothing."""
        for hook in self.app.after_hooks:
            try:
                changed = hook(request, reply)
                if changed is not None and not isinstance(changed, Reply):
                    raise TypeError(f"an after hook returns a reply or None, not {changed!r:.80}")
                reply = changed or reply
            except BaseException as error:
                self._log(request, error)
        return reply

    def _build(self, request: Request, reply: Reply) -> bytes:
        item = request.item
        if item.method == b"REGISTER" and not self._has_warned and misses_contact(request, reply):
            self._has_warned = True
            logger.warning(
                "REGISTER %s: answered %s without its Contact: some phones wait for it for ever; "
                "return request.registered(), or name it in the reply (this is said once)",
                shown(request.message.uri), reply.status,
                extra=event("registration-unseen", method=b"REGISTER", call_id=request.message.call_id),
            )  # fmt: skip
        rest = tail(reply.extra, reply.body)
        self._tail = len(rest)
        return item.reply(reply.line, rest, self._mac)

    def apologise(self, item: Item) -> Answer:
        """Return what is answered where a decision, that a request goes on, cannot be carried out."""
        self.errors += 1
        request = Request.of(item, self._context)
        return self._finish(request, request.reply_error())

    def _failed(self, request: Request, error: BaseException) -> object:
        """Return the reply to a request whose handler raised, or that nothing is decided of a reply on its way."""
        if request.item.method == FORWARDED_REPLY:
            self._log(request, error)
            return _FAILED
        if isinstance(error, Reject):  # typed access to a header that is malformed: the peer's fault, not the plugin's
            reply = Reply(error.status, error.reason)
            reply.extra = error.extra
            return reply
        self._log(request, error)
        return request.reply_error()

    def _log(self, request: Request, error: BaseException) -> None:
        """Log a plugin's exception on one line, with where it happened; at debug all of its traceback."""
        if isinstance(error, KeyboardInterrupt) and not self.unattended:
            raise error
        self.errors += 1
        where, what = place(error), describe(error)
        cause = f"{what}, at {where}"
        self._say(request, "%s", cause, counted_as=where, handler=self._handler_of(request), cause=cause)
        if logger.isEnabledFor(logging.DEBUG):
            about = event("traceback", call_id=request.message.call_id)
            logger.debug("Call-ID %s:", shown(request.message.call_id), exc_info=error, extra=about)

    def _handler_of(self, request: Request) -> str:
        try:
            return self.app.describe(request)
        except BaseException:  # what chooses the handler is what has failed
            return ""

    def _say(self, request: Request, words: str, *arguments: object, counted_as: str = "", **fields: object) -> None:
        """Log what is wrong with the plugin, as one request shows it."""
        message, source = request.message, request.source
        about = event(
            "handler-failed",
            **({"method": message.method, "call_id": message.call_id, "source": place_of(source)} | fields),
        )
        whose = shown(message.method), shown(message.uri), shown(message.call_id)
        extra = about | {"counted_as": counted_as}
        logger.error(f"%s %s, Call-ID %s: {words}", *whose, *arguments, extra=extra)

    def tell(self) -> None:
        """Tell the local_response hooks of the replies that have left since the last time."""
        sent, self.sent = self.sent, []
        for request, reply in sent:
            for hook in self.app.local_response_hooks:
                try:
                    hook(request, reply)
                except BaseException as error:
                    self._log(request, error)
