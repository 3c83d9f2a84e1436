"""The fixture that plugin authors get, in a pytest of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.support.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
import pytest
from slbroker import Handlers

started = []

@pytest.fixture
def sip_app():
    app = Handlers()
    app.startup(lambda: started.append(1))
    app.shutdown(started.clear)
    app.on("OPTIONS")(lambda request: request.reply(200))
    app.on("INVITE")(lambda request: 1 / 0)
    return app

def test_answers(sip):
    assert started == [1]
    assert sip.request("OPTIONS").status == 200

def test_wants_a_failure(sip):
    sip.expect_errors = True
    assert sip.request("INVITE").status == 500

def test_fails(sip):
    assert sip.request("INVITE").status == 500

def test_stopped():
    assert started == []
"""


def test_the_fixture(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "test_none.py").write_text("def test_no_app(sip): ...")
    words = ("-q", "-p", "slbroker.testing.pytest_plugin", "-p", "no:cacheprovider", "-rA", "--rootdir", str(tmp_path))
    with Process(sys.executable, "-m", "pytest", *words, cwd=tmp_path) as tests:
        assert tests.wait(30) == 1, tests
    assert "3 passed, 2 errors" in tests.output or "4 passed, 2 errors" in tests.output, tests
    assert "1 handlers failed; the log has their lines" in tests.output
    assert "define a fixture sip_app" in tests.output
