"""What the process beside an edge makes of messages: when each has passed, and nothing where nobody takes it."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from slbroker.settings.capture import CaptureSettings, Collector
from slbroker_edge.capture import collectors, hep
from slbroker_edge.capture import writer as writing
from slbroker_edge.capture.tap import words_of
from slbroker_edge.capture.writer import Writer
from tests.support.sip import request

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from slbroker_edge.capture.messages import Seen


def test_a_clock_that_is_put_back_is_followed_and_a_turn_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour back is an hour back; what comes at one moment is a microsecond apart."""
    moments: list[int] = []

    def note(_writer: Writer, found: list[Seen], _now: float) -> None:
        moments.extend(seen.at for seen in found)

    monkeypatch.setattr(Writer, "_put", note)
    writer = Writer(words_of(CaptureSettings()))
    sent = (request(), ("192.0.2.7", 5060))
    for at in (7_200.0, 7_200.0, 3_600.0, 3_600.0, 7_200.0):
        writer.take([False, at, "udp:192.0.2.1:5060", None, [sent, sent]], 0.0)
    back, again = 3_600_000_000, 7_200_000_000
    assert moments == [again, again + 1, again + 2, again + 3, back, back + 1, back + 2, back + 3, again, again + 1]


def test_for_collectors_that_do_not_read_nothing_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Seen] = []
    encode = hep.encode

    def count(seen: Seen, *rest: Any) -> bytes | None:
        encoded.append(seen)
        return encode(seen, *rest)

    monkeypatch.setattr(writing, "encode", count)
    monkeypatch.setattr(Writer, "warn", lambda _writer, _words: None)
    turn = [(b"OPTIONS sip:a@b SIP/2.0\r\n" + b"x" * 60_000, ("192.0.2.7", 5060))] * 10
    with socket.create_server(("127.0.0.1", 0)) as silent:
        writer = Writer(words_of(CaptureSettings(hep=(Collector("tcp", *silent.getsockname()[:2]),))))
        told = 0
        while not (failed := writer.figures()["hep_failed"].popitem()[1]):
            writer.take([False, 0.0, "udp:192.0.2.1:5060", None, turn], 0.0)
            told += len(turn)
        assert len(encoded) == told, "of the turn that filled it, too"
        writer.take([False, 0.0, "udp:192.0.2.1:5060", None, turn], 0.0)
        assert len(encoded) == told
        assert writer.figures()["hep_failed"].popitem()[1] == failed + len(turn)
        writer.close()


def test_it_is_full_when_nobody_takes_anything_until_somebody_has_taken_half(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Writer, "warn", lambda _writer, _words: None)
    turn = [(b"OPTIONS sip:a@b SIP/2.0\r\n" + b"x" * 60_000, ("192.0.2.7", 5060))] * 10
    with ExitStack() as stack:
        silent, other = (stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        tcp, second = (Collector("tcp", *each.getsockname()[:2]) for each in (silent, other))
        udp = Collector("udp", "127.0.0.1", 9)
        pcap = tmp_path / "sip.pcap"
        alone, both = CaptureSettings(hep=(tcp,)), CaptureSettings(hep=(second, udp))
        writers = [Writer(words_of(each)) for each in (alone, both, CaptureSettings(hep=(tcp,), pcap=pcap))]
        for _ in range(20):
            for writer in writers:
                writer.take([False, 0.0, "udp:192.0.2.1:5060", None, turn], 0.0)
                writer.look(0.0)
        assert [writer.is_full for writer in writers] == [True, False, False]
        connection = stack.enter_context(silent.accept()[0])
        taken = 0
        while taken < collectors.MAX_UNSENT // 4:
            taken += len(connection.recv(65_536))
            writers[0].look(0.0)
        assert [writer.is_full for writer in writers] == [True, False, False], "some room is soon full again"
        while any(writer.is_full for writer in writers):
            assert connection.recv(65_536)
            writers[0].look(0.0)
            taken += 65_536
        assert taken < 4 * collectors.MAX_UNSENT
        for writer in writers:
            writer.close()
