"""The monitor's process: the gathering and an HTTP server on one asyncio loop."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from slbroker.errors import BindError
from slbroker.monitor.accepting import Accepting
from slbroker.monitor.gate import Gate
from slbroker.monitor.gathering import Gathering
from slbroker.monitor.live import Live
from slbroker.monitor.web import make_app
from slbroker.priority import stand_back
from slbroker.service import BusService
from slbroker.tls import server_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from slbroker.settings.monitor import MonitorSettings

logger = logging.getLogger(__name__)

GRACE: Final = 1  # seconds that requests which are served have to end in; streams never do
HARD_END: Final = 3.0  # ... after which connections are cut off, TLS ones that nobody reads from included
CONNECTIONS: Final = 256  # at once; further ones get 503
KEEP_ALIVE: Final = 30  # seconds that a connection may be silent between requests
REQUEST_WITHIN: Final = 10.0  # seconds in which a request is to be there as a whole
TAKEN_WITHIN: Final = 60.0  # seconds in which some of what is answered is to be taken


class Protocol(H11Protocol):
    """uvicorn's, which waits for nobody for ever: those who say nothing, or read nothing, would take all places."""

    _late: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait(REQUEST_WITHIN)

    def on_response_complete(self) -> None:
        """Begin to wait for the next one."""
        super().on_response_complete()
        self._wait(KEEP_ALIVE + REQUEST_WITHIN)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing."""
        super().connection_lost(exc)
        for timer in (self._late, self._stuck):
            if timer is not None:
                timer.cancel()

    def pause_writing(self) -> None:
        """Begin to wait for the peer to read."""
        super().pause_writing()
        self._stuck = self.loop.call_later(TAKEN_WITHIN, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        if self._stuck is not None:
            self._stuck.cancel()

    def _wait(self, seconds: float) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            self.transport.abort()


class Server(uvicorn.Server):
    """uvicorn's, with the signals left to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do not."""
        yield


class Monitor(BusService):
    """One monitor process. `start`, then `drain` and `close`; `reload` reads token, certificate and key again."""

    def __init__(self, settings: MonitorSettings, read_token: Callable[[], bytes] | None) -> None:
        """`read_token` returns what who looks has to send; raises ConfigError."""
        super().__init__(settings.interval)
        self.settings = settings
        self._read_token = read_token
        self._token = read_token() if read_token else None
        self._gathering: Gathering | None = None
        self._live: Live | None = None
        self._socket: socket.socket | None = None
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._gate = Gate()
        self._context_of_tls = server_context(settings.tls) if settings.tls else None

    async def start(self) -> None:
        """Bind and begin to ask; raise BindError when the address cannot be had."""
        stand_back()  # whoever asks, and however often: calls on the same machine come first
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # what a client does is no fault of ours to log
        settings = self.settings
        self._socket = _bind(settings)
        self._gathering = Gathering(self._context, settings, self._gate.allowance.free)
        self._live = Live(self._gathering, settings.interval, self._log.lines)
        local = settings.http.host if settings.http.is_loopback else ""
        token = (lambda: self._token or b"") if self._token else None
        app = make_app(self._gathering, self._live, self._gate, token, local)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="none", http=Protocol, server_header=False,
            timeout_graceful_shutdown=GRACE, timeout_keep_alive=KEEP_ALIVE, limit_concurrency=CONNECTIONS,
            proxy_headers=False,
        )  # fmt: skip
        config.load()
        self._server = Server(config)
        self._serving = asyncio.create_task(self._server.serve([]))
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(0.01)
        state = self._server.server_state
        accepting = Accepting(
            self._socket, self._gate, partial(Protocol, config, state, {}), state.connections,
            lambda: self._context_of_tls,
        )  # fmt: skip
        self._accepting = asyncio.create_task(accepting.run())
        self.begin()
        scheme, port = "https" if settings.tls else "http", self._socket.getsockname()[1]
        where = settings.http._replace(port=port)
        logger.info("monitor ready: %s://%s, asking %s", scheme, where, ", ".join(map(str, settings.bus)))

    def look(self, now: float) -> None:
        """Ask everybody."""
        with self._gate.allowance.free():
            if self._gathering is not None:
                self._gathering.tick(now)
            if self._live is not None:
                self._live.tick(now)

    def reload(self) -> None:
        """Read token, certificate and key again; raise ConfigError, and keep what cannot be read."""
        self.reloads += 1
        if self._read_token is not None:
            self._token = self._read_token()
            logger.info("token file %s loaded again", self.settings.token)
        if self.settings.tls is not None and self._context_of_tls is not None:
            self._context_of_tls = server_context(self.settings.tls)  # for connections that come from now on
            logger.info("certificate %s loaded again", self.settings.tls.certificate)

    async def drain(self) -> None:
        """Let requests that are served end, and cut off what never would."""
        if self._server is None or self._serving is None:
            return
        if self._gathering is not None:
            self._gathering.end()
        if self._accepting is not None:
            self._accepting.cancel()
        self._server.should_exit = True
        _done, late = await asyncio.wait((self._serving,), timeout=HARD_END)
        for task in late:
            self._server.force_exit = True
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait((task,), timeout=0.5)

    def patience(self) -> float:
        """Return for how many seconds the end may be waited for."""
        return HARD_END + 1.0

    def waits_for(self) -> str:
        """Return what an end waits for."""
        return "open HTTP connections"

    def close(self) -> None:
        """Close everything."""
        if self._gathering is not None:
            self._gathering.close()
        if self._socket is not None:
            self._socket.close()
        if self.end():
            logger.info("monitor stopped")


def _bind(settings: MonitorSettings) -> socket.socket:
    host, port = settings.http
    try:
        family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(where)
    except OSError as error:
        raise BindError(f"cannot listen on {settings.http}: {error.strerror}") from error
    return sock
