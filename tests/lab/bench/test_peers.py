"""The whole comparison, as a command; and its plots, where matplotlib is installed."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.lab.bench import peers, plots
from tests.lab.bench.curves import Curve
from tests.lab.bench.rounds import kamailio_subjects, minutes, select
from tests.lab.bench.subjects import c_echo, python_echo

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
        "--window",
        "8",
        "--window",
        "16",
        "--subject",
        "echo",
    )
    return CliRunner().invoke(peers.main, [*short, *options])


def test_every_case_is_measured_and_written(tools: Tools, tmp_path: Path) -> None:
    file = tmp_path / "peers.md"
    result = compare("--out", str(file))
    assert result.exit_code == 0, result.output
    assert "[8/8, 0 s left] round 1, INVITE, 16 in flight, Python echo: " in result.stderr
    written = file.read_text("utf-8")
    for case in ("OPTIONS, 8 in flight", "INVITE, 8 in flight", "OPTIONS, 16 in flight", "INVITE, 16 in flight"):
        assert f"| {case} | requests/s |" in written
        assert "against the C echo with" in written


def test_latency(tools: Tools) -> None:
    result = compare("--latency", "--method", "OPTIONS")
    assert result.exit_code == 0, result.output
    assert "open loop at a tenth of each subject's capacity, median" in result.stdout
    assert "offered/s" in result.stdout


@pytest.mark.parametrize("latency", [(), ("--latency",)])
def test_the_plot(tools: Tools, tmp_path: Path, latency: tuple[str, ...]) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "peers.png"
    assert compare(*latency, "--plot", str(file)).exit_code == 0
    assert file.read_bytes().startswith(PNG)


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
    result = compare("--plot", str(tmp_path / "peers.png"))
    assert result.exit_code == 0
    assert result.stderr.startswith(plots.MISSING)
    assert not (tmp_path / "peers.png").exists()


def test_no_kamailio_is_a_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tests.lab.bench.kamailio.find_kamailio", lambda: None)
    assert kamailio_subjects((1,), (1,)) == (
        [],
        ["Not measured: Kamailio is not installed, so there are no ratios to it."],
    )


def test_subjects_are_chosen_by_parts_of_their_names(tmp_path: Path) -> None:
    both = [c_echo(tmp_path), python_echo()]
    assert select(both, ()) == both
    assert [subject.name for subject in select(both, ("PYTHON",))] == ["Python echo"]


def test_time_spans() -> None:
    assert [minutes(seconds) for seconds in (0.4, 89, 90, 600)] == ["0 s", "89 s", "2 min", "10 min"]
