"""The worker at the end of docs/bus.md, before a real edge."""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from slbroker.bus.address import parse_bus_address
from slbroker.keys import create as create_keys
from tests.support.figures import ask_figures
from tests.support.sip import read_reply, request
from tests.support.timing import until, within

if TYPE_CHECKING:
    from tests.conftest import Start

PAGE = Path(__file__).parents[3] / "docs" / "bus.md"


def test_the_pages_worker_works(folder: Path, start_slbroker: Start, start_program: Start) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code is not None
    assert code[1].count("\n") <= 40
    program = folder / "worker.py"
    program.write_text(code[1])
    bus = parse_bus_address(f"ipc://{folder}/run/bus")
    keys = str(folder / "keys")
    create_keys(keys)
    worker = start_program(sys.executable, str(program), str(bus))  # it may be there first
    edge = start_slbroker("edge", "--listen", "udp:127.0.0.1:0", "--bus", str(bus), "--keys", keys)
    (port,) = re.findall(r"udp:127\.0\.0\.1:(\d+)", edge.wait_for("edge ready"))
    until(lambda: ask_figures(bus, within(5.0))[0]["workers"], what="the worker's HELLO")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.settimeout(within(5.0))
        phone.connect(("127.0.0.1", int(port)))
        for number in range(5):
            phone.send(request("MESSAGE", call_id=f"call-{number}", via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK1"))
            reply = read_reply(phone.recv(65_535))
            assert (reply.status, reply.reason, reply.one(b"Call-ID")) == (404, "Not Found", b"call-%d" % number)
            assert b";tag=" in reply.one(b"To")
    (figures,) = ask_figures(bus, within(5.0))
    assert (figures["received"], figures["replied"], figures["garbage"]) == (5, 5, 0)
    assert [(account["answered"], account["open"]) for account in figures["workers"]] == [(5, 0)]
    assert edge.stop() == 0
    assert worker.running
