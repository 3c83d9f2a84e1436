"""A browser's own SIP stack (SIP.js in Chromium) against an edge and a handler, over WebSocket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.page import Page, require_browser
from tests.peers.brokers import Edge, free_bus_address, new_keys, start_edge
from tests.support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.conftest import Start

pytestmark = pytest.mark.peer

PLUGIN = Path(__file__).with_name("plugin.py")


@pytest.fixture
def page() -> Iterator[Page]:
    require_browser()
    with Page() as served:
        yield served


def start_both(start: Start, folder: Path, transport: str, options: Sequence[str] = ()) -> Edge:
    """An edge that listens for WebSockets, and a handler with a plugin."""
    keys, bus = new_keys(folder), free_bus_address("ipc", folder)
    edge = start_edge(start, keys, bus, (f"{transport}:127.0.0.1",), options)
    start("handler", "--bus", bus, "--plugin", str(PLUGIN), "--keys", str(keys)).wait_for("handler ready")
    return edge


@pytest.mark.parametrize("transport", ["ws", "wss"])
def test_a_phone_in_a_browser(
    start_slbroker: Start, start_program: Start, page: Page, tmp_path: Path, transport: str
) -> None:
    """It registers, asks OPTIONS, and has its INVITE refused; the ACK to that is its stack's own, and is absorbed."""
    options = ["--ws-origin", page.origin]
    if transport == "wss":
        pair = Authority(tmp_path).issue("server")
        options += ["--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)]
    edge = start_both(start_slbroker, tmp_path, transport, options)
    result = page.call(start_program, tmp_path, f"{transport}://127.0.0.1:{edge.port}")
    assert "error" not in result, result
    assert (result["register"]["status"], result["registered"]) == (200, "Registered")
    assert (result["options"]["status"], result["options"]["subject"]) == (200, f"{transport} 127.0.0.1")
    assert (result["invite"]["status"], result["invite"]["reason"]) == (404, "Nobody Here")
    for answer in (result["register"], result["options"], result["invite"]):
        assert answer["via"].startswith(f"SIP/2.0/{transport.upper()} ")
        assert answer["via"].endswith(";received=127.0.0.1")
        assert answer["toTag"]
    figures = edge.wait_for_figures(replied=3, absorbed=1)
    connections = figures["connections"]
    assert (connections["accepted"], connections["open"], connections["closed"]) == (1, 0, {"peer": 1})


def test_a_page_of_another_site(start_slbroker: Start, start_program: Start, page: Page, tmp_path: Path) -> None:
    edge = start_both(start_slbroker, tmp_path, "ws", ["--ws-origin", "https://phone.example.com"])
    result = page.call(start_program, tmp_path, f"ws://127.0.0.1:{edge.port}")
    assert "error" in result
    figures = edge.wait_for_figures(received=0)
    assert figures["connections"]["closed"] == {"handshake": 1}
