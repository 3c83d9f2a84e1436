"""What a package index shows of slbroker, and what a shell completes; `make dist` builds the real packages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import ROOT, child_environment
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

HOME = "https://forge.example.org/us/slbroker"
_find_links = re.compile(r"!?\[[^\]]*\]\(([^)#]*)[^)]*\)").findall


@pytest.fixture(scope="module")
def setup_py() -> Any:
    spec = spec_from_file_location("slbroker_setup", ROOT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_links_of_the_readme_lead_somewhere() -> None:
    links = [link for link in _find_links((ROOT / "README.md").read_text()) if link and not link.startswith("http")]
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_on_an_index_all_links_and_images_of_the_readme_are_whole(setup_py: Any) -> None:
    text = setup_py.readme(HOME)
    assert [link for link in _find_links(text) if link and not link.startswith("http")] == []
    assert f"]({HOME}/raw/HEAD/docs/parts.svg)" in text
    assert f"]({HOME}/blob/HEAD/docs/handlers.md" in text


def test_without_an_address_the_readme_on_an_index_has_no_link_that_is_broken(setup_py: Any) -> None:
    text = setup_py.readme("")
    assert [link for link in _find_links(text) if link and not link.startswith("http")] == []
    assert "![" not in text
    assert "docs/handlers.md" in text


def test_the_address_is_given_to_the_build_and_remembered(
    setup_py: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLBROKER_REPOSITORY", raising=False)
    monkeypatch.setattr(setup_py, "HERE", tmp_path)
    assert setup_py.project_urls(setup_py.repository()) == {}
    (tmp_path / "PKG-INFO").write_text(f"Name: slbroker\nProject-URL: Issues, x\nProject-URL: Source, {HOME}\n\ntext\n")
    assert setup_py.repository() == HOME
    assert setup_py.project_urls(HOME)["Changelog"] == f"{HOME}/blob/HEAD/CHANGELOG.md"
    monkeypatch.setenv("SLBROKER_REPOSITORY", f"{HOME}2/")
    assert setup_py.repository() == f"{HOME}2"


def test_each_supported_python_has_its_classifier() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = int(project["requires-python"].removeprefix(">=3."))
    versions = [int(found) for found in re.findall(r"Python :: 3\.(\d+)", " ".join(project["classifiers"]))]
    assert versions == list(range(oldest, versions[-1] + 1))
    assert sys.version_info[:2] in [(3, version) for version in versions]


def test_every_file_beside_our_modules_is_in_the_wheel() -> None:
    """Such as the project that `slbroker new` writes; what is compiled is there as a library."""
    given = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    folders = {"slbroker": ROOT, "slbroker_edge": ROOT / "edge", "slbroker_handlers": ROOT / "handlers"}
    built = {".py", ".pyc", ".pyx", ".pxd", ".c", ".so"}
    missing = []
    for package, parent in folders.items():
        files = {file for file in (parent / package).rglob("*") if file.is_file() and file.suffix not in built}
        assert files, package
        missing += sorted(files - {file for pattern in given[package] for file in (parent / package).glob(pattern)})
    assert missing == []


def test_bash_completes_commands(tmp_path: Path) -> None:
    """As the README says: click has it, under the name of our command."""
    paths = os.pathsep.join(str(ROOT / folder) for folder in (".", "edge", "handlers"))
    asked = {"_SLBROKER_COMPLETE": "bash_complete", "COMP_WORDS": "slbroker ed", "COMP_CWORD": "1", "PYTHONPATH": paths}
    script = tmp_path / "slbroker"
    script.write_text("from slbroker.cli import main\nmain()\n")
    done = subprocess.run(
        [sys.executable, str(script)],
        env=child_environment(asked), capture_output=True, text=True, timeout=within(20), check=False,
    )  # fmt: skip
    assert done.stdout == "plain,edge\n", done
