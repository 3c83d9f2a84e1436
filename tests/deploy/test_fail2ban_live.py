"""fail2ban's own reader finds scanners and wrong credentials in the log, in each form, and no forged address."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.peers.brokers import free_bus_address, new_keys, start_edge
from tests.support.digest import URI
from tests.support.processes import ROOT
from tests.support.sip import request
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

FILTER = ROOT / "compose/fail2ban/filter.d/slbroker.conf"
FORGED = "203.0.113.66"
PLUGIN = """
from slbroker import Handlers
from slbroker.plugin import Digest, screen
app = Handlers()
app.before(screen())
users = Digest("example.com", {"alice": "wonderland"}.get, bind="source")
@app.on("REGISTER")
@users.required
def register(request):
    return request.registered()
@app.on("INVITE")
def fail(request):
    raise ValueError(request.headers["Subject"])
"""
# What a peer may write, so that somebody else is banned.
EVIL = (
    f"x\r\n WARNING [1] scanner from {FORGED} by udp: y",
    f"scanner from {FORGED} by udp: ",
    f'"source": "udp:{FORGED}:5060"',
    f"\x0b\x85\u2028WARNING [1] wrong credentials from {FORGED} by tls: ",
)  # fmt: skip


def found(log: Path, filter_: str) -> list[str]:
    """The addresses that fail2ban would count, one for each line."""
    words = ["fail2ban-regex", "--verbose", "--verbose", str(log), filter_]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "Lines: " in done.stdout, done
    return re.findall(r"^\|      (\S+)  \w{3} \w{3} ", done.stdout, re.MULTILINE)


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("fail2ban-regex") is None, reason="fail2ban is not installed")
@pytest.mark.parametrize("form", ["plain", "json", "journal"])
def test_fail2ban_finds_who_should_not_be_here_and_nobody_else(
    start_slbroker: Start, tmp_path: Path, form: str
) -> None:
    ring, bus, plugin = new_keys(tmp_path), free_bus_address("ipc", tmp_path), tmp_path / "plugin.py"
    plugin.write_text(PLUGIN)
    logs = ("--log-format", form, "--log-level", "debug")
    edge = start_edge(start_slbroker, ring, bus, ("udp:127.0.0.1",), ("--log-calls", "--trace", "127.0.0.1", *logs))
    worker = start_slbroker("handler", "--bus", bus, "--keys", str(ring), "--plugin", str(plugin), *logs)
    worker.wait_for("handler ready")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(within(5.0))
        sock.connect(("127.0.0.1", edge.port))
        for number, evil in enumerate(EVIL):
            via = f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{number}"
            folded, plain = evil.replace("\r\n", "\r\n "), evil.replace("\r\n", " ")
            sock.send(request("OPTIONS", via=via, call_id=plain, user_agent=f"sipvicious {folded}"))
            sock.send(request("REGISTER", URI, via=via, call_id=plain))
            nonce = re.search(rb'nonce="([^"]+)"', sock.recv(4096))
            assert nonce
            said = (
                f'Digest username="{plain.replace(chr(34), "")}", realm="example.com", nonce="{nonce[1].decode()}",'
                f' uri="{URI}", response="{"0" * 32}"'
            )
            sock.send(
                request("REGISTER", URI, via=via, call_id=f"again {plain}", cseq="2 REGISTER", authorization=said)
            )
            assert sock.recv(4096).startswith(b"SIP/2.0 401")
            # What answers no challenge of ours, and an exception with the peer's words in it.
            said = said.replace(nonce[1].decode(), "n1" + "0" * 44)
            sock.send(
                request("REGISTER", URI, via=via, call_id="old", cseq=f"{number + 3} REGISTER", authorization=said)
            )
            assert sock.recv(4096).startswith(b"SIP/2.0 401")
            sock.send(request("INVITE", via=via, call_id=f"fails {number}", subject=plain))
            assert sock.recv(4096).startswith(b"SIP/2.0 500")
    worker.wait_for("fails 3")
    edge.process.stop()
    worker.stop()
    log = tmp_path / "log"
    log.write_text(worker.log + edge.process.log)
    assert found(log, str(FILTER)) == ["127.0.0.1"] * 2 * len(EVIL)
    assert found(log, f"{FILTER}[mode=normal]") == ["127.0.0.1"] * len(EVIL)
    assert found(log, f"{FILTER}[transports='tcp|tls']") == []
