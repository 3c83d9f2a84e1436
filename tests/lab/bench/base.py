"""Another slbroker that is measured beside this one: a checkout, or a commit of this one, built and installed apart."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.lab.bench.measure import ToolError
from tests.lab.bench.processes import SubjectError
from tests.lab.bench.subjects import ask_slbroker

ROOT: Final = Path(__file__).resolve().parents[3]
# What is of no use to a build, or would be taken for its result.
LEFT: Final = shutil.ignore_patterns(".*", "build", "dist", "tests", "docs", "*.egg-info", "__pycache__", "*.so")
BUILD_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Base:
    """A built slbroker: what it is, "compiled" or "pure", and the folder that it is installed in."""

    title: str
    kind: str
    site: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return what has Python import it, and not the one that is installed."""
        return {"PYTHONPATH": str(self.site)}


def build(wanted: str, folder: Path) -> Base:
    """Build `wanted` in `folder`, which is empty. Raises ToolError when that fails.

    `wanted` is the path of a checkout, or a commit of this one. A checkout is built as it stands, with what is not
    committed, and nothing is written there.
    """
    source, site = folder / "source", folder / "site"
    tree = Path(wanted)
    if tree.is_dir():
        if not (tree / "slbroker").is_dir():
            raise ToolError(f"{tree} is no checkout of slbroker")
        shutil.copytree(tree, source, ignore=LEFT)
        title = f"{commit_of(tree)} in {tree.resolve().name}"
    else:
        title = commit_of(ROOT, wanted)
        export(wanted, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    run([*pip, "--target", str(site), str(source)])
    return Base(title, kind_of(site, folder), site)


def kind_of(site: Path, folder: Path) -> str:
    """Return the kind of what is installed in `site`; ToolError when it is not what Python then imports."""
    parts = ("slbroker", "slbroker_edge", "slbroker_handlers")
    code = f"print(twins.KIND, {', '.join(f'{part}.__file__' for part in parts)}, sep=chr(10))"
    try:
        kind, *files = ask_slbroker(code, folder, {"PYTHONPATH": str(site)}).split("\n")
    except SubjectError as error:
        raise ToolError(str(error)) from error
    if not all(Path(file).is_relative_to(site) for file in files):
        raise ToolError(f"another slbroker than that in {site} is imported: {', '.join(files)}")
    return kind


def export(commit: str, folder: Path) -> None:
    """Write the files of a commit of this checkout into `folder`."""
    folder.mkdir()
    archive = folder.parent / "source.tar"
    run(["git", "-C", str(ROOT), "archive", f"--output={archive}", commit])
    run(["tar", "-xf", str(archive), "-C", str(folder)])


def commit_of(tree: Path, commit: str = "HEAD") -> str:
    """Return a commit as "be819c1, Post replies by one rule"; with what is not committed it ends in "and changes"."""
    git = ["git", "-C", str(tree)]
    said = run([*git, "log", "-1", "--format=%h, %s", commit, "--"]).strip()
    changed = commit == "HEAD" and run([*git, "status", "--porcelain", "--untracked-files=no"])
    return f"{said}, and changes" if changed else said


def run(argv: list[str]) -> str:
    """Run a command and return what it prints; ToolError when it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{argv[0]}: {error}") from error
    if done.returncode:
        said = done.stderr.strip().split("\n")[-1]
        raise ToolError(f"{' '.join(argv[:4])}: {said or f'exit code {done.returncode}'}")
    return done.stdout
