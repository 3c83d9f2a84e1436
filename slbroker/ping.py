"""`slbroker ping`: an OPTIONS over UDP, and how long its answer takes."""

from __future__ import annotations

import re
import secrets
import socket
import time
from typing import NamedTuple

from slbroker.config import DEFAULT_SIP_PORT
from slbroker.errors import ConfigError, NoAnswerError
from slbroker.sip.response import Response, parse_response

T1 = 0.5  # seconds; RFC 3261 17.1.2.2: an unanswered request is repeated after T1, 2*T1, 4*T1, 4 s at most
T2 = 4.0

_match_target = re.compile(
    r"(?:sip:)?(?:[^@\s]+@)?"  # scheme, user
    r"(\[[0-9A-Fa-f:.%\w]+\]|[^:\[\]@\s;]+)(?::([0-9]{1,5}))?(?:;.*)?"  # host, port, parameters
).fullmatch


class Pong(NamedTuple):
    """An answer, how long it took in seconds, and how often the request was sent."""

    response: Response
    seconds: float
    sent: int


class Pinger:
    """Sends OPTIONS to one address, from a socket of its own; use it in a `with` statement."""

    def __init__(self, uri: str) -> None:
        """`uri` is sip:host:port; raises ConfigError when it is not, or the host is unknown."""
        found = _match_target(uri)
        if found is None:
            raise ConfigError(f"{uri!r} is no SIP address to ping: write sip:host:port")
        self.uri = uri if uri.startswith("sip:") else f"sip:{uri}"
        host, port = found[1].strip("[]"), int(found[2] or DEFAULT_SIP_PORT)
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except (OSError, OverflowError) as error:
            raise ConfigError(f"cannot ping {uri}: {error}") from error
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            raise ConfigError(f"cannot ping {uri}: {error.strerror}") from error

    def __enter__(self) -> Pinger:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ping(self, timeout: float) -> Pong:
        """Send one OPTIONS, repeat it as RFC 3261 17.1.2 says, and return its final answer.

        Raises NoAnswerError when none has come after `timeout` seconds.
        """
        call_id = f"{secrets.token_hex(8)}@slbroker"
        request = self._request(call_id)
        begun = time.monotonic()
        pause, sent, repeat_at = T1, 0, begun
        while (now := time.monotonic()) < begun + timeout:
            if now >= repeat_at:
                self._send(request)
                sent += 1
                repeat_at, pause = now + pause, min(pause * 2, T2)
            response = self._receive(min(repeat_at, begun + timeout) - now, call_id)
            if response is not None:
                return Pong(response, time.monotonic() - begun, sent)
        raise NoAnswerError(f"no answer from {self.uri} within {timeout:g} s")

    def _send(self, request: bytes) -> None:
        try:
            self._socket.send(request)
        except ConnectionRefusedError:
            return  # nobody listens, yet: it may be starting
        except OSError as error:
            raise NoAnswerError(f"cannot reach {self.uri}: {error.strerror}") from error

    def _receive(self, seconds: float, call_id: str) -> Response | None:
        """Return our final answer if one comes within `seconds`."""
        self._socket.settimeout(max(seconds, 0.001))
        try:
            response = parse_response(self._socket.recv(65_535))
        except TimeoutError:
            return None
        except ConnectionRefusedError:
            time.sleep(min(seconds, 0.1))
            return None
        ours = response is not None and response.first("call-id") == call_id and response.status >= 200
        return response if ours else None

    def _request(self, call_id: str) -> bytes:
        host, port = self._socket.getsockname()[:2]
        here = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = (
            f"OPTIONS {self.uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {here};rport;branch=z9hG4bK{secrets.token_hex(8)}",
            "Max-Forwards: 70",
            f"From: <sip:ping@{here}>;tag={secrets.token_hex(4)}",
            f"To: <{self.uri}>",
            f"Call-ID: {call_id}",
            "CSeq: 1 OPTIONS",
            f"Contact: <sip:ping@{here}>",
            "User-Agent: slbroker ping",
            "Content-Length: 0",
        )
        return "\r\n".join((*lines, "", "")).encode()
