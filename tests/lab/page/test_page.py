"""The monitor's page when somebody dies, by the keyboard alone, and as a screen reader has it; `make proofs`."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.browser.devtools import Tab
from tests.peers.brokers import Edge, free_bus_address, new_keys, start_edge, start_handler
from tests.peers.monitor import Monitor, start_monitor
from tests.peers.sipp import run_sipp
from tests.support.peers import free_tcp_port
from tests.support.timing import until, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(180))]


class Cluster:
    """Two edges, the second with a broker, and four workers in two pools; a monitor on a port that stays."""

    def __init__(self, start: Start, folder: Path) -> None:
        self.keys = new_keys(folder)
        self._start = start
        self.buses = [f"ipc://{folder}/{name}" for name in ("one", "two", "edges", "handlers")]
        start("broker", "--edges", self.buses[2], "--handlers", self.buses[3]).wait_for("broker ready")
        self.edges = [self.edge(0), self.edge(1)]
        for bus in (self.buses[0], self.buses[0], self.buses[3], self.buses[3]):
            start_handler(start, self.keys, bus).wait_for("handler ready")
        self.port = free_tcp_port()
        self.monitor = self.watch()

    def edge(self, number: int) -> Edge:
        options = ("--broker", self.buses[2]) if number else ()
        return start_edge(self._start, self.keys, self.buses[number], options=options)

    def watch(self) -> Monitor:
        return start_monitor(self._start, self.buses[0], self.buses[1], http=f"127.0.0.1:{self.port}")


@pytest.fixture
def cluster(start_slbroker: Start, tmp_path: Path) -> Cluster:
    return Cluster(start_slbroker, tmp_path)


def is_well(tab: Tab) -> None:
    tab.wait("document.getElementById('state').textContent === 'Requests are answered.'", 30)


def test_the_death_of_an_edge_and_its_return(cluster: Cluster, start_program: Start, tmp_path: Path) -> None:
    with Tab(start_program, tmp_path) as tab:
        tab.open(cluster.monitor.url)
        is_well(tab)
        assert tab.ask("document.querySelectorAll('#map .box').length") == 4, "two edges, a broker, a pool"
        cluster.edges[1].process.send(signal.SIGKILL)
        fault = f"edge {cluster.buses[1]} does not answer on the bus"
        tab.wait(f"document.getElementById('state').textContent.includes({fault!r})", 15)
        assert "no answer for" in tab.rows("edges")[1][1]
        assert tab.ask("document.querySelectorAll('#map .box.down').length") == 1
        assert tab.ask("document.title") == "(!) slbroker"
        assert tab.ask("document.getElementById('state').getAttribute('aria-live')") == "polite"
        assert tab.text("#gone") == ""
        cluster.edges[1] = cluster.edge(1)
        is_well(tab)
        assert tab.complaints == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
def test_the_death_of_the_monitor_and_its_return(
    cluster: Cluster, start_program: Start, tmp_path: Path, how: signal.Signals
) -> None:
    """Killed, ended in order within 5 s, or hanging with all connections open."""
    with Tab(start_program, tmp_path) as tab:
        tab.open(cluster.monitor.url)
        is_well(tab)
        run_sipp(start_program, "options", cluster.edges[0].port, tmp_path, calls=50, rate=50)
        tab.wait("document.querySelector('#tile-replied small').textContent === '50 in all'")
        tab.wait("document.getElementById('recent').tBodies[0].rows.length > 5")
        seen, began = len(tab.rows("recent")), time.monotonic()
        process = cluster.monitor.process
        process.send(how)
        if how == signal.SIGTERM:
            assert process.wait(10) == 0
            assert time.monotonic() - began < within(5)
        tab.wait("document.getElementById('gone').textContent.startsWith('The monitor is gone')", 15)
        assert tab.text("#live") == "monitor gone"
        assert tab.text("#tile-replied small") == "50 in all", "what was seen last stays"
        if how == signal.SIGSTOP:
            process.send(signal.SIGCONT)
        else:
            process.wait()
            cluster.monitor = cluster.watch()
        tab.wait("document.getElementById('gone').textContent === ''", 20)
        tab.wait("document.getElementById('live').textContent.startsWith('live')")
        is_well(tab)
        assert len(tab.rows("recent")) >= seen, "requests stay, too"
        assert tab.complaints == []


def test_by_keyboard(cluster: Cluster, start_program: Start, tmp_path: Path) -> None:
    with Tab(start_program, tmp_path) as tab:
        tab.open(cluster.monitor.url)
        is_well(tab)
        run_sipp(start_program, "invite_404_ack", cluster.edges[0].port, tmp_path, calls=50, rate=50)
        tab.wait("document.getElementById('recent').tBodies[0].rows.length > 5")
        tab.press("Tab")
        assert tab.ask("document.activeElement.textContent") == "Skip to the figures"
        tab.press("Enter")
        assert tab.ask("document.activeElement.id") == "main"
        tab.press("/")
        assert tab.ask("document.activeElement.id") == "search"
        for letter in "404":
            tab.press(letter)
        tab.wait("[...document.querySelectorAll('#recent tbody tr')].every(r => r.textContent.includes('404'))")
        for _ in range(3):
            tab.press("Tab")
        assert tab.ask("document.activeElement.textContent") == "Explain"
        tab.press("Enter")
        assert "Answered 404 Nobody Of That Name." in tab.text("#recent .detail")
        assert tab.ask("document.activeElement.getAttribute('aria-expanded')") == "true"
        time.sleep(1)
        assert tab.ask("document.activeElement.textContent") == "Explain", "news takes no focus away"
        assert tab.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid", "focus is seen"
        tab.press("Enter")
        assert tab.ask("document.querySelector('#recent .detail')") is None


def test_by_screen_reader(cluster: Cluster, start_program: Start, tmp_path: Path) -> None:
    for width in (1280, 360):
        folder = tmp_path / str(width)
        folder.mkdir()
        with Tab(start_program, folder, width) as tab:
            tab.open(cluster.monitor.url)
            is_well(tab)
            tree = tab.tree()
            roles = [role for role, _name in tree]
            assert {"banner", "navigation", "main", "contentinfo", "search"} <= set(roles)
            headings = [name for role, name in tree if role == "heading"]
            assert headings[:2] == ["slbroker", "Now"]
            assert len(headings) == 9
            tables = {name for role, name in tree if role == "table"}
            assert {"Edges", "Brokers", "Pools", "Workers", "Replies by method and status"} <= tables
            assert roles.count("rowheader") > 8
            images = [name for role, name in tree if role == "image"]
            assert any(name.startswith("Topology: edge ipc://") for name in images)
            assert all(name for role, name in tree if role in ("button", "searchbox", "combobox"))


CONTRAST = """(selector) => {
  const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (color) => {
    const [r, g, b] = color.match(/[0-9.]+/g).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const node = document.querySelector(selector);
  let behind = node;
  while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
  const [a, b] = [light(getComputedStyle(node).color), light(getComputedStyle(behind).backgroundColor)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


def contrast(tab: Tab, selector: str) -> float:
    """Of a text and what is behind it, as WCAG 2 has it."""
    found: float = tab.ask(f"({CONTRAST})({json.dumps(selector)})")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_can_be_read(cluster: Cluster, start_program: Start, tmp_path: Path, scheme: str) -> None:
    with Tab(start_program, tmp_path) as tab:
        tab.scheme(scheme)
        tab.open(cluster.monitor.url)
        is_well(tab)
        cluster.edges[0].process.send(signal.SIGKILL)
        tab.wait("document.querySelector('#state.bad, #edges td.bad') !== null", 15)
        for selector in (
            "h1",
            "#state",
            "#live",
            "nav a",
            "dt",
            "dd",
            "small",
            "th",
            "td",
            "td.bad",
            "td.good",
            "caption",
        ):
            assert contrast(tab, selector) >= 4.5, selector
        back = tab.ask("getComputedStyle(document.body).backgroundColor")
        assert back == {"light": "rgb(244, 246, 248)", "dark": "rgb(15, 19, 24)"}[scheme]


def test_an_edge_is_asked_for_requests_only_while_a_page_is_open(
    start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    keys, bus = new_keys(tmp_path), free_bus_address("ipc", tmp_path)
    edge = start_edge(start_slbroker, keys, bus)
    start_handler(start_slbroker, keys, bus).wait_for("handler ready")
    monitor = start_monitor(start_slbroker, bus)
    run_sipp(start_program, "options", edge.port, tmp_path, calls=20, rate=50)
    with Tab(start_program, tmp_path) as tab:
        tab.open(monitor.url)
        is_well(tab)
        assert tab.rows("recent") == [["none yet"]], "what came before nobody has noted"
        run_sipp(start_program, "register", edge.port, tmp_path, calls=20, rate=50)
        until(lambda: len(tab.rows("recent")) > 3, 10)
