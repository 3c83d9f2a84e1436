"""The order of `pytest -n`, and what its processes are given."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.support.processes import ROOT, Process
from tests.support.scheduling import RUN, mix, run_names

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
import os, pytest

@pytest.fixture(scope="module")
def costly():
    with open({note!r}, "a") as file:
        file.write(f"{{os.getpid()}}\\n")

@pytest.mark.parametrize("number", range({count}))
def test_it(number, costly):
    pass
"""


def test_tests_that_wait_are_spread_among_the_others_and_end_before_them() -> None:
    quick = [f"quick{file}.py::test{number}" for file in range(10) for number in range(2 * RUN)]
    slow = [f"slow.py::test{number}" for number in range(4 * RUN + 1)]
    mixed = mix(slow + quick, str, lambda nodeid: nodeid.startswith("slow"))
    assert sorted(mixed) == sorted(slow + quick)
    for file in ("slow", *(f"quick{number}" for number in range(10))):
        own = [nodeid for nodeid in mixed if nodeid.startswith(f"{file}.")]
        assert own == [nodeid for nodeid in slow + quick if nodeid.startswith(f"{file}.")]
    places = [mixed.index(nodeid) for nodeid in slow[::RUN]]
    assert places[0] == 0
    assert all(RUN < later - earlier < len(mixed) / 2 for earlier, later in pairwise(places))
    assert places[-1] < len(mixed) - 2 * RUN


def test_only_some_that_wait_or_none() -> None:
    nodeids = [f"file.py::test{number}" for number in range(3 * RUN)]
    assert mix(nodeids, str, lambda _: True) == mix(nodeids, str, lambda _: False) == nodeids
    assert mix([], str, lambda _: True) == []


def test_a_test_is_asked_for_twice_and_stays_in_its_run() -> None:
    name = run_names(2)
    assert [name(f"{file}.py::{test}") for test in "abc" for file in "xy"] == [
        "x.py 0", "y.py 0", "x.py 0", "y.py 0", "x.py 1", "y.py 1",
    ]  # fmt: skip
    assert name("x.py::a") == "x.py 0"


def test_what_a_module_starts_is_started_once_a_run_and_every_test_runs_once(tmp_path: Path) -> None:
    note = tmp_path / "note"
    (tmp_path / "conftest.py").write_text(
        "from tests.support import scheduling\n"
        "def pytest_xdist_make_scheduler(config, log):\n    return scheduling.Runs(config, log)\n"
    )
    (tmp_path / "test_them.py").write_text(TESTS.format(note=str(note), count=3 * RUN))
    words = ("-m", "pytest", "-q", "-p", "xdist", "-n", "2", "-p", "no:cacheprovider", "--rootdir", str(tmp_path))
    env = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with Process(sys.executable, *words, str(tmp_path), cwd=tmp_path, env=env) as tests:
        assert tests.wait(30) == 0, tests
    assert f"{3 * RUN} passed" in tests.output
    assert len(note.read_text().split()) <= 3
