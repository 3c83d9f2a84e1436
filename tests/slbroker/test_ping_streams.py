"""`slbroker ping` over TCP, against a server that does what the test says; over TLS it is tried in tests/edge."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import ConfigError, NoAnswerError
from slbroker.listen import ListenAddress
from slbroker.ping import Pinger, parse_target
from slbroker.sip.framer import Framer
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def server(answer: Callable[[bytes], list[bytes]]) -> Iterator[str]:
    """Serve one connection on a free port; `answer(request)` gives what to send, b"" to hang up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                framer = Framer()
                while data := sock.recv(65_535):
                    for request in framer.feed(data, 0.0):
                        for piece in answer(request):
                            if not piece:
                                return
                            sock.sendall(piece)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"sip:127.0.0.1:{listener.getsockname()[1]};transport=tcp"
        thread.join(within(5.0))


def reply(request: bytes, status: bytes = b"200 OK") -> bytes:
    return b"SIP/2.0 %b\r\n%b" % (status, request.partition(b"\r\n")[2])


def test_several_pings_on_one_connection() -> None:
    seen: list[bytes] = []

    def answer(request: bytes) -> list[bytes]:
        seen.append(request)
        return [reply(request)]

    with server(answer) as uri, Pinger(uri) as pinger:
        pongs = [pinger.ping(within(5.0)) for _ in range(3)]
        assert [(pong.response.status, pong.sent) for pong in pongs] == [(200, 1)] * 3
    assert len(seen) == 3
    assert all(b"\r\nVia: SIP/2.0/TCP 127.0.0.1:" in request for request in seen)


def test_an_answer_in_pieces_and_after_others() -> None:
    def answer(request: bytes) -> list[bytes]:
        data = reply(request, b"100 Trying") + b"\r\n" + reply(request).replace(b"Call-ID: ", b"Call-ID: x")
        data += reply(request, b"486 Busy Here")
        return [data[:700], data[700:]]

    with server(answer) as uri, Pinger(uri) as pinger:
        assert pinger.ping(within(5.0)).response.status == 486


@pytest.mark.parametrize(
    ("pieces", "message"),
    [([b""], "the connection was closed"), ([b"HTTP/1.1 200 OK\r\n\r\n"], "what answers is no SIP")],
)
def test_what_is_no_answer(pieces: list[bytes], message: str) -> None:
    with (
        server(lambda _request: pieces) as uri,
        Pinger(uri) as pinger,
        pytest.raises(NoAnswerError, match=f"^cannot reach {uri}: {message}$"),
    ):
        pinger.ping(within(5.0))


def test_nobody_answers() -> None:
    with (
        server(lambda _request: []) as uri,
        Pinger(uri) as pinger,
        pytest.raises(NoAnswerError, match=f"^no answer from {uri} within 0.05 s$"),
    ):
        pinger.ping(0.05)


def test_nobody_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        uri = f"sip:127.0.0.1:{bound.getsockname()[1]};transport=tcp"
        with (
            Pinger(uri) as pinger,
            pytest.raises(NoAnswerError, match=f"^nobody listens at {uri}: connection refused$"),
        ):
            pinger.ping(within(5.0))


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("sip:192.0.2.1", ("udp", "192.0.2.1", 5060)),
        ("192.0.2.1:5070", ("udp", "192.0.2.1", 5070)),
        ("sip:example.com;transport=udp", ("udp", "example.com", 5060)),
        ("sip:bob@example.com;lr;transport=TCP;x=y", ("tcp", "example.com", 5060)),
        ("sip:example.com;transport=tls", ("tls", "example.com", 5061)),
        ("sips:example.com", ("tls", "example.com", 5061)),
        ("sips:example.com:5060;transport=tcp", ("tls", "example.com", 5060)),  # RFC 3261 26.2.2: TLS over TCP
        ("sip:[::1]:5062;transport=tcp", ("tcp", "::1", 5062)),
    ],
)
def test_targets(uri: str, target: tuple[str, str, int]) -> None:
    assert parse_target(uri) == ListenAddress(*target)


@pytest.mark.parametrize("uri", ["sip:h;transport=sctp", "sip:h;transport=", "sips:", "tel:", "sip:h:0", "sip:h:70000"])
def test_what_is_no_target(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"is no SIP address to ping: write sip:host:port"):
        parse_target(uri)
