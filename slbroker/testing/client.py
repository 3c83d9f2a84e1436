"""The client that sends requests to a plugin."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Self, TypeVar

from slbroker.authnonce import NonceKeys
from slbroker.bus.envelope import FILTERED_ACK, FORWARDED_REPLY
from slbroker.errors import Drop, Reject
from slbroker.keys import KeyRing
from slbroker.plugin import lifecycle
from slbroker.plugin.guard import name_of
from slbroker.plugin.responder import Responder
from slbroker.proxy.backward import backward
from slbroker.proxy.decision import read_forward
from slbroker.proxy.passage import amended, reply_message
from slbroker.recording import NOTHING
from slbroker.sip.parser import BadRequest, parse
from slbroker.sip.reply import build_reply
from slbroker.sip.response import Response, parse_response
from slbroker.sip.validate import USUAL, Checks
from slbroker.sip.via import stamp_top
from slbroker.testing.digest import credentials
from slbroker.testing.downstream import Downstream
from slbroker.testing.factory import SOURCE, URI, RequestFactory
from slbroker.totag import Signer

if TYPE_CHECKING:
    from typing import Any

    from slbroker.bus.envelope import Answer
    from slbroker.plugin import Handlers
    from slbroker.plugin.reply import Headers
    from slbroker.proxy.decision import Forward
    from slbroker.sip.message import Message, Source
    from slbroker.testing.downstream import Forwarded
    from slbroker.testing.factory import RequestHeaders

Result = TypeVar("Result")


class Client:
    """Sends requests to a plugin and returns what a SIP peer would read.

    As a context manager it calls the plugin's startup and shutdown hooks, and all its handlers run in one event loop:
    for plugins with a database pool. Without `with`, it warns of hooks that it has not called. Its `errors` counts
    handlers that raised, or returned what is no decision; `closed` says whether the last answer closes its connection;
    `forwarded` is the last request as it leaves for its next hop, None where it does not go on.
    """

    def __init__(self, app: Handlers, ring: KeyRing | None = None, checks: Checks = USUAL) -> None:
        ring = ring or KeyRing.generate()
        accepted = ring.accepted(0.0)
        self.signer = Signer(ring.current, accepted)
        self._responder = Responder(app, self.signer, NonceKeys(ring.current, accepted))
        self._checks = checks
        self._factory = RequestFactory()
        self._runner: asyncio.Runner | None = None
        self._has_warned = False
        self.closed = False  # whether the last request's connection was closed behind the reply
        self.forwarded: Forwarded | None = None
        self._downstream = Downstream(ring)

    @property
    def errors(self) -> int:
        """Return how many faults of the plugin there were."""
        return self._responder.errors

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        try:
            self._run(lifecycle.start(self._responder.app))
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._runner is not None
        self._run(lifecycle.stop(self._responder.app))
        self._runner.close()
        self._runner = None

    def _run(self, pending: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run(pending) if self._runner is None else self._runner.run(pending)

    # One request ------------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        uri: str = URI,
        headers: RequestHeaders | None = None,
        body: bytes | str = b"",
        source: Source = SOURCE,
    ) -> Response | None:
        """Send one request; return its last reply, or None when there is none.

        `headers` are added to the ones a request must have, or replace them.
        """
        replies = self.replies(method, uri, headers, body, source)
        return replies[-1] if replies else None

    def replies(
        self,
        method: str,
        uri: str = URI,
        headers: RequestHeaders | None = None,
        body: bytes | str = b"",
        source: Source = SOURCE,
    ) -> list[Response]:
        """Send one request; return its replies in order."""
        return _read(self.exchange(self._factory.request(method, uri, headers, body), source))

    async def ask(
        self,
        method: str,
        uri: str = URI,
        headers: RequestHeaders | None = None,
        body: bytes | str = b"",
        source: Source = SOURCE,
    ) -> Response | None:
        """Do as `request`, in an event loop that runs already: for many at once."""
        data = self._factory.request(method, uri, headers, body)
        answer = self._respond(data, source)
        replies = _read(self._told(await answer if isinstance(answer, Coroutine) else answer, data, source))
        return replies[-1] if replies else None

    def authenticated(
        self,
        username: str,
        password: str,
        method: str,
        uri: str = URI,
        headers: RequestHeaders | None = None,
        body: bytes | str = b"",
        source: Source = SOURCE,
    ) -> Response | None:
        """Send one request, and again with credentials when it is challenged (RFC 3261 22.1); return the last reply."""
        response = self.request(method, uri, headers, body, source)
        if response is None or response.status not in (401, 407):
            return response
        answer = credentials(response, method, uri, username, password)
        return self.request(method, uri, {**(headers or {}), **answer}, body, source)

    def filtered_ack(self, uri: str = URI, headers: RequestHeaders | None = None, source: Source = SOURCE) -> None:
        """Tell the plugin's `@app.filtered_ack` of an absorbed ACK, as an edge does."""
        message = parse(self._factory.request("ACK", uri, headers))._replace(method=FILTERED_ACK)
        answer = self._responder.respond(message, source)
        if isinstance(answer, Coroutine):
            self._run(answer)

    def exchange(self, data: bytes, source: Source = SOURCE) -> list[bytes]:
        """Send one datagram as it is; return the replies' bytes. Malformed ones are answered as an edge would."""
        answer = self._respond(data, source)
        return self._told(self._run(answer) if isinstance(answer, Coroutine) else answer, data, source)

    # One reply to what went on ----------------------------------------------------------------------------------

    def forwarded_reply(
        self, status: int, reason: str | None = None, headers: Headers | None = None, body: bytes = b""
    ) -> Response | None:
        """Have the next hop reply to `forwarded`; return what its sender reads, None where nothing goes back.

        An `@app.on_reply` is asked, as it is by a worker. Raises ValueError as `Reply` does, and without `forwarded`.
        """
        if self.forwarded is None:
            raise ValueError("the last request was not forwarded: nobody replies to it")
        data, seals = self.forwarded.reply(status, reason, headers, body), self._downstream.seals
        message = reply_message(backward(data, seals).data, FORWARDED_REPLY)
        answer = self._responder.respond(message, self.forwarded.sender)
        decided = self._run(answer) if isinstance(answer, Coroutine) else answer
        return parse_response(amended(data, seals, decided).data) if isinstance(decided, dict) else None

    # How it works -----------------------------------------------------------------------------------------------

    def _warn_of_hooks(self) -> None:
        # The loader of KEMI scripts has one in each; where child_init has something to do, it goes by that name.
        every = self._responder.app.startup_hooks
        hooks = [hook for hook in every if not str(getattr(hook, "__module__", "")).startswith("slbroker_handlers.")]
        if self._runner is None and hooks and not self._has_warned:
            self._has_warned = True
            names = ", ".join(name_of(hook) for hook in hooks)
            warnings.warn(f"startup hooks are not called ({names}): with Client(app) as client", stacklevel=4)

    def _respond(self, data: bytes, source: Source) -> Answer | Coroutine[Any, Any, Answer]:
        self._warn_of_hooks()
        try:
            message = parse(data, self._checks)
            try:
                _stamp(message, source, strict=self._checks.via)
            except Reject as reject:
                raise BadRequest(reject.status, reject.reason, message) from None
        except Drop:
            return None
        except BadRequest as bad:
            return self._refuse(bad, source)
        return self._responder.respond(message, source)

    def _told(self, answer: Answer, data: bytes, source: Source) -> list[bytes]:
        """Return the replies of an answer to `data`, which leave now."""
        self._responder.tell()
        self.forwarded = None
        if isinstance(answer, dict):
            return self._send_on(data, source, read_forward(answer))
        several = answer if isinstance(answer, tuple) else (answer,)
        self.closed = isinstance(answer, tuple) and answer[-1:] == (None,)
        return [reply for reply in several if isinstance(reply, bytes)]

    def _send_on(self, data: bytes, source: Source, forward: Forward) -> list[bytes]:
        """Let a request go on; return the reply where an edge would refuse that."""
        try:
            self.forwarded = self._downstream.send(data, source, forward)
        except Drop:
            pass
        except Reject as reject:
            message = parse(data, NOTHING)
            refused = self._refuse(BadRequest(reject.status, reject.reason, message, reject.extra), source)
            return [refused] if refused is not None else []
        return []

    def _refuse(self, bad: BadRequest, source: Source) -> bytes | None:
        message = bad.message
        try:
            _stamp(message, source)
        except Drop:
            return None
        tag = self.signer.sign(message.call_id, message.from_tag, message.cseq)
        return build_reply(message, bad.status, bad.reason, tag, bad.extra)


def _read(replies: list[bytes]) -> list[Response]:
    return [read for reply in replies if (read := parse_response(reply)) is not None]


def _stamp(message: Message, source: Source, *, strict: bool = False) -> None:
    """Make of the top Via what an edge passes on; raise as `via.stamp` does."""
    assert isinstance(message.headers, list)
    stamp_top(message.headers, source.host, source.port, strict=strict, connected=source.transport != "udp")
