"""What the import of a plugin leaves to be seen: files that it asked for, threads that it began."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import FrameType, ModuleType


class Asked(MetaPathFinder):
    """Notes which modules are looked for while they are imported, and finds none itself."""

    def __init__(self) -> None:
        self._places: dict[str, list[str] | None] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Note a name, and the folders of its package if it is in one."""
        del target
        self._places[fullname] = None if path is None else list(path)
        return None

    def missing(self, folder: Path) -> set[Path]:
        """Return the files at `folder` and below that would be, or are, the modules that could not be imported."""
        files = set()
        for name, places in self._places.items():
            if name in sys.modules:
                continue
            for place in [folder] if places is None else map(Path, places):
                if place.is_relative_to(folder):
                    last = name.rpartition(".")[2]
                    files |= {place / f"{last}.py", place / last / "__init__.py"}
        return files


@contextmanager
def noting() -> Iterator[Asked]:
    """Note what is imported meanwhile."""
    asked = Asked()
    sys.meta_path.insert(0, asked)
    try:
        yield asked
    finally:
        sys.meta_path.remove(asked)


def files_named(error: BaseException | None) -> set[Path]:
    """Return the files that an error, or what caused it, is about: one that is missing, one that cannot be read."""
    files = set()
    while error is not None:
        if isinstance(error, OSError | SyntaxError) and isinstance(error.filename, str):
            files.add(Path(error.filename).absolute())
        error = error.__cause__ or error.__context__
    return files


def threads_in(modules: list[dict[str, Any]]) -> list[str]:
    """Return the names of the threads that run functions of modules, given by their dictionaries."""
    frames = sys._current_frames()
    here = threading.get_ident()
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.ident != here and thread.ident in frames and _is_in(frames[thread.ident], modules)
    ]


def _is_in(frame: FrameType | None, modules: list[dict[str, Any]]) -> bool:
    while frame is not None:
        if any(frame.f_globals is module for module in modules):
            return True
        frame = frame.f_back
    return False
