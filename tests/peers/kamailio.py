"""A Kamailio of a test's own, run with the configuration that users are given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.peers.phone import Phone
from tests.support.peers import free_udp_port, require_peer
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.conftest import Start
    from tests.support.processes import Process

CONFIG = ROOT / "compose" / "kamailio.cfg"
_complaint = re.compile(r"^\s*\d+\(\d+\) (?:WARNING|ERROR|CRITICAL|ALERT|BUG|EMERG\w*):.*$", re.MULTILINE)


@dataclass(frozen=True)
class Kamailio:
    """A running Kamailio that hands requests over to an edge."""

    process: Process
    port: int

    def complaints(self) -> list[str]:
        """Its log lines of level WARNING and worse."""
        return _complaint.findall(self.process.log)


def start_kamailio(
    start: Start, edge_port: int, folder: Path, *, stateless: bool, defines: Sequence[str] = ()
) -> Kamailio:
    """Start it in the foreground, small, with its files in `folder`; wait until requests get through it.

    Once in some dozens of starts it has come up and answered nothing (cause not found); then a second one is started.
    """
    first = start_kamailio_once(start, edge_port, folder / "kamailio", stateless, defines)
    if _serves(first):
        return first
    first.process.stop()
    second = start_kamailio_once(start, edge_port, folder / "kamailio again", stateless, defines)
    assert _serves(second), f"{first.process.log}\n{second.process.log}"
    return second


def _serves(running: Kamailio) -> bool:
    with Phone(running.port) as phone:
        try:
            phone.wait_for_server()
        except AssertionError:
            return False
    return True


def start_kamailio_once(start: Start, edge_port: int, run: Path, stateless: bool, defines: Sequence[str]) -> Kamailio:
    """Start it with its files in `run`, and wait for nothing."""
    run.mkdir()
    port = free_udp_port()
    process = start(
        require_peer("kamailio"),
        *("-f", str(CONFIG), "-DD", "-E"),
        *("-A", f"LISTEN=udp:127.0.0.1:{port}", "-A", 'EDGE_IP="127.0.0.1"', "-A", f"EDGE_PORT={edge_port}"),
        *(("-A", "WITH_STATELESS") if stateless else ()),
        *(word for define in defines for word in ("-A", define)),
        *("-m", "16", "-M", "4"),  # MB of shared and of private memory; the defaults are 64 and 8
        *("-w", str(run), "-Y", str(run)),
        cwd=run,
    )
    return Kamailio(process, port)
