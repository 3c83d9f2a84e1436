"""Time in tests: every timeout goes through `within`, so that one variable suits a slow machine."""

from __future__ import annotations

import os
import time
import timeit
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _slowness() -> float:
    """SLBROKER_TEST_TIME; without it what pytest-xdist makes of the machine, when it has more workers than cores."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return float(os.environ.get("SLBROKER_TEST_TIME", max(1.0, workers / (os.cpu_count() or 1))))


# How much longer than on an idle machine things may take here.
TIME = _slowness()
_POLL_SECONDS = 0.02


def within(seconds: float) -> float:
    """A timeout of `seconds` as it has to be on this machine."""
    return seconds * TIME


def processor_time(attempt: Callable[[], object]) -> float:
    """Return the seconds of processor time that one call takes: other processes on the machine do not count."""
    return timeit.timeit(attempt, timer=time.process_time, number=1)


def until(condition: Callable[[], object], seconds: float = 5.0, *, what: str = "the condition") -> None:
    """Wait until `condition()` is true, `seconds` (scaled) at most; fails naming `what`.

    For tests that watch another process. A unit test passes `now` instead.
    """
    deadline = time.monotonic() + within(seconds)
    while not condition():
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what} did not come true within {within(seconds):g} s")
        time.sleep(_POLL_SECONDS)
