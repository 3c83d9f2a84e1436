"""Shell patterns, as routes and handlers take them for users and domains: `900*`, `*.example.com`."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import Final, TypeAlias

Matcher: TypeAlias = Callable[[str], object]

_SPECIAL: Final = frozenset("*?[")


def is_exact(pattern: str) -> bool:
    """Return whether a pattern matches one text only, itself: the usual case, which a table can hold."""
    return not _SPECIAL.intersection(pattern)


def matcher(pattern: str) -> Matcher:
    """Return a test for a shell pattern: equality where nothing in it is special, for that is the usual case."""
    if is_exact(pattern):
        return pattern.__eq__
    return re.compile(fnmatch.translate(pattern)).match
