"""An edge and two handlers as three commands: in either order, over either bus, with a plugin file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers.brokers import free_bus_address, new_keys, start_edge, start_handler
from tests.peers.phone import Phone
from tests.peers.plugin import WORKER
from tests.support.timing import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

BURST = 64  # requests at a time, so that one worker is busy when the next is chosen


def workers_that_answer(phone: Phone) -> set[str]:
    """Send a burst of OPTIONS; the pids in the replies."""
    for _ in range(BURST):
        phone.send(phone.call().request("OPTIONS"))
    replies = [phone.receive() for _ in range(BURST)]
    assert all(reply is not None and reply.status == 200 for reply in replies)
    return {reply[WORKER] for reply in replies if reply}


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
@pytest.mark.parametrize("first", ["edge", "handlers"])
def test_both_workers_answer(first: str, transport: str, start_slbroker: Start, tmp_path: Path) -> None:
    """Who comes first waits for the other side."""
    keys = new_keys(tmp_path)
    bus = free_bus_address(transport, tmp_path)
    if first == "edge":
        edge = start_edge(start_slbroker, keys, bus)
    handlers = [start_handler(start_slbroker, keys, bus) for _ in range(2)]
    if first == "handlers":
        for handler in handlers:
            handler.wait_for("handler started")
            assert "handler ready" not in handler.log
        edge = start_edge(start_slbroker, keys, bus)
    for handler in handlers:
        handler.wait_for("handler ready")
    seen: set[str] = set()

    def both_answered() -> bool:
        seen.update(workers_that_answer(phone))
        return len(seen) == 2

    with Phone(edge.port) as phone:
        until(both_answered, what="an answer from both workers")
    figures = edge.wait_for_figures(in_flight=0)
    assert figures["replied"] == figures["received"]
    assert sorted(worker["answered"] > 0 for worker in figures["workers"]) == [True, True]
