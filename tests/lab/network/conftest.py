"""A network for each test, and one set of keys for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.network.hosts import Network
from tests.lab.network.namespaces import require_namespaces
from tests.lab.network.site import Keys, Site

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    made = Keys(tmp_path_factory.mktemp("keys"))
    made.make()
    return made


@pytest.fixture
def network() -> Iterator[Network]:
    require_namespaces()
    with Network() as network:
        yield network


@pytest.fixture
def site(network: Network, keys: Keys) -> Site:
    """Four hosts on which nothing runs yet."""
    return Site(network, keys)
