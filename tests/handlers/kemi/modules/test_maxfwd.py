"""Max-Forwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.handlers.kemi.scripts import ask

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("hops", "result"),
    [
        ("0", "(1, -1)"),
        ("1", "(1, 1)"),
        ("255", "(-1, 1)"),
        (None, "(-2, 2)"),
        ("many", "(-3, -2)"),
        ("256", "(-3, -2)"),
    ],
)
def test_max_forwards(tmp_path: Path, hops: str | None, result: str) -> None:
    expression = "KSR.maxfwd.is_maxfwd_lt(10), KSR.maxfwd.process_maxfwd(10)"
    assert ask(tmp_path, expression, headers={"Max-Forwards": hops}) == result
