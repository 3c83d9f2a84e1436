"""Does the guard see what grows, and nothing else?"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from tests.lab.bench import guard, guarded
from tests.lab.bench.guard import GuardError, compare, count, grown, per_call, read_total, shrunk
from tests.lab.bench.inprocess import InProcess

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

KEPT = {"parse": 1_000, "stamp": 100, "old": 5}
NOW = {"parse": 1_021, "stamp": 90, "new": 7}

# What guarded.py does, without its imports, which take valgrind ten seconds.
SCRIPT = """
import sys
def task(times):
    for _ in range(times):
        [number * 3 for number in range(30)]
def mark():
    sys.setrecursionlimit(1000)
print("multiply")
mark(); task(128); mark(); task(640); mark()
"""


@pytest.mark.parametrize("kind", ["compiled", "pure"])
def test_a_flood_of_new_users_costs_at_most_five_percent_more_where_decisions_are_remembered(kind: str) -> None:
    kept = json.loads(guard.KEPT.read_text("utf-8"))["instructions"][kind]
    assert kept["OPTIONS of new users, none learnt"] <= 1.05 * kept["OPTIONS of new users, nothing remembered"]


def test_a_call_is_the_difference_of_many_and_few() -> None:
    assert per_call(["a", "b"], [9, 1_000, 6_120, 9, 50, 562]) == {"a": 10, "b": 1}


def test_marks_that_callgrind_did_not_see() -> None:
    with pytest.raises(GuardError, match="was entered 0 times for 1 tasks"):
        per_call(["a"], [])


def test_totals_are_read_from_a_dump() -> None:
    assert read_total("version: 1\nevents: Ir\nsummary: 1234\n\nfn=(1)\ntotals: 99\n") == 1234
    with pytest.raises(GuardError, match="without a total"):
        read_total("version: 1\n")


def test_changes_are_shown_and_judged() -> None:
    assert compare("pure", KEPT, NOW) == [
        ["instructions a call, pure", "kept", "now", "change"],
        ["parse", "1,000", "1,021", "+2.1 %"],
        ["stamp", "100", "90", "-10.0 %"],
        ["new", "-", "7", "new"],
        ["old", "5", "-", "gone"],
    ]
    assert grown(KEPT, NOW, 2.0) == ["parse"]
    assert grown(KEPT, NOW, 3.0) == []
    assert shrunk(KEPT, NOW, 2.0) == ["stamp"]


def test_two_counts_of_the_same_agree(tmp_path: Path) -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, "utf-8")
    one, two = (count(["-S", "-E", str(script)], {})["multiply"] for _ in range(2))
    assert one > 100
    assert two == pytest.approx(one, rel=0.02)  # by which the guard judges


def test_a_script_that_fails_is_one_line(tmp_path: Path) -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    script = tmp_path / "script.py"
    script.write_text("1/0", "utf-8")
    with pytest.raises(GuardError, match=r"script.py: ZeroDivisionError: division by zero$"):
        count([str(script)], {})


def test_every_task_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gc.disable", lambda: None)
    guarded.main([])
    names = capsys.readouterr().out.splitlines()
    assert len(names) == len(set(names)) > 10


@pytest.mark.parametrize(
    ("name", "remembered", "missed", "learnt"),
    [
        ("remembered OPTIONS", 64, 0, 0),
        ("remembered OPTIONS, a lone one", 1, 0, 0),
        ("remembered INVITE and ACK", 64, 0, 0),
        ("remembered INVITE, by user and header", 64, 0, 0),
        ("OPTIONS of new users, none learnt", 0, 64, 0),
        ("OPTIONS of new users, all learnt", 0, 64, 64),
    ],
)
def test_what_is_counted_is_what_it_is_called(name: str, remembered: int, missed: int, learnt: int) -> None:
    task = guarded.remembered_tasks()[name]
    paths = [cell.cell_contents for cell in getattr(task.run, "__closure__", ())]
    (path,) = [path for path in paths if isinstance(path, InProcess)]

    def seen() -> list[int]:
        assert path.edge.remembered is not None
        (pool,) = path.edge.remembered.pools.values()
        entries = sum(len(table.young) + len(table.old) for tables in pool.tables.values() for table in tables)
        return [pool.replied, pool.missed, entries, path.sink.replies]

    before = seen()
    task.run()
    assert [now - then for now, then in zip(seen(), before, strict=True)] == [
        remembered, missed, learnt, remembered + missed]  # fmt: skip


# ---- the command ----


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "guard.json"


def run(kept: Path, monkeypatch: pytest.MonkeyPatch, counts: dict[str, int], *options: str) -> Result:
    monkeypatch.setattr(guard, "count_all", lambda kinds: dict.fromkeys(kinds, counts))
    return CliRunner().invoke(guard.main, ["--file", str(kept), *options])


def test_keep_compare_and_fail(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(kept, monkeypatch, KEPT, "--update").exit_code == 0
    same = run(kept, monkeypatch, KEPT)
    assert (same.exit_code, "Nothing is more than 2 % above" in same.stdout) == (0, True)
    slower = run(kept, monkeypatch, KEPT | {"stamp": 103})
    assert slower.exit_code == 1
    assert "More than 2 % above what was kept: stamp (" in slower.stdout
    faster = run(kept, monkeypatch, KEPT | {"stamp": 50})
    assert faster.exit_code == 0
    assert "Fewer than before, to be kept with make guard ARGS=--update: stamp (" in faster.stdout


def test_counts_of_another_build_are_not_compared(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(kept, monkeypatch, KEPT, "--update")
    content: dict[str, Any] = json.loads(kept.read_text("utf-8"))
    content["build"]["interpreter"] = "CPython 2.7.18"
    kept.write_text(json.dumps(content), "utf-8")
    other = run(kept, monkeypatch, KEPT | {"stamp": 1_000_000})
    assert other.exit_code == 0
    assert "not comparable: interpreter CPython 2.7.18 there, CPython 3." in other.stdout


def test_no_valgrind_is_one_line(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    result = CliRunner().invoke(guard.main, ["--file", str(kept)])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "Error: valgrind is not installed (Debian: apt-get install valgrind)"


def test_what_is_kept_in_the_tree_names_its_build_and_its_tasks() -> None:
    content = guard.read_kept(guard.KEPT)
    assert set(content["build"]) == set(guard.this_build())
    assert set(content["instructions"]) == {"compiled", "pure"}
