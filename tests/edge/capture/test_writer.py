"""What the process beside an edge makes of messages: when each has passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker.settings.capture import CaptureSettings
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
