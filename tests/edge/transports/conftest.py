"""The rig that tests of connections share, the certificates that those over TLS want; both twins of the datagrams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker.settings.connections import TlsSettings
from tests.support.certificates import Authority, Pair
from tests.support.streams import StreamRig, served
from tests.support.twins import KINDS, load

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Pair:
    return authority.issue("first")


@pytest.fixture(scope="module")
def other(authority: Authority) -> Pair:
    return authority.issue("second")


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Iterator[StreamRig]:
    """An edge and a worker; over the transport that the test module names as TRANSPORT, or TCP."""
    transport = getattr(request.module, "TRANSPORT", "tcp")
    tls = None
    if transport in ("tls", "wss"):
        pair: Pair = request.getfixturevalue("server")
        tls = TlsSettings(pair.certificate, pair.key)
    with served(transport=transport, tls=tls) as made:
        yield made


@pytest.fixture(scope="module", params=KINDS)
def twin(request: pytest.FixtureRequest) -> Any:
    return load("slbroker_edge.transports.datagrams", request.param)


@pytest.fixture(scope="module")
def compiled() -> Any:
    return load("slbroker_edge.transports.datagrams")
