"""Waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.handlers.kemi.scripts import ask

if TYPE_CHECKING:
    from pathlib import Path


def test_sleeping_is_short(tmp_path: Path) -> None:
    assert ask(tmp_path, "KSR.cfgutils.usleep(1), KSR.cfgutils.sleep(0), KSR.cfgutils.sleep(-5)") == "(1, 1, 1)"
