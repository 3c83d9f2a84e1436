"""What a plugin does to `logging` and to stdout, and what is still read of it and of us."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from slbroker import keys
from slbroker.plugin.faults import describe
from tests.support.peers import free_udp_port
from tests.support.processes import run_slbroker
from tests.support.sip import read_reply, request
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.processes import Process

HEAD = """
import logging, logging.config
from slbroker import Handlers

QUIET = {"version": 1, "disable_existing_loggers": True, "root": {"level": "CRITICAL", "handlers": []}}
app = Handlers()
"""
TAIL = """
@app.on("OPTIONS")
def fail(request):
    print("printed by the plugin")
    raise RuntimeError("the handler's own fault")
"""
AT_IMPORT = "logging.config.dictConfig(QUIET)\n"
IN_STARTUP = "@app.startup\ndef configure():\n    logging.config.dictConfig(QUIET)\n"
BY_HAND = "logging.getLogger().handlers.clear()\nlogging.getLogger().setLevel(logging.CRITICAL)\n"
DISABLE = "logging.disable(logging.CRITICAL)\n"
IN_THE_HANDLER = TAIL.replace("    print", "    logging.config.dictConfig(QUIET)\n    print")


@pytest.mark.parametrize(
    "plugin",
    [
        HEAD + AT_IMPORT + TAIL,
        HEAD + IN_STARTUP + TAIL,
        HEAD + BY_HAND + TAIL,
        HEAD + DISABLE + TAIL,
        HEAD + IN_THE_HANDLER,
    ],
    ids=["at import", "at startup", "by hand", "by disable", "in the handler"],
)
def test_a_plugin_that_configures_logging_leaves_our_lines(
    start_slbroker: Start, tmp_path: Path, udp: socket.socket, plugin: str
) -> None:
    handler = serve(start_slbroker, tmp_path, udp, plugin)
    for number in range(2):
        udp.send(request(call_id=str(number), via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK1"))
        assert read_reply(udp.recv(4096)).status == 500
    handler.wait_for("the handler's own fault")
    handler.kill()
    assert "printed by the plugin" in handler.output


def serve(start: Start, folder: Path, udp: socket.socket, plugin: str) -> Process:
    """An edge, and a handler with `plugin` that it has welcomed; `udp` is connected to them."""
    keys.create(folder / "ring")
    (folder / "plugin.py").write_text(plugin)
    bus, ring, port = f"ipc://{folder}/bus", str(folder / "ring"), free_udp_port()
    start("edge", "--listen", f"udp:127.0.0.1:{port}", "--bus", bus, "--keys", ring).wait_for("edge ready")
    buffered = {"PYTHONUNBUFFERED": ""}
    words = ("--bus", bus, "--keys", ring, "--plugin", str(folder / "plugin.py"))
    handler = start("handler", *words, env=buffered)
    handler.wait_for("handler ready")
    udp.connect(("127.0.0.1", port))
    udp.settimeout(within(5.0))
    return handler


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        yield made


def test_a_group_of_exceptions_is_told_with_its_members() -> None:
    group = ExceptionGroup("two lookups", [ValueError("no\nroute"), ExceptionGroup("more", [KeyError("x")])])
    assert describe(group) == (
        "ExceptionGroup: two lookups (2 sub-exceptions): ValueError: no route;"
        " ExceptionGroup: more (1 sub-exception): KeyError: 'x'"
    )
    assert len(describe(ExceptionGroup("many", [ValueError("x" * 500)] * 100))) < 700


@pytest.mark.parametrize("level", ["INFO", "Warning", "debug"])
def test_a_log_level_is_written_as_people_do(level: str, tmp_path: Path) -> None:
    shown = run_slbroker(
        *("edge", "--listen", "udp:127.0.0.1:0", "--keys", str(tmp_path / "none")), env={"SLBROKER_LOG_LEVEL": level}
    )
    shown.wait()
    assert "no key file" in shown.log


@pytest.mark.parametrize("between", [" ", ",", ", "])
def test_two_addresses_where_one_is_wanted_are_refused(between: str, tmp_path: Path) -> None:
    keys.create(tmp_path / "ring")
    both = f"ipc://{tmp_path}/a{between}ipc://{tmp_path}/b"
    words = ("edge", "--keys", str(tmp_path / "ring"), "--listen", "udp:127.0.0.1:0")
    refused = run_slbroker(*words, env={"SLBROKER_BUS": both})
    assert refused.wait() == 3
    assert "those are several, and one is wanted here" in refused.log
    assert [entry.name for entry in tmp_path.iterdir()] == ["ring"]
