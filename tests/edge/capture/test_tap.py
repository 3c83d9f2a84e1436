"""How an edge hands messages over: all while it has time, a small share of its time when it has not."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from slbroker.settings.capture import CaptureSettings
from slbroker_edge.capture.tap import SHARE, Tap
from tests.support.edge import FakeListener
from tests.support.sip import SIPP_INVITE

if TYPE_CHECKING:
    from pathlib import Path

    from slbroker.sip.reading import Address

TURN: list[tuple[bytes, Address]] = [(SIPP_INVITE, ("192.0.2.1", 5060 + number)) for number in range(64)]
TICK = 0.05  # seconds between two looks, as in service


class Thread:
    """A thread that has worked as long as it is told."""

    def __init__(self) -> None:
        self.worked = 0.0

    def __call__(self) -> float:
        return self.worked


def test_a_busy_edge_spends_little_on_it_and_counts_what_is_left_out(tmp_path: Path) -> None:
    async def run() -> None:
        thread, listener, now = Thread(), FakeListener(), 100.0
        tap = Tap(CaptureSettings(pcap=tmp_path / "sip.pcap"), worked=thread)
        tap.look(now)
        try:
            spent = 0.0
            for _ in range(10):
                now, thread.worked = now + TICK, thread.worked + 0.99 * TICK
                tap.look(now)
                begun = time.thread_time()
                for _ in range(100):  # 128,000 messages a second: more than any edge has
                    tap.came(TURN, listener)
                    tap.flush()
                spent += time.thread_time() - begun
            assert 0 < tap.lost < tap.received
            assert spent < 10 * TICK * SHARE + 0.1, "counting takes some time, too"
        finally:
            tap.close()
        figures = tap.figures()
        assert figures["pcap_written"] + figures["lost"] == figures["received"] == 64 * 1_000

    asyncio.run(run())


def test_an_edge_with_time_shows_everything_again(tmp_path: Path) -> None:
    async def run() -> None:
        thread, listener = Thread(), FakeListener()
        tap = Tap(CaptureSettings(pcap=tmp_path / "sip.pcap"), worked=thread)
        tap.look(100.0)
        try:
            thread.worked = TICK
            tap.look(100.0 + TICK)
            tap._left = 0.0
            tap.came(TURN, listener)
            tap.flush()
            assert tap.lost == 64
            tap.look(100.0 + 2 * TICK)
            tap.came(TURN, listener)
            tap.flush()
            assert tap.lost == 64
        finally:
            tap.close()
        assert tap.figures()["pcap_written"] == 64

    asyncio.run(run())
