"""`slbroker ping`: an OPTIONS over any of our transports, and how long its answer takes."""

from __future__ import annotations

import re
import secrets
import ssl
import time
from contextlib import suppress
from typing import Final, NamedTuple

from slbroker.errors import ConfigError, Exit, NoAnswerError
from slbroker.listen import SECURE, TRANSPORTS, WEBSOCKETS, ListenAddress, default_port
from slbroker.sip.grammar import MAX_PORT
from slbroker.sip.pingrequest import ping_request
from slbroker.sip.response import Response, parse_response
from slbroker.wire import Place, StreamWire, UdpWire, Wire, look_up

T1 = 0.5  # seconds; RFC 3261 17.1.2.2: an unanswered request is repeated after T1, 2*T1, 4*T1, 4 s at most
T2 = 4.0

NOT_2XX: Final = range(300, 700)  # somebody is there, and does not want us: what most understand by failure
SERVER_FAILURES: Final = range(500, 600)  # what an edge says by itself that has no handler, or whose handlers have gone
NO_STATUS: Final = range(0)

_match_target = re.compile(
    r"(?:(sips?):)?(?:[^@\s]+@)?"  # scheme, user
    r"(\[[0-9A-Fa-f:.%\w]+\]|[^:\[\]@\s;]+)(?::([0-9]{1,5}))?"  # host, port
    r"((?:;.*)?)"  # parameters
).fullmatch
_find_transport = re.compile(r";transport=([^;]*)", re.IGNORECASE).search


class Pong(NamedTuple):
    """An answer, how long it took in seconds, and how often the request was sent."""

    response: Response
    seconds: float
    sent: int


def parse_target(uri: str) -> ListenAddress:
    """Return where `uri` points: sip:host:port, with ;transport=tcp, tls, ws or wss, or sips:; raise ConfigError."""
    found = _match_target(uri)
    if found is not None:
        asked = _find_transport(found[4])
        transport = asked[1].lower() if asked else "udp"
        if found[1] == "sips":
            transport = "wss" if transport in WEBSOCKETS else "tls"
        port = int(found[3] or default_port(transport))
        if 0 < port <= MAX_PORT and transport in TRANSPORTS:
            return ListenAddress(transport, found[2].strip("[]"), port)
    raise ConfigError(f"{uri!r} is no SIP address to ping: write sip:host:port, with ;transport=tcp, tls, ws or wss")


class Pinger:
    """Sends OPTIONS to one address, from a socket of its own; use it in a `with` statement."""

    def __init__(self, uri: str, tls: ssl.SSLContext | None = None) -> None:
        """`uri` is sip:host:port, `tls` how to trust a TLS server; raises ConfigError when the host is unknown."""
        self.target = parse_target(uri)
        self.uri = uri if uri.startswith(("sip:", "sips:")) else f"sip:{uri}"
        self._tls = tls
        self._wire: Wire | None = None
        try:
            self._places = look_up(self.target)
        except ConfigError as error:
            raise ConfigError(f"cannot ping {error}") from error

    def __enter__(self) -> Pinger:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def ping(self, timeout: float) -> Pong:
        """Send one OPTIONS, repeat it over UDP as RFC 3261 17.1.2 says, and return its final answer.

        The connection, where there is one, is made before the time is taken. A name's addresses are tried in turn
        while nobody listens there. Raises NoAnswerError when there is none, or no answer has come after `timeout`
        seconds; another call begins anew.
        """
        try:
            return self._try(timeout)
        except ssl.SSLCertVerificationError as error:
            why = f"{error.verify_message}; --tls-ca FILE says whom to trust, --insecure trusts anyone"
            raise NoAnswerError(f"cannot trust {self.uri}: {why}") from error
        except ssl.SSLError as error:
            raise NoAnswerError(f"cannot reach {self.uri} over TLS: {error.reason}") from error
        except TimeoutError as error:
            raise NoAnswerError(f"no connection to {self.uri} within {timeout:g} s") from error
        except ConnectionRefusedError as error:
            raise NoAnswerError(f"nobody listens at {self.uri}: connection refused") from error
        except OSError as error:
            raise NoAnswerError(f"cannot reach {self.uri}: {error.strerror or error}") from error

    def _try(self, timeout: float) -> Pong:
        if self._wire is not None:
            return self._ping_or_close(timeout)
        for place in self._places[:-1]:
            with suppress(ConnectionRefusedError):
                self._wire = self._open(place, timeout)
                return self._ping_or_close(timeout)
        self._wire = self._open(self._places[-1], timeout)
        return self._ping_or_close(timeout)

    def _ping_or_close(self, timeout: float) -> Pong:
        assert self._wire is not None
        try:
            return self._ping(self._wire, timeout)
        except OSError:
            self._close()
            raise

    def _open(self, place: Place, timeout: float) -> Wire:
        if self.target.transport == "udp":
            return UdpWire(place)
        tls = self._tls if self.target.transport in SECURE else None
        if self.target.transport in WEBSOCKETS:
            return self._open_websocket(place, timeout, tls)
        return StreamWire(place, timeout, tls, self.target.host)

    def _open_websocket(self, place: Place, timeout: float, tls: ssl.SSLContext | None) -> Wire:
        try:
            from slbroker.wswire import WebSocketWire  # noqa: PLC0415 - it needs an extra's library
        except ImportError as error:
            raise ConfigError("to ping over WebSocket takes a library: pip install 'slbroker[ws]'") from error
        return WebSocketWire(place, timeout, self.target, tls)

    def _ping(self, wire: Wire, timeout: float) -> Pong:
        call_id = f"{secrets.token_hex(8)}@slbroker"
        request = self._request(wire, call_id)
        begun = time.monotonic()
        pause, sent, repeat_at = T1, 0, begun
        while (now := time.monotonic()) < begun + timeout:
            if now >= repeat_at:
                wire.send(request)
                sent += 1
                repeat_at, pause = now + (timeout if wire.reliable else pause), min(pause * 2, T2)
            data = wire.receive(min(repeat_at, begun + timeout) - now)
            response = parse_response(data) if data else None
            if response is not None and response.first("call-id") == call_id and response.status >= 200:
                return Pong(response, time.monotonic() - begun, sent)
        raise NoAnswerError(f"no answer from {self.uri} within {timeout:g} s")

    def _request(self, wire: Wire, call_id: str) -> bytes:
        host, port = wire.here
        here = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        via = f"SIP/2.0/{self.target.transport.upper()} {here};rport;branch=z9hG4bK{secrets.token_hex(8)}"
        return ping_request("OPTIONS", self.uri, via, f"sip:ping@{here}", call_id, f"sip:ping@{here}")


class Tally:
    """What became of several pings."""

    def __init__(self, refused: range = NOT_2XX) -> None:
        """`refused` are the statuses that do not do."""
        self._statuses = refused
        self._asked = 0
        self._refused = 0  # answered, and not with 2xx
        self._failed = 0  # ... and not with what will do
        self._seconds: list[float] = []

    def answered(self, pong: Pong) -> None:
        """Count an answer."""
        self._asked += 1
        self._refused += not 200 <= pong.response.status <= 299
        self._failed += pong.response.status in self._statuses
        self._seconds.append(pong.seconds)

    def unanswered(self) -> None:
        """Count a request that got no answer."""
        self._asked += 1

    @property
    def exit_code(self) -> Exit:
        """Return NO_ANSWER where one got none, REFUSED where one got an answer that does not do, else OK."""
        if self._asked > len(self._seconds):
            return Exit.NO_ANSWER
        return Exit.REFUSED if self._failed else Exit.OK

    def __str__(self) -> str:
        words = f"{self._asked} asked, {len(self._seconds)} answered, {self._refused} of these not with 2xx"
        if not self._seconds:
            return words
        figures = (min(self._seconds), sum(self._seconds) / len(self._seconds), max(self._seconds))
        return f"{words}; min/avg/max {'/'.join(f'{figure * 1000:.2f}' for figure in figures)} ms"
