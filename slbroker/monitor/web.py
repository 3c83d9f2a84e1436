"""What the monitor serves over HTTP, and to whom; `gate` says how much of it."""

from __future__ import annotations

import base64
import gzip
import json
import time
from functools import cached_property
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from prometheus_client.exposition import gzip_accepted
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from slbroker.monitor.exposition import Form, expose, form_of
from slbroker.monitor.gate import Kept
from slbroker.monitor.mi import OpenSips
from slbroker.monitor.pagefiles import Guarded, page_routes
from slbroker.monitor.rpc import Kamailio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from slbroker.metrics.sl import Counters
    from slbroker.monitor.gate import Gate
    from slbroker.monitor.gathering import Gathering
    from slbroker.monitor.live import Live

MAX_BODY: Final = 65_536  # bytes of a request
OPEN: Final = ("/healthz", "/readyz")  # for who asks whether all is well, and may hold no secret
LOCAL_HOSTS: Final = ["localhost", "127.0.0.1", "[::1]"]
ANY: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]  # Kamailio looks at the body alone
FAST: Final = 1  # level of gzip: a scrape is text that repeats itself, and everybody waits
STREAMS: Final = 64  # that are open at once
LATER: Final = {"Retry-After": "5"}  # seconds
KINDS: Final = {
    "/metrics": "metrics", **dict.fromkeys(OPEN, "probe"),
    **dict.fromkeys(("/RPC", "/RPC/", "/mi", "/mi/"), "rpc"),
}  # fmt: skip


class Gated:
    """Serves one of each kind in turn, as time allows; `gate` says why."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request when it is its turn."""
        await self._gate.enter(KINDS.get(scope["path"], "page"))
        await self._app(scope, receive, send)


class Bearer:
    """Lets those in who have the token: programs by Bearer, people by Basic, for which a browser asks, as password."""

    def __init__(self, app: ASGIApp, token: Callable[[], bytes], gate: Gate) -> None:
        """`token` returns the one that counts now. Who has none waits with others of the kind."""
        self._app = app
        self._token = token
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "http" and scope["path"] not in OPEN:
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not compare_digest(_secret_of(given), self._token()):
                await self._gate.enter("refused")
                refusal = PlainTextResponse("a token is wanted: Authorization: Bearer TOKEN\n", 401)
                refusal.headers.append("WWW-Authenticate", "Bearer")
                refusal.headers.append("WWW-Authenticate", 'Basic realm="slbroker monitor: the token is the password"')
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _secret_of(given: bytes) -> bytes:
    """Return the token in an Authorization header, b"" where there is none."""
    scheme, _, rest = given.partition(b" ")
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
        except ValueError:
            return b""
    return rest.strip() if scheme.lower() == b"bearer" else b""


class Local(TrustedHostMiddleware):
    """Serves this machine's own names alone; and who says none, as probes by HTTP/1.0 do: a browser always does."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        is_named = scope["type"] != "http" or any(name == b"host" for name, _ in scope["headers"])
        await (super().__call__ if is_named else self.app)(scope, receive, send)


class Scrape:
    """A scrape's body, and the same packed by gzip once somebody has asked for it."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    @cached_property
    def packed(self) -> bytes:
        """Return it packed."""
        return gzip.compress(self.body, FAST)


class Pages:
    """The paths, each a view of what is gathered."""

    def __init__(self, gathering: Gathering, live: Live, gate: Gate) -> None:
        self._gathering = gathering
        self._live = live
        self._gate = gate
        self._known = gathering.known
        self._streams = 0
        self._scrapes: Kept[Scrape] = Kept()
        self._snapshots: Kept[bytes] = Kept()
        self._counted: Kept[Counters] = Kept()
        started = time.time()
        self._kamailio = Kamailio(lambda: self._counters().kamailio(), started)
        self._opensips = OpenSips(lambda: self._counters().opensips(), started)

    def _counters(self) -> Counters:
        return self._counted.get("sl", self._known.counters)

    def routes(self) -> list[Route]:
        """Return what is served."""
        return [
            Route("/metrics", self._metrics),
            Route("/healthz", self._health),
            Route("/readyz", self._readiness),
            *(Route(path, self._rpc, methods=ANY) for path in ("/RPC", "/RPC/")),
            *(Route(path, self._mi, methods=["POST"]) for path in ("/mi", "/mi/")),
            Route("/figures", self._figures),
            Route("/events", self._events),
            Route("/live", self._follow),
            *page_routes(),
        ]

    async def _metrics(self, request: Request) -> Response:
        form = form_of(", ".join(request.headers.getlist("accept")))
        headers = {"Content-Type": form.content_type, "Vary": "Accept, Accept-Encoding"}
        scrape = self._scrapes.get(form.content_type, lambda: self._expose(form))
        if not gzip_accepted(", ".join(request.headers.getlist("accept-encoding"))):
            return Response(scrape.body, headers=headers)
        return Response(scrape.packed, headers=headers | {"Content-Encoding": "gzip"})

    def _expose(self, form: Form) -> Scrape:
        return Scrape(expose(self._known.families(time.monotonic()), self._known.counters().kamailio(), form))

    async def _health(self, _request: Request) -> Response:
        return _verdict(self._known.ailments(time.monotonic()))

    async def _readiness(self, _request: Request) -> Response:
        return _verdict(self._known.hindrances(time.monotonic()))

    async def _rpc(self, request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return PlainTextResponse("too long\n", 413)
        status, _reason, answer = self._kamailio.answer(body)
        return Response(answer, status, media_type="application/json")

    async def _mi(self, request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return PlainTextResponse("too long\n", 413)
        answer = self._opensips.answer(body)
        return Response(answer, 200 if answer else 204, media_type="application/json")

    async def _figures(self, _request: Request) -> Response:
        return Response(self._snapshot_at("now"), media_type="application/json")

    async def _events(self, _request: Request) -> Response:
        return self._open(self._stream())

    async def _stream(self) -> AsyncIterator[bytes]:
        """Yield what is known, anew whenever somebody has told something (text/event-stream)."""
        while not self._gathering.is_ending:
            yield b"data: " + self._snapshot_at(self._gathering.told) + b"\n\n"
            await self._gathering.news.wait()

    async def _follow(self, _request: Request) -> Response:
        return self._open(self._live.stream())

    def _open(self, events: AsyncIterator[bytes]) -> Response:
        if self._streams >= STREAMS:
            return PlainTextResponse("too many look already\n", 503, LATER)
        return StreamingResponse(
            self._paced(events), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def _paced(self, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass events on: each takes its turn, as a question does."""
        self._streams += 1
        try:
            async for event in events:
                yield event
                await self._gate.enter("stream")
        finally:
            self._streams -= 1

    def _snapshot_at(self, moment: int | str) -> bytes:
        """Return what is known, in JSON, made once for each moment."""
        return self._snapshots.get(moment, lambda: json.dumps(self._snapshot(), separators=(",", ":")).encode())

    def _snapshot(self) -> dict[str, object]:
        now = time.monotonic()
        return {
            "processes": [
                {
                    "address": each.address,
                    "kind": "broker" if each.is_broker else "edge",
                    "up": each.is_up(now, self._known.patience),
                    "figures": each.figures,
                }
                for each in self._known.processes.values()
            ],
            "healthz": self._known.ailments(now),
            "readyz": self._known.hindrances(now),
        }


def _verdict(faults: list[str]) -> Response:
    return PlainTextResponse("".join(f"{fault}\n" for fault in faults) or "ok\n", 503 if faults else 200)


async def _body(request: Request) -> bytes | None:
    """Return the body of a request, None for one that is too long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return body


def make_app(gathering: Gathering, live: Live, gate: Gate, token: Callable[[], bytes] | None, local: str) -> Starlette:
    """Return the application. Without a token and for this machine alone no other name of it is served.

    So no page of another site can have a browser look for it by a name of its own (DNS rebinding). `local` is the
    loopback address at which it is served, "" for others.
    """
    middleware = [Middleware(Guarded)]
    if token is not None:
        middleware.append(Middleware(Bearer, token=token, gate=gate))
    middleware.append(Middleware(Gated, gate=gate))
    if local and token is None:
        middleware.append(Middleware(Local, allowed_hosts=[*LOCAL_HOSTS, local]))
    return Starlette(routes=Pages(gathering, live, gate).routes(), middleware=middleware)
