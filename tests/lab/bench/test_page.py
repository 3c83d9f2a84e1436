"""Do the tables of a run come to the page, and does all else stay as it was?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.lab.bench import forwarding, page, plots, results, watched
from tests.lab.bench.kamailio import native_name
from tests.lab.bench.measure import Case
from tests.lab.bench.test_report import sample_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.bench.measure import Sample

NATIVE, OURS = native_name(2), "slbroker compiled, edge + 1 worker"
PAGE = """# Speed

<!-- closed: by make -->
old
<!-- end -->

mine

<!-- open: by make -->
<!-- end -->
end
"""
FORWARD = "\n<!-- forward: by make -->\n<!-- end -->\n"
WATCHED = "\n<!-- watched: by make -->\n<!-- end -->\n"
GOALS = "\n<!-- goals: by make -->\n<!-- end -->\n"


def samples(cpu: float, lost: int = 0) -> dict[int, Sample]:
    return {n: sample_of(1_000 * n, {"edge": cpu, "workers": cpu}, lost=lost) for n in (1, 2, 3)}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    closed = {NATIVE: samples(1.0), OURS: samples(0.5), "gone": {}}
    opened = {NATIVE: samples(0.5), OURS: samples(2.0, lost=2)}
    calls = {NATIVE: samples(1.0)}
    cases = {Case("OPTIONS", 128): closed, Case("INVITE", 128): calls, Case("OPTIONS", 8_192, 1_000): opened}
    file = tmp_path / "run.json"
    results.write(results.Run("2026-11-29", ["2 CPUs, Kamailio 5.6.3", "3 rounds."], cases), file)
    return file


def written(text: str, run: Path) -> str:
    file = run.parent / "speed.md"
    file.write_text(text, "utf-8")
    result = CliRunner().invoke(page.main, ["--page", str(file), str(run)])
    assert result.exit_code == 0, result.output
    return file.read_text("utf-8")


def test_tables_come_between_the_marks_and_the_rest_stays(run: Path) -> None:
    text = written(PAGE + GOALS, run)
    begin = "# Speed\n\n<!-- closed: by make -->\n\nMeasured 2026-11-29. 2 CPUs, Kamailio 5.6.3. 3 rounds.\n\n"
    assert text.startswith(begin)
    assert "<!-- end -->\n\nmine\n\n<!-- open: by make -->\n\nMeasured" in text
    assert "old" not in text
    assert f"| **{OURS}** | 10.0 (5.0 + 5.0) | 0.50 | - | 2,000 | - | - | - | - |" in text
    assert f"| **{OURS}** | 40.0 | 4.00 | 0.01 | 0.02 |" in text
    assert f"{OURS}, OPTIONS, 1,000 a second: 6 of 300,006 lost." in text
    goal = "through a worker: CPU / Kamailio native | OPTIONS, 128 in flight | 0.50 (1 worker) | at most 0.6 | yes |"
    assert goal in text
    assert written(text, run) == text


def test_what_is_forwarded_has_a_table_of_its_own(run: Path) -> None:
    whole, native, kemi = results.read(run), forwarding.native_name(2), forwarding.kemi_name(2)
    case = Case("OPTIONS", 128, forwarded=True)
    through = {native: samples(1.0), kemi: samples(4.0), forwarding.edge_name("compiled"): samples(0.8)}
    results.write(results.Run(whole.date, whole.notes, {case: through}), run)
    text = written(PAGE + FORWARD + GOALS, run)
    assert "old" in text
    assert "| **slbroker compiled, edge with pass=** | 16.0 (8.0 + 8.0) | 0.80 | 0.20 | 2,000 |" in text
    assert (
        "forwarded by a route: CPU / Kamailio forward() | OPTIONS forwarded, 128 in flight | 0.80 | at most 0.8 | yes |"
        in text
    )


def test_what_a_run_has_not_stays(run: Path) -> None:
    whole = results.read(run)
    only = {case: {OURS: by_subject[OURS]} for case, by_subject in whole.results.items() if case.rate}
    results.write(results.Run(whole.date, whole.notes, only), run)
    assert "<!-- closed: by make -->\nold\n<!-- end -->" in written(PAGE, run)


def test_who_is_watched_has_a_section_and_goals_that_were_not_measured_stay_as_they_were(run: Path) -> None:
    whole = results.read(run)
    whole_page = written(PAGE + GOALS + WATCHED, run)
    by_subject = {
        watched.NOBODY.title: samples(1.0), watched.DEAD.title: samples(1.5), watched.PCAP.title: samples(2.0)
    }  # fmt: skip
    results.write(results.Run(whole.date, whole.notes, dict.fromkeys((watched.FULL, watched.PACED), by_subject)), run)
    text = written(whole_page, run)
    assert "| slbroker, monitor dead | 15.0 | 15.0 | - | 2,000 | 1.00 |" in text
    goal = "| monitor dead: requests/s / nobody watches | OPTIONS watched, 128 in flight | 1.00 | at least 0.97 | yes |"
    assert goal in text
    goal = "through a worker: CPU / Kamailio native | OPTIONS, 128 in flight | 0.50 (1 worker) | at most 0.6 | yes |"
    assert goal in text


def test_plots_are_drawn_beside_the_page(run: Path) -> None:
    if not plots.possible():
        pytest.skip(plots.MISSING)
    assert "![CPU and latency of every subject](open.png)" in written(PAGE + GOALS, run)
    assert {file.name for file in run.parent.glob("*.png")} == {"peers.png", "open.png"}


def test_without_matplotlib_no_plot_is_promised(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "possible", lambda: False)
    assert "open.png" not in written(PAGE + GOALS, run)


def test_a_page_without_a_mark_is_one_line(run: Path) -> None:
    file = run.parent / "speed.md"
    file.write_text(PAGE, "utf-8")
    result = CliRunner().invoke(page.main, ["--page", str(file), str(run)])
    assert (result.exit_code, file.read_text("utf-8")) == (1, PAGE)
    assert "the page has no mark for goals" in result.stderr


def test_no_run_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(page.main, [str(tmp_path / "none.json")])
    assert result.exit_code == 1
    assert "none.json has no results of make bench-peers: " in result.stderr


def test_the_page_of_this_project_has_all_marks() -> None:
    marks = [mark["name"] for mark in page.MARKED.finditer(page.PAGE.read_text("utf-8"))]
    assert sorted(marks) == ["closed", "forward", "goals", "open", "watched"]
