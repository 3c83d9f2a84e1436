"""Have many edges come and go beside one monitor: `make fleet`, or this file with --edges and --rounds.

In each round all edges are started at their addresses, then half of them are killed and the others stopped. What has
to hold: soon after the last one is there the monitor shows each once, up, and by its own figures; soon after the last
one is gone it shows none up; it holds as many files, and as much memory, in the last round as in the second one.
"""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from slbroker.keys import create as create_keys
from tests.lab.fuzz.memory import Usage, read_usage
from tests.peers.monitor import Monitor, start_monitor
from tests.support.processes import Process, slbroker
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

READY: Final = 120.0  # seconds in which a whole fleet is to have started, on a machine that has two processors
SOON: Final = 10.0  # seconds in which the monitor is to show what is so
MAX_GROWTH: Final = 4_096  # kB from the second round to the last one: figures of so many edges come and go


@dataclass
class Round:
    """What was seen in one: seconds until all was shown, up and gone; what the monitor held while all were up."""

    up: float
    gone: float
    usage: Usage
    series: int


@dataclass
class Outcome:
    """What came of it; `wrong` has a line for each that was shown otherwise than it is."""

    rounds: list[Round] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def run(count: int, rounds: int, say: Callable[[str], None] = lambda _line: None) -> Outcome:
    """Have so many edges come and go so often. Raises AssertionError for what is not shown in time."""
    outcome = Outcome()
    with TemporaryDirectory(prefix="fleet-") as name, ExitStack() as stack:
        folder = Path(name)
        create_keys(folder / "ring")
        buses = [f"ipc://{folder}/{number}" for number in range(count)]
        monitor = start_monitor(lambda *words, env=None, cwd=None: stack.enter_context(slbroker(*words)), *buses)
        for number in range(rounds):
            outcome.rounds.append(_round(monitor, folder / "ring", buses, outcome.wrong))
            say(f"round {number + 1}: {outcome.rounds[-1]}")
        assert monitor.process.stop() == 0, monitor.process
        assert "Traceback" not in monitor.process.log, monitor.process
    return outcome


def _round(monitor: Monitor, ring: Path, buses: list[str], wrong: list[str]) -> Round:
    with ExitStack() as stack:
        words = ("edge", "--keys", str(ring), "--listen", "udp:127.0.0.1:0")
        edges = {bus: stack.enter_context(slbroker(*words, "--bus", bus)) for bus in buses}
        for edge in edges.values():
            edge.wait_for("edge ready", READY)
        up = _seconds_until(lambda: set(monitor.metric("slbroker_up").values()) == {1.0}, monitor)
        shown = _shown(monitor)
        wrong += judge(shown, {bus: edge.pid for bus, edge in edges.items()})
        usage, series = read_usage(monitor.process.pid), monitor.get("/metrics").text.count("\n")
        _end(list(edges.values()))
        gone = _seconds_until(lambda: set(monitor.metric("slbroker_up").values()) == {0.0}, monitor)
        lines = monitor.get("/healthz").text.splitlines()
        if len(lines) != len(buses):
            wrong.append(f"{len(lines)} of {len(buses)} are told of as gone")
    return Round(up, gone, usage, series)


def _end(edges: list[Process]) -> None:
    """Kill every other one, stop the rest; return when none is there."""
    for number, edge in enumerate(edges):
        edge.send(signal.SIGTERM if number % 2 else signal.SIGKILL)
    for edge in edges:
        edge.wait(READY)


def _shown(monitor: Monitor) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = monitor.get("/figures").json["processes"]
    return found


def _seconds_until(is_so: Callable[[], bool], monitor: Monitor) -> float:
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() - begun < within(SOON), monitor.get("/healthz").text
        time.sleep(0.1)
    return time.monotonic() - begun


def judge(shown: list[dict[str, Any]], pids: Mapping[str, int]) -> list[str]:
    """Return what is wrong with the processes that the monitor shows; `pids` are those there are, by bus address."""
    wrong = []
    addresses = [each["address"] for each in shown]
    if sorted(addresses) != sorted(pids):
        wrong.append(f"{len(addresses)} are shown, {len(set(addresses))} of them once, where there are {len(pids)}")
    for each in shown:
        pid = pids.get(each["address"])
        if not each["up"]:
            wrong.append(f"{each['address']} is shown as gone")
        elif pid is not None and each["figures"]["name"].split(":")[1] != str(pid):
            wrong.append(f"{each['address']} is shown with the figures of {each['figures']['name']}, not of {pid}")
    return wrong


def check(outcome: Outcome, max_growth: int = MAX_GROWTH) -> None:
    """What has to hold at the end; `max_growth` in kB."""
    assert outcome.wrong == []
    first, *rest = outcome.rounds[1:]
    for each in rest:
        assert each.usage.files <= first.usage.files, f"{each.usage.files} files, {first.usage.files} before"
        assert each.series == first.series, f"{each.series} lines of metrics, {first.series} before"
    assert not rest or rest[-1].usage.rss - first.usage.rss <= max_growth, "the monitor grows"


@click.command(help=__doc__)
@click.option("--edges", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--rounds", type=click.IntRange(min=2), default=6, show_default=True)
def main(edges: int, rounds: int) -> None:
    outcome = run(edges, rounds, click.echo)
    check(outcome)
    click.echo("All that has to hold does.")


if __name__ == "__main__":
    main()
