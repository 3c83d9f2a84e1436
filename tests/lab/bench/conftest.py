"""The compiled load generator, for all tests of the benchmark."""

from __future__ import annotations

import shutil

import pytest

from tests.lab.bench.measure import Tools, compile_tools


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here: sipload cannot be built")
    return compile_tools(tmp_path_factory.mktemp("tools"))
