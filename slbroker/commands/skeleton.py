"""The project that `slbroker new` writes: the files of slbroker/skeleton, with names filled in."""

from __future__ import annotations

import keyword
import sys
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from slbroker.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_COLUMN = 50  # where the comments begin behind the commands of README.md


def write_project(folder: Path) -> list[Path]:
    """Write the project into `folder`, which must not exist; return its files. Raises ConfigError."""
    project = folder.name
    module = project.replace("-", "_")
    taken = sys.stdlib_module_names | {"slbroker", "pytest", "test"}  # a neighbour of that name would shadow it
    if module in taken:
        raise ConfigError(f"{project!r} is the name of a module that Python has; choose another, such as my-{project}")
    if not module.isidentifier() or not module.isascii() or keyword.iskeyword(module):
        raise ConfigError(f"{project!r} cannot be a module's name; use letters, digits and -, such as my-answers")
    words = {
        "project": project,
        "module": module,
        "title": project.replace("-", " ").replace("_", " ").capitalize(),
        "run": f"slbroker run --plugin {module}.py --reload".ljust(_COLUMN),
        "explain": f"slbroker explain request.sip --plugin {module}.py".ljust(_COLUMN),
    }
    written = {
        f"{module}.py": "plugin.py.in",
        f"test_{module}.py": "test_plugin.py.in",
        "pyproject.toml": "pyproject.toml.in",
        "rules.toml": "rules.toml.in",
        "README.md": "README.md.in",
        "request.sip": "request.sip.in",
    }
    skeleton = files("slbroker") / "skeleton"
    try:
        folder.mkdir(parents=True)
        for name, source in written.items():
            text = Template((skeleton / source).read_text(encoding="utf-8")).substitute(words)
            (folder / name).write_text(text, encoding="utf-8")
    except FileExistsError:
        raise ConfigError(f"{folder} exists and stays as it is; choose another name") from None
    except OSError as error:
        raise ConfigError(f"cannot write {folder}: {error.strerror}") from None
    return [folder / name for name in written]
