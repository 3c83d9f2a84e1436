"""What the tests of the broker share."""

from __future__ import annotations

import pytest

from tests.slbroker.broker.counter import Counter


@pytest.fixture
def counter() -> Counter:
    """A broker that nobody has spoken to."""
    return Counter()
