"""Shell patterns, as routes and handlers take them for users and domains: `900*`, `*.example.com`."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import TypeAlias

Matcher: TypeAlias = Callable[[str], object]


def matcher(pattern: str) -> Matcher:
    """Return a test for a shell pattern: equality where nothing in it is special, for that is the usual case."""
    if not set("*?[") & set(pattern):
        return pattern.__eq__
    return re.compile(fnmatch.translate(pattern)).match
