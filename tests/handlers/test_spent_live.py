"""How long handlers took is told by their worker: those that await something, too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from slbroker import keys
from tests.peers.brokers import free_bus_address, start_edge
from tests.peers.phone import Phone

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

PLUGIN = """
import asyncio, time
from slbroker import Handlers

app = Handlers()


@app.otherwise
{}
    return request.reply(200)
"""


@pytest.mark.parametrize(
    "body", ["async def wait(request):\n    await asyncio.sleep(0.06)", "def wait(request):\n    time.sleep(0.06)"]
)
def test_what_a_handler_takes_is_told(body: str, start_slbroker: Start, tmp_path: Path) -> None:
    ring, plugin, bus = tmp_path / "ring", tmp_path / "plugin.py", free_bus_address("ipc", tmp_path)
    keys.create(ring)
    plugin.write_text(PLUGIN.replace("{}", body))
    edge = start_edge(start_slbroker, ring, bus)
    start_slbroker("handler", "--bus", bus, "--plugin", str(plugin), "--keys", str(ring)).wait_for("handler ready")
    with Phone(edge.port) as phone:
        for _ in range(3):
            phone.send(phone.call().request("OPTIONS"))
            assert phone.receive() is not None
    said = start_slbroker("stats", "--json", "--bus", bus)
    assert said.wait() == 0
    told: dict[str, Any] = json.loads(said.output)["edges"][0]["workers"][0]["told"]
    assert (told["served"], sum(told["seconds"]["counts"])) == (3, 3)
    assert sum(told["seconds"]["counts"][:9]) == 0, "none took less than 0.05 s"
    assert told["seconds"]["sum"] > 3 * 0.06
