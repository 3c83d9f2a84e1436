"""How an edge hands messages over: all while it has time, a small share of its time when it has not."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from slbroker.settings.capture import CaptureSettings
from slbroker_edge.capture.tap import SHARE, WINDOW, Tap
from tests.support.edge import FakeListener
from tests.support.sip import SIPP_INVITE

if TYPE_CHECKING:
    from pathlib import Path

    from slbroker.sip.reading import Address

TURN: list[tuple[bytes, Address]] = [(SIPP_INVITE, ("192.0.2.1", 5060 + number)) for number in range(64)]
TICK = 0.05  # seconds between two looks, as in service
TICKS = round(WINDOW / TICK)  # until it is judged anew


class Thread:
    """A thread that has worked as long as it is told."""

    def __init__(self) -> None:
        self.worked = 0.0

    def __call__(self) -> float:
        return self.worked


def looked_at(folder: Path) -> tuple[Tap, Thread]:
    """A tap that has been looked at once, at 100.0."""
    thread = Thread()
    tap = Tap(CaptureSettings(pcap=folder / "sip.pcap"), worked=thread)
    tap.look(100.0)
    return tap, thread


def test_a_busy_edge_spends_little_on_it_and_counts_what_is_left_out(tmp_path: Path) -> None:
    async def run() -> None:
        (tap, thread), listener, now = looked_at(tmp_path), FakeListener(), 100.0
        try:
            now, thread.worked = now + WINDOW, 0.99 * WINDOW
            tap.look(now)
            spent = 0.0
            for _ in range(2 * TICKS):
                now, thread.worked = now + TICK, thread.worked + 0.99 * TICK
                tap.look(now)
                begun = time.thread_time()
                for _ in range(50):  # 64,000 messages a second: more than any edge has
                    tap.came(TURN, listener)
                    tap.flush()
                spent += time.thread_time() - begun
            assert 0 < tap.lost < tap.received
            assert spent < 2 * WINDOW * SHARE + 0.1, "counting takes some time, too"
        finally:
            tap.close()
        figures = tap.figures()
        assert figures["pcap_written"] + figures["lost"] == figures["received"] == 64 * 1_000

    asyncio.run(run())


def test_an_edge_with_time_shows_everything_again(tmp_path: Path) -> None:
    async def run() -> None:
        (tap, thread), listener = looked_at(tmp_path), FakeListener()
        try:
            thread.worked = WINDOW
            tap.look(100.0 + WINDOW)
            tap._left = 0.0
            tap.came(TURN, listener)
            tap.flush()
            assert tap.lost == 64
            tap.look(100.0 + 2 * WINDOW + TICK)
            tap.came(TURN, listener)
            tap.flush()
            assert tap.lost == 64
        finally:
            tap.close()
        assert tap.figures()["pcap_written"] == 64

    asyncio.run(run())


def test_an_edge_that_works_through_some_ticks_leaves_nothing_out(tmp_path: Path) -> None:
    """As one does that has just started: what its first messages take is more than a share of a tick."""

    async def run() -> None:
        (tap, thread), listener, now = looked_at(tmp_path), FakeListener(), 100.0
        try:
            for _ in range(TICKS // 2):
                now, thread.worked = now + TICK, thread.worked + TICK
                tap.look(now)
                begun = time.perf_counter()
                while time.perf_counter() < begun + SHARE * TICK:
                    tap.came(TURN[:1], listener)
                    tap.flush()
                tap.came(TURN[:1], listener)
                tap.flush()
            assert tap.lost == 0
        finally:
            tap.close()

    asyncio.run(run())
