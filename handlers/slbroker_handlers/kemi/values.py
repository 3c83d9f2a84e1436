"""What KSR's functions take and return: text, numbers, null."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

Value: TypeAlias = str | int
Xval: TypeAlias = str | int | None
AnyItem = TypeVar("AnyItem")

NULL: Final = "<null>"  # how Kamailio writes null into a text


def pick(values: Sequence[AnyItem], at: int) -> AnyItem | None:
    """Return the value at a position, from the end when that is negative; None where there is none."""
    return values[at] if -len(values) <= at < len(values) else None
