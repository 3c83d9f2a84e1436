"""Fixtures for pytest; it finds them by itself where slbroker is installed.

    @pytest.fixture
    def sip_app():
        return my_plugin.app

    def test_keepalive(sip):
        assert sip.request("OPTIONS").status == 200

A handler that raises fails the test: `expect_errors = True` on the client says that a test wants one to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from slbroker.testing.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker.plugin import Handlers


@pytest.fixture
def sip_app() -> Handlers:
    """The plugin under test. Tests say which by a fixture of this name."""
    pytest.fail("which plugin? define a fixture sip_app, in the test's file or conftest.py, that returns it")


class SipClient(Client):
    """A client whose test fails when a handler does, unless it `expect_errors`."""

    expect_errors = False


@pytest.fixture
def sip(sip_app: Handlers) -> Iterator[SipClient]:
    """A client of the plugin that `sip_app` returns, started and stopped with its hooks."""
    with SipClient(sip_app) as client:
        yield client
    if client.errors and not client.expect_errors:
        pytest.fail(f"{client.errors} handlers failed; the log has their lines", pytrace=False)
