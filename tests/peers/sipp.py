"""SIPp runs: one of our scenarios against one server, and what came of it."""

from __future__ import annotations

import csv
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.peers import free_udp_port, require_peer, sipp_ports
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conftest import Start

SECONDS: Final = int(os.environ.get("SLBROKER_TEST_CALLS", "3"))  # how long calls come in, where the rate is the point
SCENARIOS = Path(__file__).with_name("scenarios")
# Beyond the time that the calls take: a lost datagram is sent again up to 7 times, for 32 s at most.
GRACE_SECONDS = 40


@dataclass(frozen=True)
class Run:
    """What SIPp counted. `sent` has every message of the scenario by method, first times and repeats together."""

    successful: int
    failed: int
    sent: dict[str, int]
    errors: str


def sipp_knows_tls() -> bool:
    """Whether SIPp was built with TLS, as its version line says; Debian's was not."""
    shown = subprocess.run(
        (require_peer("sipp"), "-v"), check=False, capture_output=True, text=True, timeout=within(10)
    )
    return "-TLS" in shown.stdout


def run_sipp(
    start: Start,
    scenario: str,
    port: int,
    folder: Path,
    *,
    calls: int,
    rate: int,
    transport: str = "u1",
    host: str = "127.0.0.1",
    options: Sequence[str] = (),
) -> Run:
    """Make `calls` calls, `rate` of them a second, to `port` of loopback. Fails when SIPp breaks off.

    `transport` is SIPp's -t: u1 for one UDP socket, t1 for one TCP connection, tn for one each call, l1 for TLS.
    """
    # A port that is free for UDP may be a fading TCP connection's; SIPp finds one by itself then.
    own_port = ("-bind_local", "-p", str(free_udp_port(host))) if transport == "u1" else ()
    errors = folder / f"{scenario}.errors"
    statistics = folder / f"{scenario}.csv"
    seconds = calls / rate + GRACE_SECONDS
    sipp = start(
        require_peer("sipp"),
        f"{_bracketed(host)}:{port}",
        *("-t", transport, "-max_socket", "1000", *options),
        *("-sf", str(SCENARIOS / f"{scenario}.xml")),
        *("-r", str(rate), "-m", str(calls)),
        *("-i", host, *own_port, *sipp_ports()),
        *("-nostdin", "-timeout", f"{within(seconds):.0f}s", "-timeout_error"),
        *("-trace_err", "-error_file", str(errors), "-trace_stat", "-stf", str(statistics), "-trace_counts"),
        cwd=folder,
    )
    status = sipp.wait(seconds + 5)
    found = errors.read_text(errors="replace")[:2_000] if errors.exists() else ""
    assert status in {0, 1}, f"SIPp ended with {status}: {found or sipp.log}"
    totals = _last_line(statistics)
    (counts,) = folder.glob(f"{scenario}_*_counts.csv")
    return Run(int(totals["SuccessfulCall(C)"]), int(totals["FailedCall(C)"]), _sent(_last_line(counts)), found)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _last_line(statistics: Path) -> dict[str, str]:
    """SIPp writes a line a second, the totals in the last one, `;` after every field."""
    with statistics.open(newline="") as lines:
        return {k: v for k, v in list(csv.DictReader(lines, delimiter=";"))[-1].items() if k and v is not None}


def _sent(counts: dict[str, str]) -> dict[str, int]:
    """Columns are called `3_ACK_Sent` and `3_ACK_Retrans`; the latter are repeats of ours only beside the former."""
    sent: dict[str, int] = {}
    for column, value in counts.items():
        if column.endswith("_Sent"):
            step = column.removesuffix("_Sent")
            method = step.partition("_")[2]
            sent[method] = sent.get(method, 0) + int(value) + int(counts[f"{step}_Retrans"])
    return sent
