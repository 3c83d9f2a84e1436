"""Is another slbroker built from what was named, and is it what runs?"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.lab.bench import base
from tests.lab.bench.base import Base, build, commit_of, export, kind_of
from tests.lab.bench.measure import Plan, ToolError, measure, oddities
from tests.lab.bench.subjects import slbroker

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.bench.measure import Tools

PACKAGES = ("slbroker", "edge/slbroker_edge", "handlers/slbroker_handlers")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """What pip would install of a checkout, without its compiled twins; its edge says in its log that it is another."""
    site = tmp_path / "site"
    site.mkdir()
    for package in PACKAGES:
        subprocess.run(["cp", "-r", str(base.ROOT / package), str(site)], check=True)
    for twin in site.rglob("*.so"):
        twin.unlink()
    return site


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


def test_the_other_slbroker_is_what_runs(tools: Tools, tmp_path: Path, site: Path) -> None:
    assert kind_of(site, tmp_path) == "pure"
    (site / "slbroker_handlers" / "bundled.py").write_text(
        "from slbroker import Handlers\napp = Handlers()\napp.otherwise(lambda request: request.reply(200, 'Other'))\n"
    )
    sample = measure(tools, slbroker("pure", 1, base=Base("other", "pure", site)), "INVITE", Plan(0.3, 0, 8))
    assert sample.load.codes == {"200": sample.load.ok}
    assert oddities([sample]).endswith("answered 200")


def test_a_folder_without_slbroker_is_noticed(tmp_path: Path) -> None:
    """Else the one that is installed would be measured beside itself."""
    with pytest.raises(ToolError, match=f"another slbroker than that in {tmp_path} is imported"):
        kind_of(tmp_path, tmp_path)


def test_what_is_no_checkout_or_commit_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolError, match="is no checkout of slbroker"):
        build(str(tmp_path), tmp_path)
    git(tmp_path, "init", "-q")
    monkeypatch.setattr(base, "ROOT", tmp_path)  # what runs here may be no clone
    with pytest.raises(ToolError, match=r"^git .*no-such-commit"):
        build("no-such-commit", tmp_path)


def test_a_checkout_is_named_by_its_commit_and_whether_it_was_changed(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("1", "utf-8")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "Begin")
    assert commit_of(tmp_path).endswith(", Begin")
    (tmp_path / "file").write_text("2", "utf-8")
    assert commit_of(tmp_path).endswith(", Begin, and changes")
    assert commit_of(tmp_path, "HEAD~0").endswith(", Begin")


def test_the_files_of_a_commit_are_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    git(tree, "init", "-q")
    for text in ("1", "2"):
        (tree / "file").write_text(text, "utf-8")
        git(tree, "add", ".")
        git(tree, "commit", "-q", "-m", text)
    monkeypatch.setattr(base, "ROOT", tree)
    export("HEAD~1", tmp_path / "out")
    assert (tmp_path / "out" / "file").read_text("utf-8") == "1"
