"""Expressions that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.handlers.kemi.scripts import ask

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_broken_expressions_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = "KSR.textops.search('('), KSR.textops.subst_uri('/a/'), KSR.textops.subst_uri('/(/x/')"
    assert ask(tmp_path, broken) == "(-1, -1, -1)"
    assert caplog.text.count("is no regular expression") == 1
    assert caplog.text.count("is no substitution") == 2
