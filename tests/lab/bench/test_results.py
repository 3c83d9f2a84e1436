"""Is what was measured read back as it was?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.bench.measure import Case
from tests.lab.bench.results import ResultsError, Run, read, write
from tests.lab.bench.test_report import CASE, OPEN, sample_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.bench.measure import Sample


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    none: dict[int, Sample] = {}
    some = {"a": {1: sample_of(1, {"edge": 0.5, "workers": 0.25}), 3: sample_of(2, {"edge": 1.0})}, "b": none}
    forwarded = Case("OPTIONS", 128, forwarded=True)
    run = Run("2026-11-29", ["2 CPUs"], {CASE: some, OPEN: {"a": none}, forwarded: some})
    write(run, tmp_path / "run.json")
    assert read(tmp_path / "run.json") == run


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"shape": 1, "date": "", "notes": [], "cases": [{}]}'])
def test_another_file_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "run.json"
    file.write_text(text, "utf-8")
    with pytest.raises(ResultsError, match=r"run.json has no results of make bench-peers: "):
        read(file)


def test_an_older_shape_is_named(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text('{"shape": 0}', "utf-8")
    with pytest.raises(ResultsError, match="of shape 0, this reads 1: measure again"):
        read(file)
