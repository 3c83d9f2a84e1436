"""Datagrams that the kernel drops in front of an edge: counted, and said; and the buffer that it does not grant."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slbroker import keys
from slbroker_edge.transports import buffers
from tests.support.peers import free_udp_port
from tests.support.processes import run_slbroker
from tests.support.sip import read_reply, request
from tests.support.timing import within

if TYPE_CHECKING:
    from tests.conftest import Start

FLOOD = 20_000
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


def test_what_the_kernel_drops_is_counted(start_slbroker: Start, tmp_path: Path) -> None:
    keys.create(tmp_path / "ring")
    port, bus = free_udp_port(), f"ipc://{tmp_path}/bus"
    edge = start_slbroker("edge", "--listen", f"udp:127.0.0.1:{port}", "--bus", bus, "--keys", str(tmp_path / "ring"))
    edge.wait_for("edge ready")
    assert figures(bus)["kernel_drops"] == 0
    edge.send(signal.SIGSTOP)
    data = request(via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.connect(("127.0.0.1", port))
        for _ in range(FLOOD):
            phone.send(data)
        edge.send(signal.SIGCONT)
        line = edge.wait_for("datagrams were lost before they could be read")
        phone.settimeout(within(5.0))
        assert read_reply(phone.recv(4096)).status == 503
    shown = figures(bus)
    lost = shown["kernel_drops"]
    assert re.search(rf" {lost} datagrams", line)
    assert shown["received"] + lost == FLOOD


def figures(bus: str) -> dict[str, int]:
    asked = run_slbroker("stats", "--json", "--bus", bus)
    assert asked.wait() == 0
    told = json.loads(asked.output)
    found: dict[str, int] = told["edges"][0] if "edges" in told else told[0]
    return found


@as_root
@pytest.mark.parametrize(("user", "is_granted"), [("root", True), ("nobody", False)])
def test_root_has_the_buffer_that_rmem_max_denies_others(
    user: str, is_granted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without CAP_NET_ADMIN rmem_max counts, which is 208 KiB as Linux comes."""
    monkeypatch.setattr(buffers, "WANTED", 2 * int(Path("/proc/sys/net/core/rmem_max").read_text()))
    pid = os.fork()
    if not pid:
        if user == "nobody":
            os.setuid(65_534)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            buffers.enlarge(sock)
            os._exit(buffers.granted(sock) >= buffers.WANTED)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == is_granted


def test_a_small_buffer_is_warned_of(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 212_992)
        buffers.BufferWatch([buffers.Udp("udp:127.0.0.1:5060", sock)])
        (line,) = [record.message for record in caplog.records]
        assert "udp:127.0.0.1:5060: the kernel grants a receive buffer of 208 KiB where 4096 are asked for" in line
        assert "sysctl -w net.core.rmem_max=4194304" in line
        monkeypatch.setattr(buffers, "WANTED", 212_992)
        buffers.BufferWatch([buffers.Udp("udp:127.0.0.1:5060", sock)])
    assert len(caplog.records) == 1
