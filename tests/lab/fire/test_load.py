"""Does the load source count right? It talks to a peer that answers as the number of the request says."""

from __future__ import annotations

import re
import socket
import sys
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

from tests.lab.fire import records
from tests.support.peers import free_udp_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Start
    from tests.lab.fire.records import Result
    from tests.support.processes import Process

_read = re.compile(rb"(Via: [^\r]*;branch=z9hG4bK-(?:[0-9a-f]{8}-([0-9a-f]+)|probe);?[^\r]*)\r\n", re.DOTALL).search


def reply(data: bytes, status: int = 200) -> bytes:
    found = _read(data)
    assert found, data
    return b"SIP/2.0 %d Said\r\n%b\r\nX-Worker: 17\r\nX-Held: 3\r\nContent-Length: 0\r\n\r\n" % (status, found[1])


def number_of(data: bytes) -> int:
    found = _read(data)
    assert found, data
    return int(found[2], 16) if found[2] else -1


@contextmanager
def peer(answers: Callable[[int, int], list[int]]) -> Iterator[int]:
    """A port where `answers(number, time)` says what statuses request `number` gets, the first time, the second..."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        seen: dict[int, int] = {}

        def serve() -> None:
            while data := sock.recvfrom(4_096):
                if data[0] == b"end":
                    return
                number = number_of(data[0])
                seen[number] = seen.get(number, 0) + 1
                for status in answers(number, seen[number]):
                    sock.sendto(reply(data[0], status), data[1])

        server = Thread(target=serve)
        server.start()
        yield sock.getsockname()[1]
        sock.sendto(b"end", sock.getsockname())
        server.join()


def run(start_program: Start, folder: Path, *ports: int, **options: object) -> Result:
    out = folder / "out.json"
    words = [word for port in ports for word in ("--to", f"127.0.0.1:{port}")]
    for name, value in options.items():
        words += [f"--{name}"] * value if isinstance(value, bool) else [f"--{name}", str(value)]
    process: Process = start_program(sys.executable, "-m", "tests.lab.fire.load", "--out", str(out), *words)
    assert process.wait() == 0, process
    return records.read(out)


def test_each_request_is_accounted_for(start_program: Start, tmp_path: Path) -> None:
    """Of eight: one gets no answer, one two, one a provisional one first, one 503."""
    said = {0: [], 1: [200, 200], 2: [100, 404], 3: [503]}
    with peer(lambda number, _time: said.get(number % 8, [200])) as port:
        result = run(start_program, tmp_path, port, rate=400, seconds=0.5, linger=0.3)
    assert 150 <= len(result) <= 200
    none, twice, late, refused, usual = (result.records[rest::8] for rest in range(5))
    assert {(record.status, record.answers, record.answered) for record in none} == {(0, 0, 0.0)}
    assert result.unanswered == none
    assert {(record.status, record.answers) for record in twice} == {(200, 2)}
    assert (result.duplicates, result.stray) == (len(twice), 0)
    assert {(record.status, record.answers) for record in late} == {(404, 1)}
    assert {(record.status, record.answers) for record in refused} == {(503, 1)}
    assert {(record.status, record.worker, record.held, record.sends) for record in usual} == {(200, 17, 3, 1)}
    assert all(0 < record.latency < 1 for record in usual)


def test_retransmission_is_no_duplicate(start_program: Start, tmp_path: Path) -> None:
    """What is answered the second time only was sent twice, T1 apart; the same requests go to the same address."""
    with peer(lambda number, time: [200] if time > 1 or number % 2 else []) as port:
        result = run(start_program, tmp_path, port, rate=100, seconds=0.3, linger=2, retransmit=True)
    even, odd = result.records[::2], result.records[1::2]
    assert {(r.sends, r.answers) for r in even} == {(2, 1)}
    assert {(r.sends, r.answers) for r in odd} == {(1, 1)}
    assert all(record.latency >= 0.5 for record in even)
    assert result.duplicates == 0


def test_probes_lead_away_from_who_says_503(start_program: Start, tmp_path: Path) -> None:
    with peer(lambda number, _time: [503] if number < 0 else [200]) as bad, peer(lambda _number, _time: [200]) as good:
        result = run(start_program, tmp_path, bad, good, rate=200, seconds=0.6, probe=True)
    assert {(target, status) for _at, target, status in result.probes} == {(0, 503), (1, 200)}
    assert {record.target for record in result.records[len(result) // 2 :]} == {1}


def test_nobody_there_is_noticed(start_program: Start, tmp_path: Path) -> None:
    result = run(start_program, tmp_path, free_udp_port(), rate=100, seconds=0.3, linger=0)
    assert len(result.unanswered) == len(result) > 0
    assert result.refused > 0


def test_a_window_is_kept(start_program: Start, tmp_path: Path) -> None:
    with peer(lambda number, _time: [200] if number < 20 else []) as port:
        result = run(start_program, tmp_path, port, window=8, seconds=0.3, linger=0)
    assert len(result) == 28
    assert len(result.unanswered) == 8
