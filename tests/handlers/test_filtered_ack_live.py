"""`@app.filtered_ack`: a plugin is told of the ACKs that the edge absorbs, and they are absorbed all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers.brokers import free_bus_address, new_keys, start_edge
from tests.peers.phone import Phone
from tests.support.timing import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

PLUGIN = """
from pathlib import Path
from slbroker import Handlers

app, diary = Handlers(), Path(__file__).with_suffix(".diary")

@app.filtered_ack
def told(request):
    with diary.open("a") as lines:
        lines.write(f"{request.method} {request.call_id}\\n")
    return request.reply(200)  # is not sent

app.on("INVITE")(lambda request: request.reply(486))
"""


@pytest.mark.parametrize("inside", [False, True])
def test_a_plugin_is_told_of_absorbed_acks(inside: bool, start_slbroker: Start, tmp_path: Path) -> None:
    plugin = tmp_path / "answers.py"
    plugin.write_text(PLUGIN)
    keys, bus = new_keys(tmp_path), free_bus_address("ipc", tmp_path)
    edge = start_edge(start_slbroker, keys, bus)
    handler = start_slbroker("handler", "--bus", bus, "--plugin", str(plugin), "--keys", str(keys))
    handler.wait_for("handler ready")
    diary = tmp_path / "answers.diary"
    with Phone(edge.port) as phone:
        call = phone.call().inside_a_dialog() if inside else phone.call()
        reply = phone.ask(call.request("INVITE"))
        assert reply.status == 486
        phone.send(call.ack(reply["To"]))
        until(diary.exists, what="word of the ACK")
        assert phone.receive(0.2) is None
    assert diary.read_text() == f"ACK {call.call_id}\n"
    figures = edge.wait_for_figures(in_flight=0, absorbed=1)
    assert (figures["received"], figures["replied"], figures["passed"]) == (2, 1, 0)
