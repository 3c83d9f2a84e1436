"""What one test has many of, of which `make test` runs a few and `make proofs` the others (tests/conftest.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from _pytest.mark import ParameterSet

T = TypeVar("T")


def of_which(values: Iterable[T], tested: Collection[T]) -> list[ParameterSet]:
    """Parameters for a test: those `tested` at each change, and the others, which are proofs."""
    return [pytest.param(value, marks=() if value in tested else pytest.mark.proof) for value in values]
