"""Statistics and counters."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tests.handlers.kemi.scripts import serve

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_counters_are_logged_when_the_worker_stops(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with serve(tmp_path, "KSR.statistics.update_stat('mine', 2), KSR.counters.inc('mine')") as client:
        client.request("INVITE")
        client.request("INVITE")
    assert "statistic mine = 6" in caplog.text
