"""The fuzz targets by name; each is a module in `targets`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER: Final = Path(__file__).parent
NAMES: Final = tuple(sorted(file.stem for file in (FOLDER / "targets").glob("[a-z]*.py")))


class Target(Protocol):
    """What a target's module has; its docstring states the invariant and the exceptions that are allowed."""

    @property
    def ROUNDS(self) -> int:  # noqa: N802
        """How many inputs the short run among the tests has: for a second or two. `make fuzz` has no such end."""

    @property
    def DICTIONARY(self) -> str:  # noqa: N802
        """The name of a file beside this one."""

    @property
    def SEEDS(self) -> Sequence[bytes]:  # noqa: N802
        """Inputs that hold."""

    def check(self, data: bytes, /) -> None:
        """Raise AssertionError when the invariant does not hold for `data`, anything else for an unforeseen error."""


def load(name: str) -> Target:
    """Import a target. Whoever wants its coverage has prepared the import before."""
    return cast("Target", importlib.import_module(f"tests.lab.fuzz.targets.{name}"))


def cases(name: str) -> list[Path]:
    """The inputs that once broke this target, the atheris artefacts among them."""
    return sorted(file for file in (FOLDER / "cases" / name).glob("*") if file.is_file())
