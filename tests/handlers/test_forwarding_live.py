"""A plugin that lets requests go on and looks at their replies, in a real worker behind a real edge, or a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.edge.test_forward_live import Edge, Phone
from tests.support.forwarding import headers, lines_of, reply_to, vias
from tests.support.sip import read_reply, request
from tests.support.timing import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start

PLUGIN = """
import asyncio
from slbroker import Handlers

app = Handlers()


@app.on("INVITE", "ACK", "CANCEL", user="0*")
def outbound(request):
    return request.forward("{hop}", uri=f"sip:{{request.uri.user[1:]}}@trunk", add={{"X-By": "handler"}})


@app.on("MESSAGE")
async def later(request):
    await asyncio.sleep(0.01)
    return request.forward("{hop}", remove="Subject")


@app.otherwise
def refuse(request):
    return request.reply(404)


@app.on_reply
async def mask(reply):
    await asyncio.sleep(0.01)
    if reply.status == 404:
        return reply.forward(480, "Gone", add={{"X-Was": f"{{reply.status}} {{reply.reason}} to {{reply.method}}"}})
    if reply.status == 183:
        return reply.drop()
"""


@pytest.fixture
def caller() -> Iterator[Phone]:
    phone = Phone()
    with phone.sock:
        yield phone


@pytest.fixture
def callee() -> Iterator[Phone]:
    phone = Phone()
    with phone.sock:
        yield phone


def serve(start: Start, folder: Path, hop: str, *, brokered: bool) -> Edge:
    (folder / "onward.py").write_text(PLUGIN.format(hop=hop))
    words: tuple[str, ...] = ()
    bus = f"ipc://{folder}/bus"
    if brokered:
        bus = f"ipc://{folder}/handlers"
        start("broker", "--edges", f"ipc://{folder}/edges", "--handlers", bus).wait_for("broker ready")
        words = ("--broker", f"ipc://{folder}/edges")
    edge = Edge(start, folder, *words)
    worker = start("handler", "--plugin", str(folder / "onward.py"), "--keys", str(edge.ring), "--bus", bus)
    worker.wait_for("handler ready")
    return edge


@pytest.mark.parametrize("brokered", [False, True])
def test_a_call_goes_out_and_its_replies_are_looked_at(
    start_slbroker: Start, tmp_path: Path, caller: Phone, callee: Phone, brokered: bool
) -> None:
    edge = serve(start_slbroker, tmp_path, callee.uri, brokered=brokered)
    if brokered:
        wait_for_workers(edge, caller)
    invite = request("INVITE", "sip:0123@example.com", via=caller.via("i"))
    caller.send(invite, edge.port)
    came = callee.receive()
    assert lines_of(came)[0] == b"INVITE sip:123@trunk SIP/2.0"
    assert headers(came, b"x-by") == [b"X-By: handler"]
    caller.send(request("CANCEL", "sip:0123@example.com", via=caller.via("i")), edge.port)
    cancel = callee.receive()
    assert lines_of(cancel)[0] == b"CANCEL sip:123@trunk SIP/2.0"
    assert vias(cancel)[0].partition(b";flow=")[0] == vias(came)[0].partition(b";flow=")[0], "the INVITE's branch"
    callee.send(reply_to(came, 183, b"Progress", b"t"), edge.port)
    callee.send(reply_to(came, 404, b"Not Found", b"t"), edge.port)
    got = caller.receive()
    assert lines_of(got)[0] == b"SIP/2.0 480 Gone", "the 183 is dropped"
    assert headers(got, b"x-was") == [b"X-Was: 404 Not Found to INVITE"]
    assert len(vias(got)) == 1
    ack = request("ACK", "sip:0123@example.com", via=caller.via("i"), to="<sip:bob@example.com>;tag=t")
    caller.send(ack, edge.port)
    acked = callee.receive()
    assert lines_of(acked)[0] == b"ACK sip:123@trunk SIP/2.0"
    assert vias(acked)[0].partition(b";flow=")[0] == vias(came)[0].partition(b";flow=")[0], "the INVITE's branch"
    caller.send(request("MESSAGE", via=caller.via("m"), lines=[b"Subject: x"]), edge.port)
    message = callee.receive()
    assert headers(message, b"subject", b"s") == []
    callee.send(reply_to(message, 200), edge.port)
    assert lines_of(caller.receive())[0] == b"SIP/2.0 200 OK"
    figures = edge.figures()
    assert figures["unaccounted"] == figures["replies"]["unaccounted"] == 0
    assert figures["forwarded"] == 4
    assert figures["replies"]["forwarded"] == 2
    assert figures["replies"]["dropped"] == {"handler": 1}


def wait_for_workers(edge: Edge, caller: Phone) -> None:
    """Ask until a worker behind the broker answers."""

    def has_come() -> bool:
        caller.send(request("OPTIONS", via=caller.via("o")), edge.port)
        return read_reply(caller.receive()).status == 404

    until(has_come, what="a worker")
