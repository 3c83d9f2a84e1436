"""The Pythons of this machine that slbroker is for: `python3 tests/support/interpreters.py` prints version and path."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

OLDEST: Final = (3, 11)  # as pyproject.toml has it
_NAMES: Final = ("python3", *(f"python3.{minor}" for minor in range(OLDEST[1], 20)))
_ASK: Final = "import sys; print(sys.implementation.name, *sys.version_info[:3], sys.version_info[3])"


@functools.cache
def find() -> dict[str, Path]:
    """Return one interpreter of each version, such as {"3.11.2": Path("/usr/bin/python3")}, the oldest version first.

    Looks at the one that runs this, at Debian's, at those in PATH and at those of pyenv.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = [Path("/usr/bin"), *map(Path, os.get_exec_path()), *sorted(pyenv.glob("versions/*/bin"))]
    found: dict[tuple[int, ...], Path] = {}
    for path in (Path(sys.executable), *(folder / name for folder in folders for name in _NAMES)):
        version = _version(path) if path.is_file() else None
        if version is not None and version >= OLDEST:
            found.setdefault(version, path)
    return {".".join(map(str, version)): found[version] for version in sorted(found)}


def _version(path: Path) -> tuple[int, ...] | None:
    """Return the version of a released CPython, None for anything else that bears its name."""
    try:
        words = subprocess.run(
            [path, "-I", "-c", _ASK], capture_output=True, text=True, check=True, timeout=20
        ).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    match words:
        case ["cpython", *numbers, "final"]:
            return tuple(map(int, numbers))
    return None


if __name__ == "__main__":
    for number, where in find().items():
        print(number, where)
