"""`slbroker ping` over UDP, against a server that does what the test says."""

from __future__ import annotations

import re
import socket
import time
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from slbroker import ping
from slbroker.errors import ConfigError, NoAnswerError
from slbroker.ping import Pinger
from slbroker.sip.parser import parse
from tests.support.processes import run_slbroker
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
    assert (pong.response.status, pong.response.reason) == (200, "OK")
    assert 0 < pong.seconds < within(5.0)
    assert pong.sent >= 1


def test_a_terminal_is_not_told_what_to_do_by_an_answer() -> None:
    with server(lambda data, _number: [reply(data, "404 \x1b]0;mine\x07 \xe4")]) as port:
        asked = run_slbroker("ping", f"sip:127.0.0.1:{port}")
    assert asked.wait() == 7
    assert asked.output.startswith("404 \ufffd]0;mine\ufffd \xe4 from sip:")


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


def test_nobody_listens_is_known_at_once_and_not_after_the_time_out() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    begun = time.monotonic()
    names = ["127.0.0.1"]
    with suppress(OSError):  # a Debian that debootstrap made has no /etc/hosts
        names += ["localhost"] if socket.gethostbyname("localhost") else []
    for uri in [f"sip:{name}:{port}" for name in names]:
        with (
            pytest.raises(NoAnswerError, match=f"^nobody listens at {uri}: connection refused$"),
            Pinger(uri) as pinger,
        ):
            pinger.ping(60.0)
    assert time.monotonic() - begun < within(5.0)


def test_a_name_s_next_address_is_tried_where_nobody_listens_at_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(lambda data, _number: [reply(data)]) as port:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            closed = sock.getsockname()
        found = [(socket.AF_INET, ("127.0.0.1", closed[1])), (socket.AF_INET, ("127.0.0.1", port))]
        monkeypatch.setattr(ping, "look_up", lambda _address: found)
        assert ask(port).response.status == 200


@pytest.mark.parametrize(("status", "code"), [("200 OK", 0), ("503 Later", 7), ("404 No", 7), ("302 There", 7)])
def test_the_exit_code_says_whether_it_is_well(status: str, code: int) -> None:
    with server(lambda data, _number: [reply(data, status)]) as port:
        process = run_slbroker("ping", f"sip:127.0.0.1:{port}")
        any_will_do = run_slbroker("ping", f"sip:127.0.0.1:{port}", "--any-answer")
        ready = run_slbroker("ping", f"sip:127.0.0.1:{port}", "--ready")
    assert (process.wait(), any_will_do.wait(), ready.wait()) == (code, 0, 7 if status.startswith("5") else 0)
    assert process.output.startswith(f"{status} from sip:127.0.0.1:{port} in ")


def test_several_pings_end_with_a_summary() -> None:
    with server(lambda data, number: [reply(data, "503 Later" if number == 1 else "200 OK")]) as port:
        process = run_slbroker("ping", f"sip:127.0.0.1:{port}", "--count", "2")
    assert process.wait() == 7
    summary = process.output.splitlines()[-1]
    assert re.fullmatch(r"2 asked, 2 answered, 1 of these not with 2xx; min/avg/max [0-9./]+ ms", summary)
    process = run_slbroker("ping", f"sip:127.0.0.1:{port}", "--count", "2")  # nobody is there any more
    assert process.wait() == 6
    assert process.log.count("nobody listens at") == 2
    assert process.output == "2 asked, 0 answered, 0 of these not with 2xx\n"


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
