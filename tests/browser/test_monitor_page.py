"""The monitor's page in Chromium beside a SIPp run: right numbers, a stranger's words as text, fit for a phone.

What happens to it when somebody dies is in tests/lab/page.
"""

from __future__ import annotations

import json
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from slbroker.metrics.model import fit
from tests.browser.devtools import Tab
from tests.peers.brokers import free_bus_address, new_keys, start_edge, start_handler
from tests.peers.monitor import ask, start_monitor
from tests.peers.sipp import run_sipp
from tests.support.timing import until, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]

CALLS = 100
# In every place where a peer's words could go; each would leave a mark if it were ever markup.
SCRIPT = "<img/src=x/onerror=window.mark=1><script>window.mark=1</script>"
HOSTILE = (
    "{method} sip:{script}@h SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{at}\r\n"
    'From: "{script}" <sip:a@b>;tag={at}\r\nTo: <sip:a@b>\r\nCall-ID: {at}{script}\r\nCSeq: 1 {method}\r\n'
    "User-Agent: {script}\r\nMax-Forwards: 70\r\n\r\n"
)


def send_hostile(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        for at, method in enumerate(("OPTIONS", "<b>x</b>", "M'\"", "INVITE", "BROKEN")):
            text = HOSTILE.format(method=method, script=SCRIPT, at=at)
            peer.sendto(text.replace("CSeq: 1 BROKEN", "CSeq: <script>").encode(), ("127.0.0.1", port))
            time.sleep(0.08)


def test_the_page_during_a_sipp_run(start_slbroker: Start, start_program: Start, tmp_path: Path) -> None:
    keys, bus = new_keys(tmp_path), free_bus_address("ipc", tmp_path)
    edge = start_edge(start_slbroker, keys, bus)
    for _ in range(2):
        start_handler(start_slbroker, keys, bus).wait_for("handler ready")
    monitor = start_monitor(start_slbroker, bus)
    with Tab(start_program, tmp_path) as tab:
        tab.open(monitor.url)
        tab.wait("document.getElementById('state').textContent === 'Requests are answered.'", 20)
        run_sipp(start_program, "invite_404_ack", edge.port, tmp_path, calls=CALLS, rate=CALLS)
        told = edge.wait_for_figures(in_flight=0)
        count = f"{told['replied']:,}"
        tab.wait(f"document.querySelector('#tile-replied small').textContent === '{count} in all'")
        assert tab.text("#tile-absorbed small") == f"{told['absorbed']:,} in all"
        assert tab.text("#tile-received small") == f"{told['received']:,} in all"
        assert tab.text("#tile-shed small") == "0 in all"
        assert tab.rows("codes")[0][:2] + tab.rows("codes")[0][3:] == ["INVITE", "404", count, "100 %"]
        assert tab.rows("stages")[2][0] == "whole"
        assert [row[:2] for row in tab.rows("edges")] == [[fit(bus), "up"]]
        assert [row[1] for row in tab.rows("workers")] == ["default", "default"]
        assert "sign with one key" in tab.text("#keys-state")
        assert tab.ask("document.querySelectorAll('#map .tile').length") == 2
        tab.wait("document.getElementById('recent').tBodies[0].rows.length >= 10")
        assert {row[4] for row in tab.rows("recent")} <= {"404 Nobody Of That Name", "absorbed"}

        send_hostile(edge.port)
        search(tab, "onerror")
        until(lambda: len(tab.rows("recent")) >= 4, 10, what="a stranger's requests")
        tab.ask("document.querySelectorAll('#recent button').forEach(b => b.click())")
        assert SCRIPT in tab.text("#recent .detail pre")
        assert tab.ask("window.mark ?? document.querySelectorAll('#recent img, #recent script, #recent b').length") == 0
        search(tab, "nobody has this")
        assert tab.rows("recent") == [["none that fits"]]
        search(tab, "")

        for width, scheme in ((1280, "light"), (360, "dark"), (360, "light")):
            tab.size(width, 800)
            tab.scheme(scheme)
            assert tab.ask("document.documentElement.scrollWidth") == width, "no sideways scroll"
        assert tab.complaints == [], "nothing against its own policy, no exception"

        began = time.monotonic()
        monitor.process.send(signal.SIGTERM)
        assert monitor.process.wait(10) == 0
        assert time.monotonic() - began < within(5)
        tab.wait("document.getElementById('gone').textContent.startsWith('The monitor is gone')")
        assert tab.rows("edges")[0][0] == fit(bus), "what was seen stays"


def search(tab: Tab, words: str) -> None:
    field = "document.getElementById('search')"
    tab.ask(f"{field}.value = {json.dumps(words)}, {field}.dispatchEvent(new Event('input'))")


def test_its_files_come_with_a_strict_policy(start_slbroker: Start, tmp_path: Path) -> None:
    """And from this process alone: nothing of what they load is elsewhere."""
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    monitor = start_monitor(start_slbroker, f"ipc://{tmp_path}/none", options=("--token-file", str(token)))
    basic = {"Authorization": "Basic b3BlcmF0b3I6MDEyMzQ1Njc4OWFiY2RlZg=="}
    refused = ask(monitor.url, None, {})
    assert (refused.status, ask(monitor.url, None, basic).status) == (401, 200), "a browser asks for the token"
    assert "content-security-policy" in refused.headers
    page = ask(monitor.url, None, basic)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    names = (
        "page.js",
        "page.css",
        "dom.js",
        "tables.js",
        "requests.js",
        "topology.js",
        "chart.js",
        "format.js",
        "icon.svg",
    )
    for name in names:
        said = ask(f"{monitor.url}/page/{name}", None, basic)
        assert said.status == 200
        assert said.headers["x-content-type-options"] == "nosniff"
        assert "https://" not in said.text.replace("http://www.w3.org/", "")
    for path in ("/page/", "/page/../web.py", "/page/%2e%2e/web.py", "/page/none.js"):
        assert ask(monitor.url + path, None, basic).status == 404
    assert ask(monitor.url, b"{}", basic).status == 405, "it is read-only"
