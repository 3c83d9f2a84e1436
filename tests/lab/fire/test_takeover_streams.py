"""An edge is upgraded in place while callers have connections: what was on its way is answered, by one or the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from tests.lab.fire.callers import Callers
from tests.lab.fire.records import percentile
from tests.lab.fire.site import SCALE, after, seconds
from tests.support.certificates import Authority
from tests.support.peers import free_tcp_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.fire.conftest import Report
    from tests.lab.fire.site import Site

UPGRADES: Final = 5 if SCALE >= 1 else 2
PAUSE: Final = seconds(1.5, 0.5)  # seconds between two of them
CALLERS: Final = 50
RATE: Final = max(500 * SCALE, 250)  # requests a second, of all
BUNDLED: Final = ("--plugin", "slbroker_handlers.bundled")  # 200 to OPTIONS


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_an_edge_with_connections_is_upgraded_in_place(
    site: Site, report: Report, tmp_path: Path, transport: str, processes: int
) -> None:
    port, context = free_tcp_port(), None
    words = ["--processes", str(processes), "--listen", f"{transport}:127.0.0.1:{port}"]
    if transport == "tls":
        authority = Authority(tmp_path)
        pair, context = authority.issue("edge"), authority.client()
        words += ["--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)]
    edges = [site.edge(*words, calls=False)]
    edges[0].process.wait_for("edge ready", times=processes)
    for worker in site.workers(2, *BUNDLED):
        worker.wait_for("handler ready", times=processes)
    callers = Callers(port, context, CALLERS, RATE)
    with ThreadPoolExecutor(1) as pool:
        calling = pool.submit(callers.run)
        try:
            for _ in range(UPGRADES):
                after(PAUSE)
                edges.append(site.edge(*words, "--takeover", port=edges[0].port, calls=False))
                edges[-1].process.wait_for("edge ready", times=processes)
                assert edges[-2].process.wait() == 0, edges[-2].process
            after(PAUSE)
        finally:
            callers.stop()
        seen = calling.result()
    assert edges[-1].process.stop() == 0
    latencies = sorted(each * 1e3 for each in seen.latencies)
    report(f"upgrades; requests over {transport.upper()}", f"{UPGRADES}; {seen.sent:,}", f"{RATE:g} a second")
    report("connections: at first; in all", f"{CALLERS}; {seen.connections:,}")
    report("unanswered; cut with their connection", f"{seen.silent}; {seen.cut}", "0; next to none")
    report("p50 / p99 / slowest", " / ".join(f"{percentile(latencies, at):.1f}" for at in (0.5, 0.99, 1.0)) + " ms")
    assert not seen.wrong, seen.wrong[:3]
    assert not seen.refused, seen.refused[:3]
    assert not seen.silent
    # Sent in the microseconds in which the edge closed a connection at rest. One of each was, at each upgrade, when the
    # edge that left read them no more before it closed them.
    assert seen.cut < CALLERS / 10, seen.sent
    assert seen.answered == seen.sent - seen.cut
    assert seen.connections >= CALLERS * (1 + UPGRADES), "each was closed by each edge that left"
