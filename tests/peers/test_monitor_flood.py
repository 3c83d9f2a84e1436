"""A crowd that asks the monitor without end: it has a share of a processor, and who scrapes is served."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slbroker.monitor.gate import IN_HAND, SHARE
from slbroker.monitor.web import STREAMS
from tests.peers.monitor import Monitor, start_monitor
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Start
    from tests.peers.conftest import Deployment
    from tests.support.certificates import Authority

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(180))]

CROWD = 16
LASTS = 2.5  # seconds
GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = (
    b"POST /RPC HTTP/1.1\r\nHost: localhost\r\nContent-Length: 66\r\n\r\n"
    b'{"jsonrpc":"2.0","method":"stats.fetch","params":["all"],"id": "1"}'
)


def cpu_of(pid: int) -> float:
    """The CPU seconds of a process's first thread, which serves."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def where(monitor: Monitor) -> tuple[str, int]:
    host, port = monitor.url.partition("://")[2].rsplit(":", 1)
    return host, int(port)


def ask_on(peer: socket.socket, words: bytes) -> bool:
    """Ask once, read an answer as far as one look shows it; return whether there was any."""
    peer.sendall(words)
    return bool(peer.recv(1 << 20))


def keep_asking(monitor: Monitor, words: bytes, ends: threading.Event) -> None:
    """Ask on one connection as fast as one is answered; on another one when it is closed."""
    while not ends.is_set():
        with suppress(OSError), socket.create_connection(where(monitor), timeout=1.0) as peer:
            while not ends.is_set() and ask_on(peer, words):
                pass


def keep_coming(monitor: Monitor, words: bytes, ends: threading.Event) -> None:
    """Connect anew for each question."""
    while not ends.is_set():
        with suppress(OSError), socket.create_connection(where(monitor), timeout=1.0) as peer:
            ask_on(peer, words)


def keep_shaking_hands(monitor: Monitor, _words: bytes, ends: threading.Event) -> None:
    """Make TLS connections, and ask nothing."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    while not ends.is_set():
        with suppress(OSError), socket.create_connection(where(monitor), timeout=1.0) as peer:
            context.wrap_socket(peer).close()


@contextmanager
def crowd(monitor: Monitor, act: Callable[[Monitor, bytes, threading.Event], None], words: bytes) -> Iterator[None]:
    """Inside, a crowd does that."""
    ends = threading.Event()
    threads = [threading.Thread(target=act, args=(monitor, words, ends)) for _ in range(CROWD)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ends.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (keep_asking, GET % b"/metrics"),
        (keep_asking, GET % b"/nothing"),
        (keep_asking, POST),
        (keep_asking, b"no HTTP\r\n\r\n"),
        (keep_coming, GET % b"/metrics"),
        (keep_coming, GET % b"/healthz"),
    ],
)
def test_a_crowd_has_a_share_of_a_processor_and_a_scrape_is_served(
    deployment: Deployment, start_slbroker: Start, act: Callable[..., None], words: bytes
) -> None:
    monitor = start_monitor(start_slbroker, deployment.edge.bus)
    until(lambda: monitor.metric("slbroker_up"), 10)
    check_share(monitor, act, words)


def check_share(monitor: Monitor, act: Callable[..., None], words: bytes) -> None:
    with crowd(monitor, act, words):
        time.sleep(0.5)
        begun, spent = time.monotonic(), cpu_of(monitor.process.pid)
        took = []
        while time.monotonic() < begun + LASTS:
            asked = time.monotonic()
            assert monitor.metric("slbroker_up")
            assert monitor.get("/healthz").text == "ok\n"
            took.append(time.monotonic() - asked)
            time.sleep(0.2)
        passed, spent = time.monotonic() - begun, cpu_of(monitor.process.pid) - spent
    # What edges tell is on top of it, five times a second here.
    assert spent < (SHARE * passed + IN_HAND) * 1.5, f"{spent / passed:.0%} of a processor"
    assert max(took) < within(3.0), "a scrape and a probe"


def test_handshakes_count_too(deployment: Deployment, start_slbroker: Start, authority: Authority) -> None:
    pair = authority.issue("localhost")
    tls = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))
    monitor = start_monitor(start_slbroker, deployment.edge.bus, options=tls)
    monitor = Monitor(monitor.process, monitor.url.replace("127.0.0.1", "localhost"), context=authority.client())
    until(lambda: monitor.metric("slbroker_up"), 10)
    check_share(monitor, keep_shaking_hands, b"")


def test_streams_that_nobody_reads_leave_room(deployment: Deployment, start_slbroker: Start) -> None:
    monitor = start_monitor(start_slbroker, deployment.edge.bus)
    until(lambda: monitor.metric("slbroker_up"), 10)
    opened = [socket.create_connection(where(monitor), timeout=within(5)) for _ in range(STREAMS)]
    for number, peer in enumerate(opened):
        peer.sendall(GET % (b"/events", b"/live")[number % 2])
        assert peer.recv(15) == b"HTTP/1.1 200 OK"
    refused = monitor.get("/live")
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    assert monitor.metric("slbroker_up")
    for peer in opened:
        peer.close()

    def is_open_again() -> bool:
        with socket.create_connection(where(monitor), timeout=within(5)) as peer:
            peer.sendall(GET % b"/live")
            return peer.recv(15) == b"HTTP/1.1 200 OK"

    until(is_open_again, 10)
