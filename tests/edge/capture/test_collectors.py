"""Collectors that are not there, do not read, go, come back: nothing waits for them, what they miss is counted."""

from __future__ import annotations

import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from slbroker.settings.capture import Collector
from slbroker_edge.capture.collectors import LOOK_UP_AGAIN, MAX_UNSENT, TcpCollector, UdpCollector
from tests.support.peers import free_tcp_port, free_udp_port
from tests.support.timing import until

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def look_until(collector: TcpCollector, now: float, is_so: Callable[[], bool]) -> None:
    """Have it look, again and again, until something is so."""

    def look() -> bool:
        collector.look(now)
        return is_so()

    until(look)


def test_where_nobody_listens_it_is_counted_and_told_once() -> None:
    said: list[str] = []
    gone = UdpCollector(Collector("udp", "127.0.0.1", free_udp_port()), said.append)
    for _ in range(50):
        gone.send_all([b"packet"], 0.0)
    assert gone.sent + gone.failed == 50
    assert gone.failed > 0
    assert len(said) == 1
    gone.close()


def test_a_name_that_leads_nowhere_is_counted() -> None:
    said: list[str] = []
    gone = UdpCollector(Collector("udp", "homer.invalid", 9060), said.append)
    for _ in range(50):
        gone.send_all([b"packet"], 0.0)
    assert (gone.sent, gone.failed, len(said)) == (0, 50, 1)


def test_a_collector_is_kept_while_dns_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as homer:
        homer.bind(("127.0.0.1", 0))
        known = UdpCollector(Collector("udp", "localhost", homer.getsockname()[1]), said.append)
        monkeypatch.setattr(socket, "getaddrinfo", partial(look_up_four, socket.getaddrinfo))
        known.send_all([b"1"], 0.0)
        monkeypatch.setattr(socket, "getaddrinfo", nobody_knows)
        known.send_all([b"2"], LOOK_UP_AGAIN + 1.0)
        known.send_all([b"3"], LOOK_UP_AGAIN + 2.0)
        assert [homer.recv(10) for _ in range(3)] == [b"1", b"2", b"3"]
        known.close()
    assert (known.sent, known.failed, len(said)) == (3, 0, 1)
    assert "its name is not known" in said[0]


def look_up_four(look_up: Any, host: str, port: int, **more: Any) -> Any:
    return look_up(host, port, family=socket.AF_INET, **more)


def nobody_knows(*_: Any, **__: Any) -> Any:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def test_one_that_never_reads_costs_no_time_and_no_memory_without_end() -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = TcpCollector(Collector("tcp", *server.getsockname()[:2]), said.append)
        begun = time.monotonic()
        for _ in range(20_000):
            silent.send_all([b"x" * 1_000], 0.0)
        assert time.monotonic() - begun < 5.0
        assert silent.failed > 0
        assert silent._held <= MAX_UNSENT
        assert silent.sent + silent.failed + len(silent._unsent) == 20_000
        assert len(said) == 1
        silent.close()


def test_one_that_comes_back_gets_whole_packets() -> None:
    said: list[str] = []
    port = free_tcp_port()
    away = TcpCollector(Collector("tcp", "127.0.0.1", port), said.append)
    away.send_all([b"<first>"], 0.0)
    look_until(away, 0.0, lambda: bool(said))
    away.send_all([b"<second>"], 1.0)
    with socket.create_server(("127.0.0.1", port)) as server:
        away.look(10.0)
        connection, _ = server.accept()
        look_until(away, 10.0, lambda: away.sent == 2)
        assert connection.recv(100) == b"<first><second>"
        connection.close()
    away.close()
    assert away.failed == 0


def test_one_that_is_started_again_gets_the_next_packet() -> None:
    """What the kernel takes for a connection that the collector has closed would be lost, and counted as sent."""
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        again = TcpCollector(Collector("tcp", *server.getsockname()[:2]), said.append)
        again.send_all([b"<first>"], 0.0)
        look_until(again, 0.0, lambda: again.sent == 1)
        server.accept()[0].close()
        look_until(again, 1.0, lambda: bool(said))
        again.send_all([b"<second>"], 1.0)
        look_until(again, 10.0, lambda: again.sent == 2)
        connection, _ = server.accept()
        assert connection.recv(100) == b"<second>"
        connection.close()
    again.close()
    assert (again.failed, said) == (0, [f"--hep {again.name}: it has hung up"])


def test_a_packet_that_was_half_sent_is_sent_whole_again() -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        port = server.getsockname()[1]
        cut = TcpCollector(Collector("tcp", "127.0.0.1", port), said.append)
        packets = [b"%06d" % number + b"." * 59_994 for number in range(60)]
        for packet in packets:
            cut.send_all([packet], 0.0)
        first, _ = server.accept()
        look_until(cut, 0.0, lambda: cut._begun > 0)
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        first.close()
        cut.look(1.0)
        sent = cut.sent
        look_until(cut, 10.0, lambda: cut._socket is not None)
        second, _ = server.accept()
        second.settimeout(5.0)
        got = b""
        while len(got) < 60_000 * (60 - sent):
            cut.look(20.0)
            got += second.recv(1_000_000)
        assert got == b"".join(packets[sent:])
        second.close()
        cut.close()
