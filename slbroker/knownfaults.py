"""Versions of Python and of libraries that are known to misbehave: `slbroker check` names them, and goes on."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final, NamedTuple

import msgpack

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON: Final = "python"
_match_numbers = re.compile(r"[0-9]+(?:\.[0-9]+)*").match


class Fault(NamedTuple):
    """What is wrong with a library from version `first` on, until it was mended in `mended`."""

    library: str  # as pip has it, or PYTHON
    first: tuple[int, ...]
    mended: tuple[int, ...]
    words: str


_CAPTURES: Final = (
    "`re` may give wrong groups, or SystemError, where a possessive quantifier is over a group that captures, such as "
    "(?:(a)|b)*+ (CPython gh-101955): slbroker's patterns have none, look for it in your plugin's"
)
FAULTS: Final = (
    Fault(
        PYTHON, (3, 11), (3, 11, 5),
        "`re` lets a possessive quantifier over a group, such as (?:ab?c)*+, match too much (CPython gh-106052): "
        "slbroker's patterns have none, look for it in your plugin's",
    ),
    Fault(PYTHON, (3, 11), (3, 12, 8), _CAPTURES),
    Fault(PYTHON, (3, 13), (3, 13, 1), _CAPTURES),
    Fault(
        "click", (8, 2), (8, 2, 2),
        "a variable that turns an option on does so even when it is 0 or false, as in SLBROKER_RELOAD=0 (click issue "
        "2952): leave it unset, or pip install -U click",
    ),
    Fault(
        "msgpack", (0,), (1, 2, 1),
        "an Unpacker that is used again after an error can crash the process (CVE-2026-57585): slbroker does not, "
        "see to your plugin, or pip install -U msgpack",
    ),
)  # fmt: skip


def faults(library: str, number: str) -> list[str]:
    """Return what is known against that version, such as ("click", "8.2.1"). A version that cannot be read has none."""
    release = _release(number)
    return [fault.words for fault in FAULTS if fault.library == library and fault.first <= release < fault.mended]


def found() -> Iterator[tuple[str, str]]:
    """Yield (library, what is known against it) for this Python and the libraries that it imports."""
    yield from _of(PYTHON, platform.python_version())
    for library in dict.fromkeys(fault.library for fault in FAULTS if fault.library != PYTHON):
        try:
            yield from _of(library, version(library))
        except PackageNotFoundError:  # imported from somewhere else
            continue
    if msgpack.Packer.__module__ == "msgpack.fallback":
        yield "msgpack", "it runs without its C part, many times slower: unset MSGPACK_PUREPYTHON, or install a wheel"


def _of(library: str, number: str) -> Iterator[tuple[str, str]]:
    for words in faults(library, number):
        yield library, f"{number}: {words}"


def _release(number: str) -> tuple[int, ...]:
    """Return the numbers at the beginning: (3, 13, 1) for 3.13.1rc1, which counts as what it is to become."""
    found = _match_numbers(number)
    return tuple(map(int, found[0].split("."))) if found else ()
