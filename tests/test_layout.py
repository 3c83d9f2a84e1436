"""Where a test stands is where its subject stands, so that either is found from the other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# Each folder of tests and the source that it mirrors, folder by folder.
MIRRORS = {
    "tests/slbroker": "slbroker",
    "tests/edge": "edge/slbroker_edge",
    "tests/handlers": "handlers/slbroker_handlers",
}
# What a test of whole processes starts them with.
STARTS = re.compile(r"\b(?:start_slbroker|run_slbroker|start_program|Process)\b")
LAB = ROOT / "tests" / "lab"

LONGEST = 400  # lines of a file; one that grows past this holds two subjects
# Past it, and why that is better than two files. The list may only shrink.
LONG: dict[str, str] = {}


def strays(root: Path, tests: str, source: str) -> list[str]:
    """The test files below `tests` that neither begin with the name of a file where they mirror it nor end as live."""
    found = []
    for file in sorted((root / tests).rglob("test_*.py")):
        beside = root / source / file.parent.relative_to(root / tests)
        subjects = {path.stem.lstrip("_") for path in beside.glob("*.py*")}  # the twin _jobs.pyx is tested with jobs.py
        told = file.stem.removeprefix("test_")
        if not told.endswith("_live") and not any(told == name or told.startswith(f"{name}_") for name in subjects):
            found.append(str(file.relative_to(root)))
    return found


def test_a_test_file_has_the_name_of_what_it_tests() -> None:
    found = [path for tests, source in MIRRORS.items() for path in strays(ROOT, tests, source)]
    assert found == [], "CONTRIBUTING.md says how they are named"


def test_what_is_called_live_starts_processes() -> None:
    live = [file for tests in MIRRORS for file in (ROOT / tests).rglob("test_*_live.py")]
    assert len(live) > 10
    assert [str(file) for file in live if not STARTS.search(file.read_text("utf-8"))] == []


def test_a_stray_is_noticed(tmp_path: Path) -> None:
    there = ["test_pool.py", "test_pool_laws.py", "test_jobs_twice.py", "test_any_live.py", "deep/test_way.py"]
    stray = ["test_pools.py", "test_pooled.py", "test_way.py", "deep/test_pool.py", "gone/test_pool.py"]
    for path in (
        "src/pool.py",
        "src/_jobs.pyx",
        "src/deep/way.py",
        *(f"tests/src/{name}" for name in (*there, *stray)),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert strays(tmp_path, "tests/src", "src") == sorted(f"tests/src/{name}" for name in stray)


def long_files(root: Path) -> set[str]:
    """Our files of Python and Cython that are longer than `LONGEST`."""
    files = [file for folder in ("slbroker", "edge", "handlers", "tests") for file in (root / folder).rglob("*.p*")]
    ours = [file for file in files if file.suffix in (".py", ".pyx", ".pxd") and "node_modules" not in file.parts]
    return {str(file.relative_to(root)) for file in ours if len(file.read_text("utf-8").splitlines()) > LONGEST}


def test_no_file_is_long_but_those_that_have_a_reason() -> None:
    assert long_files(ROOT) == set(LONG), f"past {LONGEST} lines; or in LONG, and no longer past them: take it out"


def test_a_long_file_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "edge").mkdir()
    (tmp_path / "edge" / "short.py").write_text("x = 1\n" * LONGEST)
    (tmp_path / "edge" / "_long.pyx").write_text("x = 1\n" * (LONGEST + 1))
    assert long_files(tmp_path) == {"edge/_long.pyx"}


def test_the_laboratory_has_a_page_that_says_how_each_room_is_used() -> None:
    page = (LAB / "README.md").read_text("utf-8")
    rooms = {path.name for path in LAB.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert set(re.findall(r"^## (\w+)", page, re.MULTILINE)) == rooms
    makefile = (ROOT / "Makefile").read_text("utf-8")
    recipes = dict(re.findall(r"^([a-z-]+):.*\n((?:\t.*\n)+)", makefile, re.MULTILINE))
    of_the_lab = {target for target, recipe in recipes.items() if re.search(r"\btests[/.]lab\b|=proofs\b", recipe)}
    assert set(re.findall(r"^\| `make ([a-z-]+)", page, re.MULTILINE)) == of_the_lab
