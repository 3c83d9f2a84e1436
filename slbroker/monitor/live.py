"""What open pages are told, again and again: the board, how things went in the last minutes, recent requests.

Made once for all who look. Edges are asked for requests only while somebody does.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from slbroker.monitor.board import board
from slbroker.version import VERSION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from slbroker.monitor.gathering import Gathering

KEPT: Final = 300  # points of the chart
APART: Final = 1.0  # seconds between two, at least
LINES: Final = ("received", "replied", "absorbed", "passed", "shed", "failed")  # of the chart
AT_ONCE: Final = 100  # requests in one event


class Live:
    """The stream of the page. Call `tick` once an interval."""

    def __init__(self, gathering: Gathering, interval: float, log: Any) -> None:
        """`log` returns this process's own last lines (`recentlog.RecentLog.lines`)."""
        self._gathering = gathering
        self._interval = interval
        self._own_log = log
        self._points: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._number = 0  # of the newest point
        self._due = 0.0
        self._board: dict[str, Any] = {}
        self._events: dict[tuple[int, int], tuple[bytes, int, int]] = {}  # since the last tick; `_event` has the shape

    def tick(self, now: float) -> None:
        """Look at what is known; with nobody who looks once a second is enough, for the chart."""
        if now < self._due and not self._gathering.is_looked_at(now):
            return
        self._board = board(self._gathering.known, self._gathering.trend, now)
        lines = [{"at": at, "level": level, "text": text, "who": "monitor"} for at, level, text in self._own_log()]
        self._board["log"] = sorted([*self._board["log"], *lines], key=lambda line: -line["at"])
        if now >= self._due:
            self._due = now + APART
            self._number += 1
            whole: dict[str, Any] = next(each for each in self._board["stages"] if each["stage"] == "whole")
            point = {name: self._board["rates"][name] for name in LINES}
            self._points.append({"number": self._number, "at": round(time.time(), 2), "p99": whole.get("p99"), **point})
        self._events.clear()

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield events (text/event-stream) until the monitor ends: once an interval, whether there is news or not."""
        point = request = 0
        gathering = self._gathering
        while not gathering.is_ending:
            gathering.look(time.monotonic())
            if not self._board:
                self.tick(time.monotonic())
            event, point, request = self._event(point, request)
            yield event
            with suppress(TimeoutError):
                await asyncio.wait_for(gathering.over.wait(), self._interval)

    def _event(self, point: int, request: int) -> tuple[bytes, int, int]:
        """Return the event for one who has been told up to this point and this request, and up to where it tells.

        Made once for all who have been told as much.
        """
        if (point, request) not in self._events:
            points = [each for each in self._points if each["number"] > point]
            requests = self._gathering.recent.behind(request)[:AT_ONCE]
            event = {
                **self._board, "version": VERSION, "at": round(time.time(), 2), "interval": self._interval,
                "points": points, "requests": requests,
            }  # fmt: skip
            data = b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"
            ends = points[-1]["number"] if points else point, requests[-1]["number"] if requests else request
            self._events[point, request] = data, *ends
        return self._events[point, request]
