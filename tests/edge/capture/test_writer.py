"""What the process beside an edge makes of messages: when each has passed, and nothing where nobody takes it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from slbroker.settings.capture import CaptureSettings, Collector
from slbroker_edge.capture import hep
from slbroker_edge.capture import writer as writing
from slbroker_edge.capture.tap import words_of
from slbroker_edge.capture.writer import Writer
from tests.support.sip import request

if TYPE_CHECKING:
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
        assert len(encoded) == told - failed
        writer.take([False, 0.0, "udp:192.0.2.1:5060", None, turn], 0.0)
        assert len(encoded) == told - failed
        assert writer.figures()["hep_failed"].popitem()[1] == failed + len(turn)
        writer.close()
