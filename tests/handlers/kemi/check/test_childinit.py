"""A script's child_init: it runs when a worker starts, and a test that leaves it out is told when that matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from slbroker.testing import Client
from slbroker_handlers.loader import load_plugin
from tests.handlers.kemi.scripts import route, serve, write

if TYPE_CHECKING:
    from pathlib import Path


def test_child_init_runs_once_when_the_worker_starts(tmp_path: Path) -> None:
    script = route("KSR.sl.sl_send_reply(200, str(self.ranks))").replace("return 0", "self.ranks = [rank]")
    with Client(load_plugin(write(tmp_path, script))) as client:
        reply = client.request("OPTIONS")
    assert reply is not None
    assert reply.reason == "[1]"


@pytest.mark.parametrize(
    "does",
    [
        "self.pool = rank", "global POOL; POOL = 1", "open_pool()", "import os", "KSR.htable.sht_seti('a', 'b', 1)",
        "KSR.pv.sets('$shv(x)', 'y')",
    ],
)  # fmt: skip
def test_a_child_init_that_is_skipped_without_with_is_said_once(does: str, tmp_path: Path) -> None:
    """As the startup hooks of plugins are."""
    client = serve(tmp_path, "KSR.sl.sl_send_reply(200, 'OK')", doing=does)
    with pytest.warns(UserWarning, match=r"startup hooks are not called \(child_init\): with Client\(app\) as client"):
        client.request("OPTIONS")
    client.request("OPTIONS")  # warnings are errors: no second one


@pytest.mark.parametrize("does", ["pass", "KSR.info('child %d' % rank)", "KSR.xlog.xinfo('begun')", "print(rank)"])
def test_a_child_init_that_does_nothing_a_test_could_miss_is_skipped_silently(does: str, tmp_path: Path) -> None:
    client = serve(tmp_path, "KSR.sl.sl_send_reply(200, 'OK')", doing=does)
    assert client.request("OPTIONS") is not None


def test_the_child_init_of_a_script_with_functions_is_told_of_by_its_name(tmp_path: Path) -> None:
    text = """
        import KSR
        def begin(rank):
            global RANK
            RANK = rank
        def ksr_request_route():
            KSR.sl.sl_send_reply(200, "OK")
    """
    client = Client(load_plugin(write(tmp_path, text) + "?param=app_python3s.script_child_init=begin"))
    with pytest.warns(UserWarning, match=r"\(begin\)"):
        client.request("OPTIONS")
