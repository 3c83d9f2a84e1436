"""The README's way to a first call: its plugin, its two commands, SIPp's own caller."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.peers import free_udp_port, require_peer, sipp_ports
from tests.support.processes import slbroker

if TYPE_CHECKING:
    from tests.conftest import Start

README = Path(__file__).parents[2] / "README.md"
CALLS = 10

pytestmark = pytest.mark.peer


def test_sipps_own_caller_is_answered(start_program: Start, tmp_path: Path) -> None:
    text = README.read_text()
    plugin = re.search(r"`accept\.py`.*?```python\n(.*?)```", text, re.DOTALL)
    commands = re.search(r"^    slbroker (run --plugin accept\.py .*)\n    sipp (-sn uac .*?) +#", text, re.MULTILINE)
    assert plugin is not None
    assert commands is not None
    (tmp_path / "accept.py").write_text(plugin[1])
    address = f"127.0.0.1:{free_udp_port()}"
    words, caller = (line.replace("127.0.0.1:5060", address).split() for line in commands.groups())
    with slbroker(*words, cwd=tmp_path) as service:
        service.wait_for("edge ready")
        service.wait_for("handler ready", times=2)
        own_port = ("-p", str(free_udp_port()), "-i", "127.0.0.1", *sipp_ports())
        sipp = start_program(require_peer("sipp"), *caller, *own_port, "-nostdin", "-timeout", "30s", cwd=tmp_path)
        assert sipp.wait(40) == 0, sipp
        service.stop()
    fates = re.search(r"edge stopped: absorbed (\d+), received (\d+), replied (\d+)", service.log)
    assert fates is not None, service.log
    absorbed, received, replied = map(int, fates.groups())
    assert absorbed >= CALLS
    assert replied >= 2 * CALLS
    assert received == absorbed + replied
