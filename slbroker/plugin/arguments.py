"""Arguments that plugin authors write, looked at where they stand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from slbroker.bus.memo import LONGEST

Words: TypeAlias = "str | Iterable[str]"


def as_several(given: Words) -> tuple[str, ...]:
    """Return words that may be given as one or as several, as several; raise ValueError for what is no text."""
    words = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(word, str) for word in words):
        raise ValueError(f"text is wanted, or several in a list, not {given!r:.80}")
    return words


def check_seconds(name: str, value: object) -> None:
    """Raise ValueError for what is no number of seconds above 0; `name` is the argument's."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"{name}={value!r:.80} is no number of seconds above 0")


def check_remembered(name: str, value: object) -> None:
    """Raise ValueError for what is no number of seconds from 0 to an hour; `name` is the argument's."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
        raise ValueError(f"{name}={value!r:.80} is no number of seconds from 0 to {LONGEST:g}")
