"""The twins: `pure` says what is right, `compiled` has to agree, down to the exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.slbroker.inner.twins import load

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture(scope="module", params=["pure", "compiled"])
def inner(request: pytest.FixtureRequest) -> ModuleType:
    return load(request.param)


@pytest.fixture(scope="module")
def compiled() -> ModuleType:
    return load("compiled")
