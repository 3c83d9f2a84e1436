"""`slbroker ping` over UDP, against a server that does what the test says."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from slbroker import ping
from slbroker.errors import ConfigError, NoAnswerError
from slbroker.ping import Pinger
from slbroker.sip.parser import parse
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def server(answer: Callable[[bytes, int], list[bytes]], host: str = "127.0.0.1") -> Iterator[int]:
    """Serve on a free port; `answer(request, its number)` gives the datagrams to send."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))

        def serve() -> None:
            number = 0
            while True:
                data, address = sock.recvfrom(65_535)
                if data == b"stop":
                    return
                number += 1
                for reply in answer(data, number):
                    sock.sendto(reply, address)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield sock.getsockname()[1]
        sock.sendto(b"stop", sock.getsockname())
        thread.join(within(5.0))


def reply(request: bytes, status: str = "200 OK") -> bytes:
    return b"SIP/2.0 %b\r\n%b" % (status.encode(), request.partition(b"\r\n")[2])


@pytest.fixture(autouse=True)
def short_t1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ping, "T1", 0.02)


def ask(port: int, timeout: float = 5.0, host: str = "127.0.0.1") -> ping.Pong:
    with Pinger(f"sip:{host}:{port}") as pinger:
        return pinger.ping(within(timeout))


def test_an_answer_and_how_long_it_took() -> None:
    with server(lambda data, _number: [reply(data)]) as port:
        pong = ask(port)
    assert (pong.response.status, pong.response.reason) == (200, b"OK")
    assert 0 < pong.seconds < within(5.0)
    assert pong.sent >= 1


def test_any_final_answer_counts() -> None:
    with server(lambda data, _number: [reply(data, "503 Later")]) as port:
        assert ask(port).response.status == 503


def test_its_request_is_a_good_one() -> None:
    seen: list[bytes] = []

    def answer(data: bytes, _number: int) -> list[bytes]:
        seen.append(data)
        return [reply(data)]

    with server(answer) as port:
        ask(port)
    request = parse(seen[0])
    assert (request.method, request.uri, request.cseq) == (b"OPTIONS", f"sip:127.0.0.1:{port}".encode(), 1)
    assert b"rport" in (request.first(b"via") or b"")
    assert request.from_tag
    assert not request.to_tag


def test_it_repeats_itself_until_it_is_answered() -> None:
    seen: list[bytes] = []

    def answer(data: bytes, number: int) -> list[bytes]:
        seen.append(data)
        return [reply(data)] if number >= 3 else []

    with server(answer) as port:
        assert ask(port).sent >= 3
    assert len(set(seen)) == 1


def test_what_is_no_final_answer_to_it_is_passed_over() -> None:
    with server(
        lambda data, _number: [
            b"garbage",
            b"",
            data,
            reply(data.replace(b"Call-ID: ", b"Call-ID: x"), "500 Not Yours"),
            reply(data, "100 Trying"),
            reply(data, "180 Ringing"),
            reply(data),
        ]
    ) as port:
        assert ask(port).response.status == 200


def test_nobody_answers() -> None:
    with server(lambda _data, _number: []) as port, pytest.raises(NoAnswerError) as caught:
        ask(port, timeout=0.1)
    assert str(caught.value).startswith(f"no answer from sip:127.0.0.1:{port} within 0.")


def test_nobody_listens() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with pytest.raises(NoAnswerError, match="no answer from"):
        ask(port, timeout=0.1)


def test_ipv6() -> None:
    try:
        with server(lambda data, _number: [reply(data)], "::1") as port:
            assert ask(port, host="[::1]").response.status == 200
    except OSError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize(
    "uri",
    [
        "", "sip:", "sip:a b", "sip:h:0", "sip:h:65536", "sip:h:5060:7", "sip:[::1", "sip:@", "sip:a@b@c",
        "sip:a..b", "sip:h\r\nX: y", "sip:[fe80::1%nosuchlink]",
    ],
)  # fmt: skip
def test_what_cannot_be_pinged_is_said_on_one_line(uri: str) -> None:
    with pytest.raises(ConfigError) as caught, Pinger(uri) as pinger:
        pinger.ping(0.1)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("uri", ["127.0.0.1:{}", "sip:bob@127.0.0.1:{}", "sip:127.0.0.1:{};transport=udp"])
def test_targets_in_other_words(uri: str) -> None:
    with server(lambda data, _number: [reply(data)]) as port, Pinger(uri.format(port)) as pinger:
        assert pinger.ping(within(5.0)).response.status == 200
