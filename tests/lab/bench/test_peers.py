"""The whole comparison, as a command; and its plots, where matplotlib is installed."""

from __future__ import annotations

import importlib.util
import platform
import re
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.lab.bench import peers, plots, results
from tests.lab.bench.curves import Curve
from tests.lab.bench.measure import OPEN_WINDOW, Case

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from tests.lab.bench.measure import Tools

PNG = b"\x89PNG\r\n\x1a\n"


def compare(*options: str) -> Result:
    short = (
        "--rounds",
        "1",
        "--seconds",
        "0.2",
        "--warmup",
        "0",
        "--settle",
        "0",
        "--window",
        "8",
        "--window",
        "16",
        "--rate",
        "200",
        "--subject",
        "echo",
    )
    return CliRunner().invoke(peers.main, [*short, *options])


def test_every_case_is_measured_and_written(tools: Tools, tmp_path: Path) -> None:
    file = tmp_path / "peers.md"
    result = compare("--out", str(file))
    assert result.exit_code == 0, result.output
    assert "[7/7, 0 s left] round 1, OPTIONS, 200 a second, C echo: " in result.stderr
    written = file.read_text("utf-8")
    for case in ("OPTIONS, 8 in flight", "INVITE, 8 in flight", "OPTIONS, 16 in flight", "INVITE, 16 in flight"):
        assert f"| {case} | requests/s |" in written
    assert "| OPTIONS, 200 a second | sent | answered |" in written
    assert written.count("against the C echo, with") == 5


@pytest.mark.parametrize(
    ("loop", "there", "not_there"), [("open", "sent late", "16 in"), ("closed", "16 in", "sent late")]
)
def test_one_loop_alone(tools: Tools, loop: str, there: str, not_there: str) -> None:
    result = compare("--only", loop)
    assert result.exit_code == 0, result.output
    assert f"{loop} loop, median" in result.stdout
    assert (there in result.stdout, not_there in result.stdout) == (True, False)


def test_the_figures_are_kept_with_their_date_and_the_versions(tools: Tools, tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    assert compare("--json", str(file)).exit_code == 0
    run = results.read(file)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", run.date)
    assert f"Python {platform.python_version()}" in run.notes[0]
    assert run.notes[1].startswith(f"slbroker {version('slbroker')}")
    assert run.results[Case("OPTIONS", OPEN_WINDOW, 200)]["C echo"][1].load.sent == 40


def test_the_plots(tools: Tools, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert compare("--plots", str(tmp_path)).exit_code == 0
    for name in ("peers.png", "open.png"):
        assert (tmp_path / name).read_bytes().startswith(PNG)


def test_the_plot_of_costs(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "costs.png"
    curves = [Curve(what, "a", (), lambda _: 0.0, "", {1: [1.0, 2.0], 100: [3.0]}) for what in "abcd"]
    plots.draw_curves([*curves, Curve("d", "b", (), lambda _: 0.0, "", {0: [1.0]})], file)
    assert file.read_bytes().startswith(PNG)


def test_without_matplotlib_there_are_tables_and_a_word(
    tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    result = compare("--plots", str(tmp_path))
    assert result.exit_code == 0
    assert result.stderr.startswith(plots.MISSING)
    assert list(tmp_path.glob("*.png")) == []


def test_a_base_that_is_none_is_one_line(tools: Tools, tmp_path: Path) -> None:
    result = compare("--base", str(tmp_path))
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == f"Error: {tmp_path} is no checkout of slbroker"
