"""Fuzz target: the two definitions of `scan`, pure Python and compiled.

Invariant: both give the same result, or raise the same. The header lists are equal element by element, and the first
values are those of the list.

Allowed exceptions: Drop("bare-crlf"), from both.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from slbroker.errors import Drop
from slbroker.inner import pure
from tests.fuzz.seeds import MESSAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.inner.pure import Scanned

ROUNDS = 50_000
DICTIONARY = "sip.dict"
SEEDS = MESSAGES

try:
    compiled = importlib.import_module("slbroker.inner.compiled")
except ModuleNotFoundError:  # no C compiler here: the pure one is checked against itself
    compiled = pure


def check(data: bytes) -> None:
    """Assert the invariant for one datagram."""
    one = outcome(pure.scan, data)
    assert outcome(compiled.scan, data) == one
    if not isinstance(one, str):
        _start, headers, first, _body, _fault = one
        pairs = list(zip(headers[::2], headers[1::2], strict=True))
        assert first == dict(reversed(pairs))


def outcome(scan: Callable[[bytes], Scanned], data: bytes) -> Scanned | str:
    """The result, or the cause why there is none."""
    try:
        return scan(data)
    except Drop as drop:
        assert drop.cause == "bare-crlf"
        return drop.cause
