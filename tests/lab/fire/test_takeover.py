"""An edge is upgraded in place, again and again, under load: no request unanswered, no ACK leaked, no datagram lost."""

from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from slbroker.bus.address import parse_bus_address
from tests.lab.bench.measure import Plan, Tools, compile_tools, run_load
from tests.lab.fire.checks import lost_by_kernel
from tests.lab.fire.site import RATE, SCALE, after, seconds
from tests.support.figures import ask_figures
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.fire.conftest import Report
    from tests.lab.fire.site import Site

UPGRADES: Final = 5 if SCALE >= 1 else 1
PAUSE: Final = seconds(1.5, 0.5)  # seconds between two of them
# Seconds in which one starts and the other leaves, where the load and the edge before have the processors as well: an
# edge of two processes takes 0.8 s on an idle machine, and up to 4 s here.
EACH: Final = {1: 1.5, 2: 4.5}
BUNDLED: Final = ("--plugin", "slbroker_handlers.bundled")  # 200 to OPTIONS, 404 to INVITE
_count = re.compile(r"(received|replied|absorbed|in_flight|dropped|shed|failed|passed|forwarded|repeated) (\d+)")


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here: sipload cannot be built")
    return compile_tools(tmp_path)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("method", ["OPTIONS", "INVITE"])
def test_an_edge_is_upgraded_in_place(site: Site, tools: Tools, report: Report, method: str, processes: int) -> None:
    words = ("--processes", str(processes))
    edges = [site.edge(*words)]
    edges[0].process.wait_for("edge ready", times=processes)
    port = edges[0].port
    workers = site.workers(2, *BUNDLED)
    for worker in workers:
        worker.wait_for("handler ready", times=processes)
    plan = Plan(seconds=within(UPGRADES * (PAUSE + EACH[processes]) + 1.0), window=8_192, rate=RATE, sockets=16)
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(run_load, tools.sipload, port, method, plan)
        for _ in range(UPGRADES):
            after(PAUSE)
            edges.append(site.edge(*words, "--takeover", port=port))
            edges[-1].process.wait_for("edge ready", times=processes)
            assert edges[-2].process.wait() == 0, edges[-2].process
            assert not loading.done(), "the load has ended before the last upgrade: this machine is too busy"
        load = loading.result()
    after(0.5)  # in which what was sent last is read
    dropped = lost_by_kernel(port)
    figures = ask_figures(parse_bus_address(site.bus), within(2))
    drops = dropped + sum(each["kernel_drops"] for each in figures)
    assert edges[-1].process.stop() == 0
    told: dict[str, int] = {}
    for edge in edges:
        for line in re.findall(r"edge stopped: (.*)", edge.process.log):
            for name, number in _count.findall(line):
                told[name] = told.get(name, 0) + int(number)
    report("upgrades; requests a second", f"{UPGRADES}; {load.rps:,.0f}", "5,000 at full size")
    report("requests, unanswered", f"{load.sent:,}, {load.lost - load.late}", "none unanswered")
    report("p50 / p99 / 99.9 %", f"{load.p50_us / 1e3:.1f} / {load.p99_us / 1e3:.1f} / {load.p999_us / 1e3:.1f} ms")
    report("ACKs, absorbed", f"{load.acks:,}, {told.get('absorbed', 0):,}", "all")
    report("datagrams that the kernel dropped", drops, "0")
    assert load.lost == load.late, load
    assert load.duplicates == load.stray == load.refused == 0, load
    assert set(load.codes) == {"200" if method == "OPTIONS" else "404"}, load.codes
    assert told["received"] == load.sent + load.acks, (told, load)
    assert told["replied"] == load.sent, (told, load)
    assert told.get("absorbed", 0) == load.acks, (told, load)
    assert not drops, figures
    assert not any("starting it again" in edge.process.log for edge in edges)
