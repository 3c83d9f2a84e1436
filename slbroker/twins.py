"""Compiled or pure: the functions of the hot path are defined in Python, and some have a compiled twin beside them.

`_name.pyx` lies beside the module whose functions it does faster, and is built where slbroker was installed beside a C
compiler. All of them are in use or none: they share objects. SLBROKER_PURE=1 in the environment forces the pure ones;
`KIND` says which it is. One test suite runs over both.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

TWINS: Final = (
    "slbroker.sip._grammar", "slbroker.sip._parser", "slbroker._totag", "slbroker.bus._jobs", "slbroker.bus._items",
    "slbroker.proxy._branch", "slbroker.proxy._route", "slbroker.proxy._plain",
    "slbroker.bus._frames", "slbroker.bus._fields", "slbroker_edge._repeats", "slbroker_edge._reader",
    "slbroker_edge._outbox", "slbroker_edge._recall", "slbroker_edge.transports._datagrams",
)  # fmt: skip


def _choose() -> str:
    """Return which are in use. The files are looked for, not imported: a worker imports nothing of the edge's."""
    if os.environ.get("SLBROKER_PURE", "") not in ("", "0") or not all(map(_is_built, TWINS)):
        return "pure"
    try:
        import_module(TWINS[0])  # what one is built for, all are: this Python, and this C library
    except ImportError:
        return "pure"
    return "compiled"


def _is_built(name: str) -> bool:
    package, *folders, module = name.split(".")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return False
    folder = Path(spec.origin).parent.joinpath(*folders)
    return any((folder / f"{module}{suffix}").exists() for suffix in EXTENSION_SUFFIXES)


KIND: Final = _choose()
WORDS: Final = "compiled twins" if KIND == "compiled" else "pure Python"  # for a log line
_definitions: Final[dict[Any, Any]] = {}


def compiled_or_pure(module: str) -> Callable[[T], T]:
    """Have what is defined below replaced by its namesake of a compiled module, where those are in use."""

    def choose(definition: T) -> T:
        twin: T | None = compiled(module, definition.__name__)  # type: ignore[attr-defined]
        if twin is None:
            return definition
        _definitions[twin] = definition
        return twin

    return choose


def compiled(module: str, name: str) -> Any:
    """Return something of a compiled module; None where the pure ones are in use.

    None also where it is missing: a checkout that was brought up to date may still have twins of older sources.
    """
    return getattr(import_module(module), name, None) if KIND == "compiled" else None


def definition(chosen: T) -> T:
    """Return what defines `chosen`, in Python: itself, unless it is a compiled twin.

    A compiled function that will not do something itself calls its definition for it.
    """
    return _definitions.get(chosen, chosen)  # type: ignore[no-any-return]
